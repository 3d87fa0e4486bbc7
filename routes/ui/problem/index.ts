// What went wrong elsewhere, as a page: where a way of signing in that leaves this origin ends when it fails. It says one of a few things that
// are ours, whatever the address holds.
import type { FastifyPluginAsync } from 'fastify'
import type { PageFault } from '../../../src/pages/index.js'

const KNOWN: Readonly<Record<string, readonly [PageFault, number]>> = {
  denied: ['denied', 403], rate: ['rate', 429], busy: ['busy', 503], server: ['server', 500],
}

export default (async (app) => {
  app.get('/', { config: { access: ['public'] } }, async (request, reply) => {
    const [fault, status] = (Object.hasOwn(KNOWN, request.asked('code')) ? KNOWN[request.asked('code')] : undefined) ?? ['malformed', 400]
    return reply.code(status).show('problem', { fault, status })
  })
}) satisfies FastifyPluginAsync

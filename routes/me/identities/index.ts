// One's identities at other systems: seen, linked, taken away.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent, RECENT } from '../../../plugins/http/route-kit.js'
import { problem } from '../../../src/kernel/errors.js'
import { Started } from '../../auth/providers/schema.js'
import { Identities, StartLink } from './schema.js'

const tags = ['Account']

export default (async (app) => {
  const { federation, identities } = app

  app.get('/', {
    schema: { operationId: 'listMyIdentities', summary: 'My identities at other systems', tags, response: { 200: Identities } },
    config: { access: ['gatehouse:own.profile'] },
  }, async (request) => ({ data: await identities.list(request.signedIn().id) }))

  app.post('/', {
    schema: {
      operationId: 'linkMyIdentity', summary: 'Begin to link an identity',
      description: 'Answers where to send the browser; it is linked when this browser comes back within ten minutes and I am still signed in.', tags, body: StartLink, response: { 200: Started },
    },
    config: { access: ['gatehouse:own.profile'], stepUp: RECENT, price: 10, errors: ['provider.not_found', 'provider.unavailable', 'federation.refused', 'session.not_found'] },
  }, async (request, reply) => {
    const { id: userId, sessionId } = request.signedIn()
    if (sessionId === undefined) throw problem('session.not_found')
    const { providerId, returnTo } = request.body
    return federation.start(request.browserBinding(reply), { providerId, intent: { kind: 'link', userId, sessionId }, mode: 'cookie', returnTo })
  })

  app.delete('/:id', {
    schema: { operationId: 'unlinkMyIdentity', summary: 'Take an identity away', description: 'Ends my other sessions. The last way to sign in stays.', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:own.profile'], stepUp: RECENT, errors: ['identity.not_found', 'identity.last'] },
  }, async (request, reply) => {
    await identities.unlink(request.caller, request.params.id)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

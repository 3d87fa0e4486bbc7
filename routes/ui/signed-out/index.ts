// What is seen after signing out.
import type { FastifyPluginAsync } from 'fastify'

export default (async (app) => {
  app.get('/', { config: { access: ['public'] } }, async (_request, reply) => reply.show('signed-out', {}))
}) satisfies FastifyPluginAsync

// What is seen once one's account is gone.
import type { FastifyPluginAsync } from 'fastify'

export default (async (app) => {
  app.get('/', { config: { access: ['public'] } }, async (_request, reply) => reply.show('account-deleted', {}))
}) satisfies FastifyPluginAsync

// Signing out: the session behind the request ends, whatever carried it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoContent } from '../../../plugins/http/route-kit.js'

export default (async (app) => {
  app.post('/', {
    schema: { operationId: 'signOut', summary: 'Sign out', description: 'The access and refresh tokens of this session stop working at once.', tags: ['Sign-in'], response: { 204: NoContent } },
    config: { access: ['user'], impersonated: true },
  }, async (request, reply) => {
    await app.sessions.endOwn(request.caller)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

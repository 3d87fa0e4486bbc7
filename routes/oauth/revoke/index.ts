// POST /oauth/revoke (RFC 7009): 200 whatever the token was.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoAnswer } from '../schema.js'

export default (async (app) => {
  const { oauth } = app
  app.post('/', { schema: { response: { 200: NoAnswer } }, config: { access: ['public'], anyOrigin: true, provesClient: true, rateLimit: { max: 1200, timeWindow: 60_000 } } }, async (request, reply) => {
    await oauth.revoke(request.headers.authorization, request.parameters(), request.caller)
    await reply.effective(false)
    return reply.code(200).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

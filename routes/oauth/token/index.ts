// POST /oauth/token (RFC 6749 3.2).
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OAuthAnswer } from '../schema.js'

export default (async (app) => {
  const { oauth } = app
  app.post('/', { schema: { response: { 200: OAuthAnswer } }, config: { access: ['public'], rateLimit: false, anyOrigin: true, provesClient: true } }, async (request, reply) =>
    reply.header('pragma', 'no-cache').type('application/json; charset=utf-8').serializer(JSON.stringify).send(await oauth.token(request.headers.authorization, request.parameters(), request.caller)))
}) satisfies FastifyPluginAsyncTypebox

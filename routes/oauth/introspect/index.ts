// POST /oauth/introspect (RFC 7662): for back ends, never for pages.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OAuthAnswer } from '../schema.js'

export default (async (app) => {
  const { oauth } = app
  app.post('/', { schema: { response: { 200: OAuthAnswer } }, config: { access: ['public'], rateLimit: false, provesClient: true } }, async (request, reply) =>
    reply.type('application/json; charset=utf-8').serializer(JSON.stringify).send(await oauth.introspect(request.headers.authorization, request.parameters())))
}) satisfies FastifyPluginAsyncTypebox

// POST /oauth/par (RFC 9126): a client leaves its request here, and sends people along with a name for it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OAuthAnswer } from '../schema.js'

export default (async (app) => {
  const { oauth } = app
  app.post('/', { schema: { response: { 201: OAuthAnswer } }, config: { access: ['public'], anyOrigin: true, provesClient: true, rateLimit: { max: 600, timeWindow: 60_000 } } }, async (request, reply) =>
    reply.code(201).type('application/json; charset=utf-8').serializer(JSON.stringify).send(await oauth.push(request.headers.authorization, request.parameters())))
}) satisfies FastifyPluginAsyncTypebox

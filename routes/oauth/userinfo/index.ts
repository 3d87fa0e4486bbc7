// /oauth/userinfo (OpenID Connect Core 5.3). The token stands in the header: in a form or an address it would be written down.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OAuthAnswer } from '../schema.js'

export default (async (app) => {
  const { oauth } = app
  app.route({
    method: ['GET', 'POST'], url: '/', schema: { response: { 200: OAuthAnswer } }, config: { access: ['public'], anyOrigin: true, rateLimit: { max: 6000, timeWindow: 60_000 } },
    handler: async (request, reply) => reply.type('application/json; charset=utf-8').serializer(JSON.stringify).send(await oauth.userinfo(request.headers.authorization, request.ip)),
  })
}) satisfies FastifyPluginAsyncTypebox

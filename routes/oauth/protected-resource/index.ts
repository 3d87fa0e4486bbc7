// GET /oauth/protected-resource?resource=IDENTIFIER: what clients read of an API that has refused them (RFC 9728); gateways name it in `resource_metadata`.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OAuthAnswer } from '../schema.js'

export default (async (app) => {
  const { oauth } = app
  app.get('/', { schema: { response: { 200: OAuthAnswer, 404: OAuthAnswer } }, config: { access: ['public'], anyOrigin: true } }, async (request, reply) => {
    const metadata = await oauth.resourceMetadata(request.parameters().resources[0] ?? '')
    if (!metadata) return reply.code(404).send({ error: 'invalid_target', error_description: 'There is no such resource' })
    return reply.header('cache-control', 'public, max-age=300').type('application/json; charset=utf-8').serializer(JSON.stringify).send(metadata)
  })
}) satisfies FastifyPluginAsyncTypebox

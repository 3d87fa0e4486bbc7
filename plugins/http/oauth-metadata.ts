// Where clients look for what the authorization server is and does: /.well-known/openid-configuration (OpenID Connect Discovery) and
// /.well-known/oauth-authorization-server (RFC 8414), which say the same.
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'

const Metadata = Type.Object({ issuer: Type.String(), token_endpoint: Type.String(), jwks_uri: Type.String() }, {
  additionalProperties: true, examples: [{ issuer: 'https://auth.example.com', token_endpoint: 'https://auth.example.com/oauth/token', jwks_uri: 'https://auth.example.com/.well-known/jwks.json' }],
})

export default fp(async (app) => {
  const documents = [
    ['oauth-authorization-server', 'readOAuthServerMetadata', 'Metadata of the authorization server (RFC 8414)'], ['openid-configuration', 'readOpenIdConfiguration', 'Metadata of the OpenID provider'],
  ] as const
  for (const [name, operationId, summary] of documents) {
    app.get(`/.well-known/${name}`, {
      schema: { operationId, summary, tags: ['Tokens'], response: { 200: Metadata } },
      config: { access: ['public'] },
    }, async (_request, reply) => reply.header('cache-control', 'public, max-age=300').header('access-control-allow-origin', '*').type('application/json; charset=utf-8').serializer(JSON.stringify).send(await app.oauth.metadata()))
  }
}, { name: 'oauth-metadata', dependencies: ['oauth', 'access'] })

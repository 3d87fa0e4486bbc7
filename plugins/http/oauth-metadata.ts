// Where clients look for what the authorization server is and does: /.well-known/oauth-authorization-server (RFC 8414).
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'

const Metadata = Type.Object({ issuer: Type.String(), token_endpoint: Type.String(), jwks_uri: Type.String() }, {
  additionalProperties: true, examples: [{ issuer: 'https://auth.example.com', token_endpoint: 'https://auth.example.com/oauth/token', jwks_uri: 'https://auth.example.com/.well-known/jwks.json' }],
})

export default fp(async (app) => {
  app.get('/.well-known/oauth-authorization-server', {
    schema: { operationId: 'readOAuthServerMetadata', summary: 'Metadata of the authorization server (RFC 8414)', tags: ['Tokens'], response: { 200: Metadata } },
    config: { access: ['public'] },
  }, async (_request, reply) => reply.header('cache-control', 'public, max-age=300').header('access-control-allow-origin', '*').serializer(JSON.stringify).send(app.oauth.metadata()))
}, { name: 'oauth-metadata', dependencies: ['oauth', 'access'] })

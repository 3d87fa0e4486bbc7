// Where clients look for what the authorization server is and does: /.well-known/openid-configuration (OpenID Connect Discovery) and
// /.well-known/oauth-authorization-server (RFC 8414), which say the same.
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { documentOf, type PublicDocument } from './documents.js'

const Metadata = Type.Object({ issuer: Type.String(), token_endpoint: Type.String(), jwks_uri: Type.String() }, {
  additionalProperties: true, examples: [{ issuer: 'https://auth.example.com', token_endpoint: 'https://auth.example.com/oauth/token', jwks_uri: 'https://auth.example.com/.well-known/jwks.json' }],
})

export default fp(async (app) => {
  const { oauth } = app
  let made: { of: object; document: PublicDocument } | null = null

  function send(reply: FastifyReply, metadata: object): FastifyReply {
    if (made?.of !== metadata) made = { of: metadata, document: documentOf(JSON.stringify(metadata), [['access-control-allow-origin', '*']]) }
    return reply.document(made.document)
  }

  const documents = [
    ['oauth-authorization-server', 'readOAuthServerMetadata', 'Metadata of the authorization server (RFC 8414)'], ['openid-configuration', 'readOpenIdConfiguration', 'Metadata of the OpenID provider'],
  ] as const
  for (const [name, operationId, summary] of documents) {
    app.get(`/.well-known/${name}`, {
      schema: { operationId, summary, tags: ['Tokens'], response: { 200: Metadata } },
      config: { access: ['public'] },
    }, (_request, reply) => {
      const metadata = oauth.metadata()
      return metadata instanceof Promise ? metadata.then((read) => send(reply, read)) : send(reply, metadata)
    })
  }
}, { name: 'oauth-metadata', dependencies: ['oauth', 'access', 'documents'] })

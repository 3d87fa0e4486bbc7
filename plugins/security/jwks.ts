// The public keys of tokens, where verifiers of RFC 9068 tokens look for them. Nothing private can get into the
// answer: its schema names every member.
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { PublishedKey } from '../../src/tokens/index.js'
import { documentOf, type PublicDocument } from '../http/documents.js'
import { strict } from '../http/route-kit.js'

const OPTIONAL = (description: string) => Type.Optional(Type.String({ description }))
const Jwk = strict({
  kty: Type.String({ description: 'OKP, EC or RSA' }),
  crv: OPTIONAL('Ed25519 or P-256'),
  x: OPTIONAL('base64url'),
  y: OPTIONAL('base64url'),
  n: OPTIONAL('The modulus, base64url'),
  e: OPTIONAL('base64url'),
  kid: Type.String({ description: 'RFC 7638 thumbprint; the `kid` of a token names its key' }),
  use: Type.Literal('sig'),
  alg: Type.String({ description: 'EdDSA, ES256 or RS256' }),
})

const Jwks = strict({ keys: Type.Array(Jwk) }, {
  examples: [{ keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', use: 'sig', alg: 'EdDSA' }] }],
})

export default fp(async (app) => {
  const { tokens } = app
  let made: { of: readonly PublishedKey[]; document: PublicDocument } | null = null

  function send(reply: FastifyReply, keys: readonly PublishedKey[]): FastifyReply {
    if (made?.of !== keys) made = { of: keys, document: documentOf(reply.compileSerializationSchema(Jwks)({ keys })) }
    return reply.document(made.document)
  }

  app.get('/.well-known/jwks.json', {
    schema: { operationId: 'readJwks', summary: 'Public keys of tokens (JWKS, RFC 7517)', tags: ['Tokens'], response: { 200: Jwks } },
    config: { access: ['public'] },
  }, (_request, reply) => {
    const keys = tokens.publicKeys()
    return keys instanceof Promise ? keys.then((read) => send(reply, read)) : send(reply, keys)
  })
}, { name: 'jwks', dependencies: ['jwt', 'access', 'documents'] })

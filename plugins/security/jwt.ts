// Loads the signing keys and puts @fastify/jwt behind the token service: the library signs, verifies, and insists on
// algorithm and `typ`; the service judges claims, with the injected clock (so expiry is not the library's business here).
import jwt from '@fastify/jwt'
import fp from 'fastify-plugin'
import { createSigningKeys, createTokenService, type TokenService, type TokenSigner } from '../../src/tokens/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    tokens: TokenService
  }
}

const ALGORITHM = 'EdDSA'
const TYPE = 'at+jwt' // RFC 9068 2.1

export default fp(async (app) => {
  const { clock, config, prisma, secrets } = app
  const signingKeys = createSigningKeys({ prisma, secrets, clock })
  const { ring } = signingKeys
  await ring.load()
  const boot = ring.current()
  app.operate(signingKeys)

  await app.register(jwt, {
    secret: { private: boot.privatePem, public: boot.publicPem },
    decode: { complete: true },
    sign: { algorithm: ALGORITHM, kid: boot.kid, header: { alg: ALGORITHM, typ: TYPE } },
    verify: { algorithms: [ALGORITHM], checkTyp: TYPE, ignoreExpiration: true, ignoreNotBefore: true },
  })

  // without options the library takes the signer and the verifier it prepared for the boot key
  const signer: TokenSigner = {
    sign: (claims, key) => (key.kid === boot.kid ? app.jwt.sign(claims) : app.jwt.sign(claims, { key: key.privatePem, kid: key.kid })),
    keyIdOf: (token) => app.jwt.decode<{ header: { kid?: string } }>(token)?.header.kid,
    verify: (token, key) => (key.kid === boot.kid ? app.jwt.verify(token) : app.jwt.verify(token, { key: key.publicPem })),
  }
  app.decorate('tokens', createTokenService({ store: ring, signer, issuer: app.publicOrigin, clock, accessTokenSeconds: config.accessTokenSeconds }))
}, { name: 'jwt', dependencies: ['features'] })

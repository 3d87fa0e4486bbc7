// Loads the signing keys and puts @fastify/jwt behind the token service: the library signs, verifies, and insists on
// algorithm and `typ`; the service judges claims, with the injected clock (so expiry is not the library's business here).
import jwt from '@fastify/jwt'
import fp from 'fastify-plugin'
import { systemTimer } from '../src/kernel/timers.js'
import { createKeyRing } from '../src/tokens/key-ring.js'
import { createSigningKeyStore } from '../src/tokens/signing-key-store.js'
import { createTokenService, type TokenService, type TokenSigner } from '../src/tokens/token-service.js'

declare module 'fastify' {
  interface FastifyInstance {
    tokens: TokenService
  }
}

// well below the ten minutes between the making of a key and its first signature
const RELOAD_MS = 30_000
const ALGORITHM = 'EdDSA'
const TYPE = 'at+jwt' // RFC 9068 2.1

export default fp(async (app) => {
  const { clock, config, prisma, secrets } = app
  const ring = createKeyRing({ store: createSigningKeyStore({ prisma, secrets, clock }), clock })
  await ring.load()
  const boot = ring.current()
  const stop = systemTimer(RELOAD_MS, () => void ring.load().catch((error: unknown) => app.log.warn({ err: error }, 'the signing keys could not be read anew; it is tried again')))
  app.addHook('onClose', async () => stop())

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
}, { name: 'jwt', dependencies: ['prisma'] })

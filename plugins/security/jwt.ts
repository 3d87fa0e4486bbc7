// Loads the signing keys and puts @fastify/jwt, and fast-jwt under it, behind the token service: the library signs, verifies, and insists on
// algorithm and `typ`; the service judges claims, with the injected clock (so expiry is not the library's business here).
import type { KeyObject } from 'node:crypto'
import jwt from '@fastify/jwt'
import { createSigner, createVerifier } from 'fast-jwt'
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

  const verify = { algorithms: [ALGORITHM], checkTyp: TYPE, ignoreExpiration: true, ignoreNotBefore: true } satisfies Parameters<typeof createVerifier>[0]
  const signWith = (kid: string) => ({ algorithm: ALGORITHM, kid, header: { alg: ALGORITHM, typ: TYPE } } as const)
  await app.register(jwt, { secret: { private: boot.privatePem, public: boot.publicPem }, decode: { complete: true }, sign: signWith(boot.kid), verify })

  // the library's plugin prepares the boot key alone, and would read any other one's text again for each token: ten times the work of a signature
  const signers = new WeakMap<KeyObject, (claims: Record<string, unknown>) => string>()
  const verifiers = new WeakMap<KeyObject, (token: string) => unknown>()

  const signer: TokenSigner = {
    sign(claims, { kid, privateKey, privatePem }) {
      if (kid === boot.kid) return app.jwt.sign(claims)
      const known = signers.get(privateKey) ?? createSigner({ ...signWith(kid), key: privatePem })
      signers.set(privateKey, known)
      return known(claims)
    },
    keyIdOf: (token) => app.jwt.decode<{ header: { kid?: string } }>(token)?.header.kid,
    verify(token, { kid, publicKey, publicPem }) {
      if (kid === boot.kid) return app.jwt.verify(token)
      const known = verifiers.get(publicKey) ?? createVerifier({ ...verify, key: publicPem })
      verifiers.set(publicKey, known)
      return known(token) as Record<string, unknown>
    },
  }
  app.decorate('tokens', createTokenService({ store: ring, signer, issuer: app.publicOrigin, clock, accessTokenSeconds: config.accessTokenSeconds }))
}, { name: 'jwt', dependencies: ['features'] })

// The key pairs that sign access tokens (Ed25519, RFC 8037). The private half is at rest only under GATEHOUSE_SECRET.
// The first key is made on first need; nodes that start together agree on one.
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { PrismaClient } from '../database/generated/client.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'

/** The public half as JWKS publishes it (RFC 7517). */
export interface PublicJwk {
  kty: 'OKP'
  crv: 'Ed25519'
  x: string
}

export interface SigningKey {
  /** the JWK thumbprint (RFC 7638) */
  kid: string
  publicJwk: PublicJwk
  publicPem: string
  privatePem: string
}

export interface SigningKeyStore {
  /** every key, the newest first. Throws when one was encrypted under another GATEHOUSE_SECRET. */
  list: () => Promise<SigningKey[]>
  /** Makes a key unless there is one: of many nodes calling this at once, one wins. */
  ensure: () => Promise<void>
}

const PURPOSE = 'signing-key'

function thumbprint({ crv, kty, x }: PublicJwk): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url') // members in this order: RFC 7638 3.2
}

export function createSigningKeyStore({ prisma, secrets, clock }: { prisma: PrismaClient; secrets: Secrets; clock: Clock }): SigningKeyStore {
  function unseal(kid: string, ciphertext: Uint8Array): string {
    try {
      return secrets.decrypt(PURPOSE, kid, ciphertext)
    } catch (cause) {
      throw new Error('GATEHOUSE_SECRET is not the one this database was set up with: its signing keys cannot be read', { cause })
    }
  }

  return {
    async list() {
      const rows = await prisma.signingKey.findMany({ where: { algorithm: 'EdDSA' }, orderBy: [{ createdAt: 'desc' }, { kid: 'asc' }] })
      return rows.map(({ kid, publicJwk, privateCiphertext }) => {
        const jwk = publicJwk as unknown as PublicJwk // written below, in this form
        const publicPem = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
        return { kid, publicJwk: jwk, publicPem, privatePem: unseal(kid, privateCiphertext) }
      })
    },
    async ensure() {
      const { publicKey, privateKey } = generateKeyPairSync('ed25519')
      const { x = '' } = publicKey.export({ format: 'jwk' })
      const jwk: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x }
      const kid = thumbprint(jwk)
      const sealed = Uint8Array.from(secrets.encrypt(PURPOSE, kid, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()))
      const createdAt = new Date(clock.now())
      await prisma.$transaction([
        // the lock makes "there is none" stay true until the insert has committed; it does not hold up readers
        prisma.$executeRaw`LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE`,
        prisma.$executeRaw`
          INSERT INTO signing_keys (kid, algorithm, public_jwk, private_ciphertext, created_at)
          SELECT ${kid}, 'EdDSA', ${JSON.stringify(jwk)}::jsonb, ${sealed}, ${createdAt}
          WHERE NOT EXISTS (SELECT 1 FROM signing_keys)`,
      ])
    },
  }
}

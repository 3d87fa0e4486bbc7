// The key pairs that sign access tokens (Ed25519, RFC 8037). The private half is at rest only under GATEHOUSE_SECRET.
// The first key is made on first need; nodes that start together agree on one.
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'

/** The public half as JWKS publishes it (RFC 7517). */
export interface PublicJwk {
  kty: 'OKP'
  crv: 'Ed25519'
  x: string
}

export interface SigningKey {
  /** ms since 1970 from which it signs; it is published from the start, so that verifiers know it by then */
  activatesAtMs: number
  /** ms since 1970 from which nothing it signed is good and it is published no more; null: not planned */
  retiresAtMs: number | null
  /** the JWK thumbprint (RFC 7638) */
  kid: string
  publicJwk: PublicJwk
  publicPem: string
  privatePem: string
}

export interface SigningKeyStore {
  /** every key, the newest first. Those under the previous secret are put under this one. Throws WrongSecretError when one is under neither. */
  list: () => Promise<SigningKey[]>
  /** Makes a key unless there is one: of many nodes calling this at once, one wins. */
  ensure: () => Promise<void>
  /**
   * Makes a key that signs from `activatesAtMs` on, and has all others retire at `othersRetireAtMs`, unless they do so earlier.
   * Null when a key that is not active yet waits already. Deletes keys that retired before `deleteBeforeMs`.
   */
  rotate: (tx: Tx, plan: RotationPlan) => Promise<{ kid: string } | null>
}

export interface RotationPlan {
  nowMs: number
  activatesAtMs: number
  othersRetireAtMs: number
  deleteBeforeMs: number
  /** make it though another waits to become active */
  evenIfOneWaits: boolean
}

/** The database was set up under another GATEHOUSE_SECRET. */
export class WrongSecretError extends Error {
  override readonly name = 'WrongSecretError'
}

const PURPOSE = 'signing-key'

function thumbprint({ crv, kty, x }: PublicJwk): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url') // members in this order: RFC 7638 3.2
}

/** Is a private half under exactly this secret? */
export function isUnder(secrets: Secrets, kid: string, sealed: Uint8Array): boolean {
  try {
    secrets.decrypt(PURPOSE, kid, sealed)
    return true
  } catch {
    return false
  }
}

export function createSigningKeyStore({ prisma, secrets, clock }: { prisma: PrismaClient; secrets: Secrets; clock: Clock }): SigningKeyStore {
  function unseal(kid: string, ciphertext: Uint8Array): string {
    try {
      return secrets.decrypt(PURPOSE, kid, ciphertext)
    } catch (cause) {
      throw new WrongSecretError('GATEHOUSE_SECRET is not the one this database was set up with, nor is GATEHOUSE_SECRET_PREVIOUS: its signing keys cannot be read', { cause })
    }
  }

  /** What only the previous secret opens is put under this one. Two nodes may do so at once: either outcome is right. */
  async function reseal(rows: readonly { kid: string; privateCiphertext: Uint8Array }[]): Promise<void> {
    if (!secrets.previous) return
    for (const { kid, privateCiphertext } of rows) {
      if (!isUnder(secrets.previous, kid, privateCiphertext)) continue
      const sealed = Uint8Array.from(secrets.encrypt(PURPOSE, kid, unseal(kid, privateCiphertext)))
      await prisma.signingKey.updateMany({ where: { kid }, data: { privateCiphertext: sealed } })
    }
  }

  function newKey(): { kid: string; jwk: PublicJwk; sealed: Uint8Array<ArrayBuffer> } {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const { x = '' } = publicKey.export({ format: 'jwk' })
    const jwk: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x }
    const kid = thumbprint(jwk)
    return { kid, jwk, sealed: Uint8Array.from(secrets.encrypt(PURPOSE, kid, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())) }
  }

  return {
    async list() {
      const rows = await prisma.signingKey.findMany({ where: { algorithm: 'EdDSA' }, orderBy: [{ createdAt: 'desc' }, { kid: 'asc' }] })
      await reseal(rows)
      return rows.map(({ kid, publicJwk, privateCiphertext, activatesAt, retiresAt }) => {
        const jwk = publicJwk as unknown as PublicJwk // written below, in this form
        const publicPem = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
        return { kid, activatesAtMs: activatesAt.getTime(), retiresAtMs: retiresAt?.getTime() ?? null, publicJwk: jwk, publicPem, privatePem: unseal(kid, privateCiphertext) }
      })
    },
    async ensure() {
      const { kid, jwk, sealed } = newKey()
      const createdAt = new Date(clock.now())
      await prisma.$transaction([
        // the lock makes "there is none" stay true until the insert has committed; it does not hold up readers
        prisma.$executeRaw`LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE`,
        prisma.$executeRaw`
          INSERT INTO signing_keys (kid, algorithm, public_jwk, private_ciphertext, created_at, activates_at)
          SELECT ${kid}, 'EdDSA', ${JSON.stringify(jwk)}::jsonb, ${sealed}, ${createdAt}, ${createdAt}
          WHERE NOT EXISTS (SELECT 1 FROM signing_keys)`,
      ])
    },
    async rotate(tx, { nowMs, activatesAtMs, othersRetireAtMs, deleteBeforeMs, evenIfOneWaits }) {
      const { kid, jwk, sealed } = newKey()
      const now = new Date(nowMs)
      await tx.$executeRaw`LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE` // two rotations at once are one and a refusal
      const made = await tx.$executeRaw`
          INSERT INTO signing_keys (kid, algorithm, public_jwk, private_ciphertext, created_at, activates_at)
          SELECT ${kid}, 'EdDSA', ${JSON.stringify(jwk)}::jsonb, ${sealed}, ${now}, ${new Date(activatesAtMs)}
          WHERE ${evenIfOneWaits} OR NOT EXISTS (SELECT 1 FROM signing_keys WHERE activates_at > ${now})`
      if (made === 0) return null
      await tx.$executeRaw`
          UPDATE signing_keys SET retires_at = ${new Date(othersRetireAtMs)} WHERE kid <> ${kid} AND (retires_at IS NULL OR retires_at > ${new Date(othersRetireAtMs)})`
      await tx.$executeRaw`DELETE FROM signing_keys WHERE retires_at < ${new Date(deleteBeforeMs)}`
      return { kid }
    },
  }
}

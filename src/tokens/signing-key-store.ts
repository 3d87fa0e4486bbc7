// The key pairs that sign tokens: Ed25519 (RFC 8037), and RSA and P-256 for those who take nothing else. The private half is at rest only under
// GATEHOUSE_SECRET. The first key of an algorithm is made on first need; nodes that need it together agree on one.
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isUnder, type Secrets } from '../kernel/secrets.js'

export type SigningAlgorithm = 'EdDSA' | 'ES256' | 'RS256'

/** The public half as JWKS publishes it (RFC 7517, RFC 8037). */
export type PublicJwk = { kty: 'OKP'; crv: 'Ed25519'; x: string } | { kty: 'EC'; crv: 'P-256'; x: string; y: string } | { kty: 'RSA'; n: string; e: string }

export interface SigningKey {
  algorithm: SigningAlgorithm
  /** ms since 1970 from which it signs; it is published from the start, so that verifiers know it by then */
  activatesAtMs: number
  /** ms since 1970 from which nothing it signed is good and it is published no more; null: not planned */
  retiresAtMs: number | null
  /** the JWK thumbprint (RFC 7638) */
  kid: string
  publicJwk: PublicJwk
  publicPem: string
  privatePem: string
  publicKey: KeyObject
  privateKey: KeyObject
}

export interface SigningKeyStore {
  /** every key, the newest first. Those under the previous secret are put under this one. Throws WrongSecretError when one is under neither. */
  list: () => Promise<SigningKey[]>
  /** Makes a key of an algorithm unless there is one that signs: of many nodes calling this at once, one wins. */
  ensure: (algorithm: SigningAlgorithm) => Promise<void>
  /**
   * Makes a key of each algorithm there is, which signs from `activatesAtMs` on, and has all others retire at `othersRetireAtMs`, unless they do so earlier.
   * Answers that of access tokens. Null when a key that is not active yet waits already. Deletes keys that retired before `deleteBeforeMs`.
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

const generate = promisify(generateKeyPair)
const pairs = { EdDSA: () => generate('ed25519'), ES256: () => generate('ec', { namedCurve: 'P-256' }), RS256: () => generate('rsa', { modulusLength: 2_048 }) }

function jwkOf(key: KeyObject): PublicJwk {
  const { kty, n = '', e = '', x = '', y = '' } = key.export({ format: 'jwk' })
  if (kty === 'RSA') return { kty, n, e }
  return kty === 'EC' ? { kty, crv: 'P-256', x, y } : { kty: 'OKP', crv: 'Ed25519', x }
}

function thumbprint(jwk: PublicJwk): string {
  // members in the order of their names: RFC 7638 3.2
  const members = jwk.kty === 'RSA' ? { e: jwk.e, kty: jwk.kty, n: jwk.n } : jwk.kty === 'EC' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y } : { crv: jwk.crv, kty: jwk.kty, x: jwk.x }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** Is a private half under exactly this secret? */
export function isKeyUnder(secrets: Secrets, kid: string, sealed: Uint8Array): boolean {
  return isUnder(secrets, PURPOSE, kid, sealed)
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
      if (!isKeyUnder(secrets.previous, kid, privateCiphertext)) continue
      const sealed = Uint8Array.from(secrets.encrypt(PURPOSE, kid, unseal(kid, privateCiphertext)))
      await prisma.signingKey.updateMany({ where: { kid }, data: { privateCiphertext: sealed } })
    }
  }

  async function newKey(algorithm: SigningAlgorithm): Promise<{ algorithm: SigningAlgorithm; kid: string; jwk: PublicJwk; sealed: Uint8Array<ArrayBuffer> }> {
    const { publicKey, privateKey } = await pairs[algorithm]()
    const jwk = jwkOf(publicKey)
    const kid = thumbprint(jwk)
    return { algorithm, kid, jwk, sealed: Uint8Array.from(secrets.encrypt(PURPOSE, kid, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())) }
  }

  type Material = Pick<SigningKey, 'publicKey' | 'privateKey' | 'publicPem' | 'privatePem'> & { sealed: Uint8Array }
  /** Of the keys that were there when they were read last: to open one and to read it costs more than ten signatures, and libraries prepare by the object. */
  let known: ReadonlyMap<string, Material> = new Map()

  function materialOf(kid: string, jwk: PublicJwk, sealed: Uint8Array): Material {
    const before = known.get(kid)
    if (before && Buffer.compare(before.sealed, sealed) === 0) return before
    const publicKey = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const privatePem = unseal(kid, sealed)
    return { sealed, publicKey, privateKey: createPrivateKey(privatePem), publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privatePem }
  }

  return {
    async list() {
      const rows = await prisma.signingKey.findMany({ orderBy: [{ createdAt: 'desc' }, { kid: 'asc' }] })
      await reseal(rows)
      const materials = new Map(rows.map(({ kid, publicJwk, privateCiphertext }) => [kid, materialOf(kid, publicJwk as unknown as PublicJwk, privateCiphertext)])) // written below, in this form
      known = materials
      return rows.flatMap(({ kid, algorithm, publicJwk, activatesAt, retiresAt }) => {
        const material = materials.get(kid)
        if (!material) return []
        const { sealed: _, ...keys } = material
        return [{ ...keys, kid, algorithm: algorithm as SigningAlgorithm, activatesAtMs: activatesAt.getTime(), retiresAtMs: retiresAt?.getTime() ?? null, publicJwk: publicJwk as unknown as PublicJwk }]
      })
    },
    async ensure(algorithm) {
      const { kid, jwk, sealed } = await newKey(algorithm)
      const createdAt = new Date(clock.now())
      await prisma.$transaction([
        // the lock makes "there is none" stay true until the insert has committed; it does not hold up readers
        prisma.$executeRaw`LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE`,
        prisma.$executeRaw`
          INSERT INTO signing_keys (kid, algorithm, public_jwk, private_ciphertext, created_at, activates_at)
          SELECT ${kid}, ${algorithm}, ${JSON.stringify(jwk)}::jsonb, ${sealed}, ${createdAt}, ${createdAt}
          WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE algorithm = ${algorithm} AND (${algorithm} = 'EdDSA' OR (activates_at <= ${createdAt} AND (retires_at IS NULL OR retires_at > ${createdAt}))))`,
      ])
    },
    async rotate(tx, { nowMs, activatesAtMs, othersRetireAtMs, deleteBeforeMs, evenIfOneWaits }) {
      const now = new Date(nowMs)
      const known = await tx.signingKey.findMany({ distinct: ['algorithm'], select: { algorithm: true } })
      const keys = await Promise.all([...new Set<SigningAlgorithm>(['EdDSA', ...known.map(({ algorithm }) => algorithm as SigningAlgorithm)])].map(newKey))
      await tx.$executeRaw`LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE` // two rotations at once are one and a refusal
      const [waiting] = await tx.$queryRaw<unknown[]>`SELECT 1 FROM signing_keys WHERE activates_at > ${now} LIMIT 1`
      if (waiting !== undefined && !evenIfOneWaits) return null
      for (const { algorithm, kid, jwk, sealed } of keys) {
        await tx.$executeRaw`
          INSERT INTO signing_keys (kid, algorithm, public_jwk, private_ciphertext, created_at, activates_at)
          VALUES (${kid}, ${algorithm}, ${JSON.stringify(jwk)}::jsonb, ${sealed}, ${now}, ${new Date(activatesAtMs)})`
      }
      const made = keys.map(({ kid }) => kid)
      await tx.$executeRaw`
          UPDATE signing_keys SET retires_at = ${new Date(othersRetireAtMs)} WHERE kid <> ALL(${made}::text[]) AND (retires_at IS NULL OR retires_at > ${new Date(othersRetireAtMs)})`
      await tx.$executeRaw`DELETE FROM signing_keys WHERE retires_at < ${new Date(deleteBeforeMs)}`
      return { kid: made[0] ?? '' }
    },
  }
}

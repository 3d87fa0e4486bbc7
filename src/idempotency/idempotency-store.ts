// Stored answers of requests that carried an Idempotency-Key. The answer is encrypted: it may hold a key shown only once.
import type { Tx } from '../database/transaction.js'
import type { Secrets } from '../kernel/secrets.js'

export interface StoredAnswer {
  fingerprint: Uint8Array
  status: number
  /** JSON */
  answer: string
}

export interface IdempotencyStore {
  /** Takes the key for the rest of the transaction; false when another transaction holds it. */
  claim: (tx: Tx, scope: string, key: string) => Promise<boolean>
  find: (tx: Tx, scope: string, key: string, now: Date) => Promise<StoredAnswer | null>
  insert: (tx: Tx, scope: string, key: string, stored: StoredAnswer, expiresAt: Date) => Promise<void>
}

const PURPOSE = 'idempotency-answer'

function contextOf(scope: string, key: string): string {
  return JSON.stringify([scope, key])
}

export function createIdempotencyStore({ secrets }: { secrets: Secrets }): IdempotencyStore {
  return {
    async claim(tx, scope, key) {
      const rows = await tx.$queryRaw<{ won: boolean }[]>`SELECT pg_try_advisory_xact_lock(hashtextextended(${contextOf(scope, key)}, 0)) AS won`
      return rows[0]?.won === true
    },
    async find(tx, scope, key, now) {
      const row = await tx.idempotencyRecord.findUnique({ where: { scope_key: { scope, key } } })
      if (!row || row.expiresAt <= now) return null
      return { fingerprint: row.fingerprint, status: row.status, answer: secrets.decrypt(PURPOSE, contextOf(scope, key), row.answerCiphertext) }
    },
    async insert(tx, scope, key, { fingerprint, status, answer }, expiresAt) {
      const data = { fingerprint: new Uint8Array(fingerprint), status, answerCiphertext: new Uint8Array(secrets.encrypt(PURPOSE, contextOf(scope, key), answer)), expiresAt }
      // an expired record of the same key gives way
      await tx.idempotencyRecord.upsert({ where: { scope_key: { scope, key } }, create: { scope, key, ...data }, update: data })
    },
  }
}

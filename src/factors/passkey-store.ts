// Passkeys at rest: one per credential id in the whole installation.
import { bytes } from '../database/along.js'
import { isUniqueViolation } from '../database/failures.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'

export interface PasskeyRow {
  id: string
  userId: string
  credentialId: Uint8Array
  publicKey: Uint8Array<ArrayBuffer>
  /** 0: its authenticator keeps none */
  counter: number
  transports: string[]
  isSynced: boolean
}

export interface NewPasskey extends PasskeyRow {
  name: string
  isBackedUp: boolean
  aaguid: string
  createdAt: Date
}

export interface PasskeyStore {
  list: (userId: string) => Promise<{ credentialId: Uint8Array; transports: string[] }[]>
  count: (tx: Tx, userId: string) => Promise<number>
  find: (credentialId: Uint8Array) => Promise<PasskeyRow | null>
  /** Throws factor.taken. */
  insert: (tx: Tx, passkey: NewPasskey) => Promise<void>
  /** Leaves a row of a challenge that was answered, if there is none yet. Did we win? */
  useChallenge: (tx: Tx, challengeHash: Uint8Array, expiresAt: Date) => Promise<boolean>
  /** Notes a use, if the counter is still below the new one, or none is kept. Did we win? */
  use: (tx: Tx, id: string, counter: number, isBackedUp: boolean, now: Date) => Promise<boolean>
}

const COLUMNS = { id: true, userId: true, credentialId: true, publicKey: true, counter: true, transports: true, isSynced: true } as const

export function createPasskeyStore({ prisma }: { prisma: PrismaClient }): PasskeyStore {
  return {
    list: (userId) => prisma.passkey.findMany({ where: { userId }, select: { credentialId: true, transports: true }, orderBy: { createdAt: 'asc' } }),
    count: (tx, userId) => tx.passkey.count({ where: { userId } }),
    async find(credentialId) {
      const row = await prisma.passkey.findUnique({ where: { credentialId: bytes(credentialId) }, select: COLUMNS })
      return row && { ...row, counter: Number(row.counter) }
    },
    async insert(tx, { credentialId, ...passkey }) {
      await tx.passkey.create({ data: { ...passkey, credentialId: bytes(credentialId) } }).catch((error: unknown) => {
        throw isUniqueViolation(error, 'credential_id') ? problem('factor.taken', { cause: error }) : error
      })
    },
    async useChallenge(tx, challengeHash, expiresAt) {
      const { count } = await tx.usedPasskeyChallenge.createMany({ data: [{ challengeHash: bytes(challengeHash), expiresAt }], skipDuplicates: true })
      return count === 1
    },
    async use(tx, id, counter, isBackedUp, now) {
      const isAhead = counter === 0 ? { counter: 0 } : { counter: { lt: counter } }
      const { count } = await tx.passkey.updateMany({ where: { id, ...isAhead }, data: { counter, isBackedUp, lastUsedAt: now } })
      return count === 1
    },
  }
}

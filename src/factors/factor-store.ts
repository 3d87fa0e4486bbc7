// Authenticator apps, recovery codes and the list of all factors. What may happen once (a confirmation, a code) is one conditional write.
import { bytes } from '../database/along.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface FactorRow {
  id: string
  kind: 'totp' | 'passkey'
  name: string
  createdAt: Date
  lastUsedAt: Date | null
  /** of a passkey */
  isSynced?: boolean
  isBackedUp?: boolean
}

export interface TotpRow {
  id: string
  secretCiphertext: Uint8Array
}

export interface FactorStore {
  /** Waits for who else signs in to the account or changes it, until the transaction ends. */
  lockUser: (tx: Tx, userId: string) => Promise<void>
  /** confirmed ones */
  list: (userId: string) => Promise<FactorRow[]>
  /** What a sign-in can be asked for; empty: no second factor. */
  methods: (tx: Tx, userId: string) => Promise<string[]>
  countCodes: (userId: string, tx?: Tx) => Promise<number>
  account: (userId: string) => Promise<{ email: string; name: string; kind: 'person' | 'service' } | null>
  /** Does a role of theirs ask for a second factor? */
  isRequired: (tx: Tx, userId: string) => Promise<boolean>
  insertTotp: (tx: Tx, factor: { id: string; userId: string; name: string; secretCiphertext: Uint8Array; createdAt: Date; expiresAt: Date }) => Promise<void>
  /** Deletes what waits for its confirmation but the `keep` newest. */
  trimPending: (tx: Tx, userId: string, keep: number) => Promise<void>
  countTotp: (tx: Tx, userId: string) => Promise<number>
  findPending: (userId: string, id: string, now: Date) => Promise<TotpRow | null>
  /** Makes a factor of it, if it still waits; null: it does not. */
  confirmTotp: (tx: Tx, userId: string, id: string, step: number, now: Date) => Promise<FactorRow | null>
  listTotp: (userId: string) => Promise<TotpRow[]>
  /** Counts a code of that half minute, if none of it or of a later one has counted. Did we win? */
  useTotp: (tx: Tx, id: string, step: number, now: Date) => Promise<boolean>
  /** Did we win? */
  useCode: (tx: Tx, userId: string, codeHash: Uint8Array) => Promise<boolean>
  replaceCodes: (tx: Tx, userId: string, hashes: readonly Uint8Array[], now: Date) => Promise<void>
  deleteCodes: (tx: Tx, userId: string) => Promise<void>
  /** Deletes one factor of a user; of which kind it was. */
  remove: (tx: Tx, userId: string, id: string) => Promise<'totp' | 'passkey' | null>
  /** All of them, with the codes; how many factors. */
  removeAll: (tx: Tx, userId: string) => Promise<number>
}

export function createFactorStore({ prisma }: { prisma: PrismaClient }): FactorStore {
  return {
    async lockUser(tx, userId) {
      await tx.$executeRaw`SELECT sign_in_lock(${userId}::uuid, '{}')`
    },
    async list(userId) {
      const common = { id: true, name: true, createdAt: true, lastUsedAt: true } as const
      const [totp, passkeys] = await Promise.all([
        prisma.totpFactor.findMany({ where: { userId, confirmedAt: { not: null } }, select: common }),
        prisma.passkey.findMany({ where: { userId }, select: { ...common, isSynced: true, isBackedUp: true } }),
      ])
      const all: FactorRow[] = [...totp.map((one) => ({ ...one, kind: 'totp' as const })), ...passkeys.map((one) => ({ ...one, kind: 'passkey' as const }))]
      return all.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1))
    },
    async methods(tx, userId) {
      const [row] = await tx.$queryRaw<{ methods: string[] }[]>`SELECT second_factors(${userId}::uuid) AS methods`
      return row?.methods ?? []
    },
    countCodes: (userId, tx = prisma) => tx.recoveryCode.count({ where: { userId } }),
    account: (userId) => prisma.user.findUnique({ where: { id: userId }, select: { email: true, name: true, kind: true } }),
    async isRequired(tx, userId) {
      const [row] = await tx.$queryRaw<{ required: boolean }[]>`SELECT mfa_required(${userId}::uuid) AS required`
      return row?.required ?? false
    },
    async insertTotp(tx, { secretCiphertext, ...factor }) {
      await tx.totpFactor.create({ data: { ...factor, secretCiphertext: bytes(secretCiphertext) } })
    },
    async trimPending(tx, userId, keep) {
      await tx.$executeRaw`
        DELETE FROM totp_factors WHERE id IN (
          SELECT id FROM totp_factors WHERE user_id = ${userId}::uuid AND confirmed_at IS NULL ORDER BY created_at DESC, id DESC OFFSET ${keep})`
    },
    countTotp: (tx, userId) => tx.totpFactor.count({ where: { userId, confirmedAt: { not: null } } }),
    findPending: (userId, id, now) => prisma.totpFactor.findFirst({ where: { id, userId, confirmedAt: null, expiresAt: { gt: now } }, select: { id: true, secretCiphertext: true } }),
    async confirmTotp(tx, userId, id, step, now) {
      const [row] = await tx.totpFactor.updateManyAndReturn({
        where: { id, userId, confirmedAt: null, expiresAt: { gt: now } }, data: { confirmedAt: now, expiresAt: null, lastStep: step, lastUsedAt: now },
        select: { id: true, name: true, createdAt: true, lastUsedAt: true },
      })
      return row ? { ...row, kind: 'totp' } : null
    },
    listTotp: (userId) => prisma.$queryRaw`SELECT id, secret_ciphertext AS "secretCiphertext" FROM totp_factors WHERE user_id = ${userId}::uuid AND confirmed_at IS NOT NULL`,
    useTotp: async (tx, id, step, now) =>
      (await tx.$executeRaw`UPDATE totp_factors SET last_step = ${step}, last_used_at = ${now}::timestamptz WHERE id = ${id}::uuid AND confirmed_at IS NOT NULL AND last_step < ${step}`) === 1,
    useCode: async (tx, userId, codeHash) => (await tx.$executeRaw`DELETE FROM recovery_codes WHERE user_id = ${userId}::uuid AND code_hash = ${bytes(codeHash)}`) === 1,
    async replaceCodes(tx, userId, hashes, now) {
      await tx.recoveryCode.deleteMany({ where: { userId } })
      await tx.recoveryCode.createMany({ data: hashes.map((codeHash) => ({ userId, codeHash: bytes(codeHash), createdAt: now })) })
    },
    async deleteCodes(tx, userId) {
      await tx.recoveryCode.deleteMany({ where: { userId } })
    },
    async remove(tx, userId, id) {
      const totp = await tx.totpFactor.deleteMany({ where: { id, userId, confirmedAt: { not: null } } })
      if (totp.count === 1) return 'totp'
      const passkey = await tx.passkey.deleteMany({ where: { id, userId } })
      return passkey.count === 1 ? 'passkey' : null
    },
    async removeAll(tx, userId) {
      const totp = await tx.totpFactor.deleteMany({ where: { userId, confirmedAt: { not: null } } })
      const passkeys = await tx.passkey.deleteMany({ where: { userId } })
      await tx.recoveryCode.deleteMany({ where: { userId } })
      return totp.count + passkeys.count
    },
  }
}

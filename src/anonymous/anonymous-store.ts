// Anonymous accounts as rows: how many there are, the step from one to a real account, and the end of those that nobody uses.
import type pg from 'pg'
import { isUniqueViolation } from '../database/failures.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'

export interface UpgradedAccount {
  email: string
  passwordHash: string
  name?: string
  locale?: string | null
  emailVerifiedAt?: Date
}

export interface AnonymousStore {
  /** up to `most` */
  count: (most: number) => Promise<number>
  isAnonymous: (id: string) => Promise<boolean>
  /** Makes an anonymous account that is active a real one; false when it is not anonymous any more, or not there. Throws email.taken. */
  upgrade: (tx: Tx, id: string, account: UpgradedAccount, at: Date) => Promise<boolean>
  /** Revokes the keys of an account. */
  revokeKeys: (tx: Tx, id: string, at: Date) => Promise<void>
  /** Forgets the factors, devices and identities of an account, and what it has let applications do. */
  closeOtherWays: (tx: Tx, id: string) => Promise<void>
  /** Is it a session of the account that has not ended? */
  isLive: (tx: Tx, id: string, sessionId: string, at: Date) => Promise<boolean>
  /**
   * Deletes at most `most` that are older than `unused` and that no session or key of theirs has been used since; or older than `untouched`, without a key,
   * and never used later than an hour after they were opened. How many.
   */
  deleteUnused: (tx: Tx, before: { unused: Date; untouched: Date }, most: number) => Promise<number>
}

export function createAnonymousStore({ pool, prisma }: { pool: pg.Pool; prisma: PrismaClient }): AnonymousStore {
  return {
    async count(most) {
      const { rows: [row] } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM (SELECT 1 FROM users WHERE anonymous LIMIT $1) AS counted', [most])
      return row?.n ?? 0
    },
    isAnonymous: async (id) => (await prisma.user.count({ where: { id, anonymous: true } })) === 1,
    async upgrade(tx, id, account, at) {
      const data = { ...account, anonymous: false, updatedAt: at, version: { increment: 1 } }
      const { count } = await tx.user.updateMany({ where: { id, anonymous: true, status: 'active' }, data }).catch((error: unknown) => {
        if (isUniqueViolation(error, 'email')) throw problem('email.taken')
        throw error
      })
      return count === 1
    },
    async revokeKeys(tx, id, at) {
      await tx.apiKey.updateMany({ where: { ownerUserId: id, revokedAt: null }, data: { revokedAt: at, updatedAt: at, version: { increment: 1 } } })
    },
    isLive: async (tx, userId, id, at) => (await tx.session.count({ where: { id, userId, endedAt: null, expiresAt: { gt: at } } })) === 1,
    async closeOtherWays(tx, id) {
      const where = { userId: id }
      await tx.totpFactor.deleteMany({ where })
      await tx.passkey.deleteMany({ where })
      await tx.recoveryCode.deleteMany({ where })
      await tx.knownDevice.deleteMany({ where })
      await tx.externalIdentity.deleteMany({ where })
      await tx.oAuthConsent.deleteMany({ where })
    },
    // one that is made real meanwhile is not looked at again once its row is free: SKIP LOCKED, and the row as it is then
    deleteUnused: (tx, { unused, untouched }, most) => tx.$executeRaw`
      DELETE FROM users WHERE id = ANY(ARRAY(
        SELECT u.id FROM users u WHERE u.anonymous AND u.created_at < ${untouched}::timestamptz AND (
          u.created_at < ${unused}::timestamptz
            AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id AND s.last_seen_at >= ${unused}::timestamptz)
            AND NOT EXISTS (SELECT FROM api_keys k WHERE k.owner_user_id = u.id AND k.last_used_at >= ${unused}::timestamptz)
          OR NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id AND s.last_seen_at >= u.created_at + interval '1 hour')
            AND NOT EXISTS (SELECT FROM api_keys k WHERE k.owner_user_id = u.id))
        ORDER BY u.created_at LIMIT ${most} FOR UPDATE OF u SKIP LOCKED))`,
  }
}

// Links that set a password, at rest: the SHA-256 of the token, one a user. What voids a link that was not used (a change of
// the account's status, e-mail, password or roles) stands in the database's triggers, so that no way in forgets it.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import { forgetUnprovenWays } from './unproven-ways.js'

export interface PasswordReset {
  userId: string
  /** who gave it */
  givenBy: string
  /** set when an API key gave it */
  givenWithKey: string | null
}

export interface PasswordResetStore {
  /** Keeps a link instead of the user's last one. */
  replace: (tx: Tx, link: PasswordReset & { tokenHash: Uint8Array; createdAt: Date; expiresAt: Date }) => Promise<void>
  /** A link that has not expired; says nothing of whether it will do. */
  find: (tokenHash: Uint8Array, now: Date) => Promise<PasswordReset | null>
  /** Takes the link away; null for whoever comes second, and when it was voided or has expired. */
  consume: (tx: Tx, tokenHash: Uint8Array, now: Date) => Promise<PasswordReset | null>
  /** Sets the password of a person's account that is still active, whatever it had before, and forgets its devices and what else might let in who had it; false when it is not. */
  setPassword: (tx: Tx, userId: string, passwordHash: string, at: Date) => Promise<boolean>
}

const LINK = { userId: true, givenBy: true, givenWithKey: true } as const
const bytes = (hash: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(hash)

export function createPasswordResetStore({ prisma }: { prisma: PrismaClient }): PasswordResetStore {
  return {
    async replace(tx, { tokenHash, ...link }) {
      const data = { ...link, tokenHash: bytes(tokenHash) }
      await tx.passwordReset.upsert({ where: { userId: link.userId }, create: data, update: data })
    },
    find: (tokenHash, now) => prisma.passwordReset.findFirst({ where: { tokenHash: bytes(tokenHash), expiresAt: { gt: now } }, select: LINK }),
    async consume(tx, tokenHash, now) {
      const [link] = await tx.$queryRaw<PasswordReset[]>`
        DELETE FROM password_resets WHERE token_hash = ${bytes(tokenHash)} AND expires_at > ${now}
        RETURNING user_id AS "userId", given_by AS "givenBy", given_with_key AS "givenWithKey"`
      return link ?? null
    },
    async setPassword(tx, id, passwordHash, at) {
      const where = { id, status: 'active', kind: 'person' } as const
      const { count } = await tx.user.updateMany({ where, data: { passwordHash, updatedAt: at, version: { increment: 1 } } })
      if (count === 1) await forgetUnprovenWays(tx, id)
      return count === 1
    },
  }
}

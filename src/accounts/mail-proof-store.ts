// What mail proves of an account, and what those who were in it before that may have left to come back by.
import type { Tx } from '../database/transaction.js'
import { ADMIN } from './role-rules.js'
import { forgetUnprovenWays } from './unproven-ways.js'

export interface MailProofStore {
  /**
   * May a stranger have opened it? Its address was never proven, neither by mail nor by an identity, and whoever opened it asked nobody for it.
   * Nobody gives the role of administrators to an account that they do not know.
   */
  isUnproven: (tx: Tx, userId: string) => Promise<boolean>
  /** Takes the password away; was there one? */
  dropPassword: (tx: Tx, userId: string, at: Date) => Promise<boolean>
  forgetUnprovenWays: (tx: Tx, userId: string) => Promise<void>
}

export function createMailProofStore(): MailProofStore {
  return {
    async isUnproven(tx, userId) {
      const [row] = await tx.$queryRaw<{ found: boolean }[]>`
        SELECT EXISTS (
          SELECT FROM users u WHERE u.id = ${userId}::uuid AND u.email_verified_at IS NULL AND u.issued_by IS NULL AND coalesce(u.issued_via, '') = ''
            AND NOT EXISTS (SELECT FROM user_roles r WHERE r.user_id = u.id AND r.role_name = ${ADMIN})
            AND NOT EXISTS (SELECT FROM external_identities i WHERE i.user_id = u.id AND i.proven_email = u.email)
        ) AS found`
      return row?.found ?? false
    },
    async dropPassword(tx, id, at) {
      const { count } = await tx.user.updateMany({ where: { id, passwordHash: { not: null } }, data: { passwordHash: null, updatedAt: at, version: { increment: 1 } } })
      return count === 1
    },
    forgetUnprovenWays,
  }
}

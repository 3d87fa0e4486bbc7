// What somebody has given to others, counted and (the roles) taken back. Keys are ended by src/keys/key-sweep-service.ts.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface GrantStore {
  /** live keys of others, roles of others, accounts, invitations that wait; each up to 100,000 */
  count: (userId: string, now: Date) => Promise<{ keys: number; assignments: number; accounts: number; invitations: number }>
  /** Voids the invitations that the person has given and nobody has accepted. How many. */
  voidInvitations: (tx: Tx, userId: string, at: Date) => Promise<number>
  /** roles that the person gave to others: at most `limit`, in the order of the holders */
  listAssignments: (tx: Tx, userId: string, limit: number) => Promise<{ userId: string; roleName: string; permissions: string[] }[]>
  /** Takes a role away; the account is another version then. */
  deleteAssignment: (tx: Tx, userId: string, roleName: string, at: Date) => Promise<void>
}

const COUNTED = 100_000

export function createGrantStore({ prisma }: { prisma: PrismaClient }): GrantStore {
  return {
    async count(userId, now) {
      const [row] = await prisma.$queryRaw<{ keys: number; assignments: number; accounts: number; invitations: number }[]>`
        SELECT (SELECT count(*)::int FROM (SELECT 1 FROM api_keys WHERE (issued_by = ${userId}::uuid OR secret_to = ${userId}::uuid) AND owner_user_id IS DISTINCT FROM ${userId}::uuid
                  AND revoked_at IS NULL AND least(expires_at, owner_expires_at, 'infinity') > ${now} LIMIT ${COUNTED}) k) AS keys,
               (SELECT count(*)::int FROM (SELECT 1 FROM user_roles WHERE issued_by = ${userId}::uuid AND user_id <> ${userId}::uuid LIMIT ${COUNTED}) a) AS assignments,
               (SELECT count(*)::int FROM (SELECT 1 FROM users WHERE issued_by = ${userId}::uuid AND id <> ${userId}::uuid LIMIT ${COUNTED}) u) AS accounts,
               (SELECT count(*)::int FROM mailed_links WHERE kind = 'invitation' AND given_by = ${userId}::uuid AND used_at IS NULL AND expires_at > ${now}) AS invitations`
      return row ?? { keys: 0, assignments: 0, accounts: 0, invitations: 0 }
    },
    async voidInvitations(tx, givenBy, at) {
      const { count } = await tx.mailedLink.updateMany({ where: { kind: 'invitation', givenBy, usedAt: null, expiresAt: { gt: at } }, data: { usedAt: at } })
      return count
    },
    listAssignments: (tx, userId, limit) => tx.$queryRaw<{ userId: string; roleName: string; permissions: string[] }[]>`
      SELECT ur.user_id AS "userId", ur.role_name AS "roleName", r.permissions FROM user_roles ur JOIN roles r ON r.name = ur.role_name
      WHERE ur.issued_by = ${userId}::uuid AND ur.user_id <> ${userId}::uuid ORDER BY 1, 2 LIMIT ${limit}`,
    async deleteAssignment(tx, userId, roleName, at) {
      const { count } = await tx.userRole.deleteMany({ where: { userId, roleName } })
      if (count > 0) await tx.user.updateMany({ where: { id: userId }, data: { updatedAt: at, version: { increment: 1 } } })
    },
  }
}

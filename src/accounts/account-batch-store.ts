// Accounts by the hundred, at rest: looked up and inserted in a statement each.
import type { Issuer } from '../authority/index.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { UserKind } from './account-store.js'

/** What an import compares a row with. */
export interface ExistingAccount {
  id: string
  name: string
  roles: string[]
}

export interface BatchRow {
  id: string
  email: string
  name: string
  passwordHash: string | null
  kind: UserKind
  roles: readonly string[]
}

export interface AccountBatchStore {
  /** People by their addresses. */
  existing: (emails: readonly string[]) => Promise<Map<string, ExistingAccount>>
  /** Inserts those whose address is nobody's; their ids. */
  insertAll: (tx: Tx, rows: readonly BatchRow[], issuer: Issuer, at: Date) => Promise<Set<string>>
}

export function createAccountBatchStore({ prisma }: { prisma: PrismaClient }): AccountBatchStore {
  return {
    async existing(emails) {
      const found = await prisma.user.findMany({
        where: { email: { in: [...emails] }, kind: 'person' }, select: { id: true, email: true, name: true, roles: { select: { roleName: true }, orderBy: { roleName: 'asc' } } },
      })
      return new Map(found.map(({ id, email, name, roles }) => [email, { id, name, roles: roles.map(({ roleName }) => roleName) }]))
    },
    async insertAll(tx, rows, { by, via }, at) {
      const opened = await tx.user.createManyAndReturn({
        data: rows.map(({ roles: _roles, ...row }) => ({ ...row, issuedBy: by, issuedVia: via, createdAt: at, updatedAt: at })), skipDuplicates: true, select: { id: true },
      })
      const ids = new Set(opened.map(({ id }) => id))
      await tx.userRole.createMany({
        data: rows.flatMap(({ id, roles }) => (ids.has(id) ? roles.map((roleName) => ({ userId: id, roleName, issuedBy: by, issuedVia: via, issuedAt: at })) : [])),
      })
      return ids
    },
  }
}

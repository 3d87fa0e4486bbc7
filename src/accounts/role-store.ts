// Roles are rows: a name and the permissions it stands for.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface Role {
  name: string
  description: string
  permissions: string[]
}

export interface RoleStore {
  /** All roles, by name; inside a transaction, through it: a second connection for each change could starve the pool. */
  list: (tx?: Tx) => Promise<Role[]>
}

export function createRoleStore({ prisma }: { prisma: PrismaClient }): RoleStore {
  return {
    list: (tx) => (tx ?? prisma).role.findMany({ orderBy: { name: 'asc' } }),
  }
}

// The rows of an organization's roles.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface OrganizationRoleRow {
  id: string
  organizationId: string
  name: string
  description: string
  permissions: string[]
  rights: string[]
  version: number
  createdAt: Date
  updatedAt: Date
}

export type OrganizationRolePatch = Partial<Pick<OrganizationRoleRow, 'name' | 'description' | 'permissions' | 'rights'>>

export interface OrganizationRoleStore {
  /** All of an organization, by name. */
  list: (organizationId: string, tx?: Tx) => Promise<OrganizationRoleRow[]>
  find: (organizationId: string, id: string, tx?: Tx) => Promise<OrganizationRoleRow | null>
  /** Those of these that are the organization's. */
  findAll: (tx: Tx, organizationId: string, ids: readonly string[]) => Promise<OrganizationRoleRow[]>
  insert: (tx: Tx, role: Omit<OrganizationRoleRow, 'version' | 'createdAt' | 'updatedAt'>, at: Date) => Promise<OrganizationRoleRow>
  /** Changes one of that version; null: there is none. */
  update: (tx: Tx, id: string, version: number, patch: OrganizationRolePatch, at: Date) => Promise<OrganizationRoleRow | null>
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  /** How many members, invitations and domains have it. */
  countHolders: (tx: Tx, organizationId: string, id: string) => Promise<number>
}

export function createOrganizationRoleStore({ prisma }: { prisma: PrismaClient }): OrganizationRoleStore {
  return {
    list: (organizationId, tx = prisma) => tx.organizationRole.findMany({ where: { organizationId }, orderBy: { name: 'asc' } }),
    find: (organizationId, id, tx = prisma) => tx.organizationRole.findFirst({ where: { id, organizationId } }),
    findAll: async (tx, organizationId, ids) => (ids.length === 0 ? [] : tx.organizationRole.findMany({ where: { organizationId, id: { in: [...ids] } } })),
    insert: (tx, role, at) => tx.organizationRole.create({ data: { ...role, createdAt: at, updatedAt: at } }),
    async update(tx, id, version, patch, at) {
      const [row] = await tx.organizationRole.updateManyAndReturn({ where: { id, version }, data: { ...patch, version: { increment: 1 }, updatedAt: at } })
      return row ?? null
    },
    async delete(tx, id, version) {
      const { count } = await tx.organizationRole.deleteMany({ where: { id, version } })
      return count === 1
    },
    async countHolders(tx, organizationId, id) {
      const where = { organizationId, roleIds: { has: id } }
      return (await tx.organizationMember.count({ where })) + (await tx.organizationInvitation.count({ where })) + (await tx.organizationDomain.count({ where }))
    },
  }
}

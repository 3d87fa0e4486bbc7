// The rows of memberships. Who is counted or compared is behind the organization's gate.
import type pg from 'pg'
import { isForeignKeyViolation, isUniqueViolation } from '../database/failures.js'
import type { PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

export interface MemberRow {
  id: string
  organizationId: string
  userId: string
  email: string | null
  name: string | null
  isOwner: boolean
  roleIds: string[]
  issuedBy: string | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface NewMember {
  organizationId: string
  userId: string
  isOwner: boolean
  roleIds: string[]
  issuedBy: string | null
  issuedVia: string
}

export interface MemberStore {
  list: (organizationId: string, query: ListQuery) => Promise<PageText>
  find: (organizationId: string, userId: string, tx?: Tx) => Promise<MemberRow | null>
  /** Throws organization.member_known, owner.unknown. */
  insert: (tx: Tx, member: NewMember, at: Date) => Promise<void>
  /** Changes one of that version; false: there is none. */
  update: (tx: Tx, id: string, version: number, patch: { isOwner?: boolean; roleIds?: string[] }, at: Date) => Promise<boolean>
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  count: (tx: Tx, organizationId: string) => Promise<number>
  /** In how many organizations somebody is. */
  countOf: (tx: Tx, userId: string) => Promise<number>
  /** Active owners, the first of them. */
  owners: (tx: Tx, organizationId: string, most: number) => Promise<string[]>
  /** Active owners beside this one. */
  otherOwners: (tx: Tx, organizationId: string, userId: string) => Promise<number>
}

// an anonymous account has an address that is none
const EMAIL = "(SELECT CASE WHEN u.anonymous OR u.kind = 'service' THEN NULL ELSE u.email END FROM users u WHERE u.id = user_id)"
const NAME = "(SELECT nullif(u.name, '') FROM users u WHERE u.id = user_id)"

const LIST = createList({
  name: 'organization-members',
  table: 'organization_members',
  fields: {
    id: { sql: 'id', as: 'word' },
    organizationId: { sql: 'organization_id', as: 'word' },
    userId: { sql: 'user_id', as: 'word' },
    email: { sql: EMAIL, as: 'value' },
    name: { sql: NAME, as: 'value' },
    owner: { sql: 'is_owner::text', as: 'plain' },
    roles: { sql: 'role_ids', as: 'value' },
    invitedBy: { sql: 'issued_by', as: 'word' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { userId: (p) => `user_id = ${p}::uuid`, owner: (p) => `is_owner = ${p}::boolean`, role: (p) => `${p}::uuid = ANY(role_ids)` },
  defaultSort: '-createdAt',
})

const FIND = `
  SELECT id, organization_id AS "organizationId", user_id AS "userId", ${EMAIL} AS email, ${NAME} AS name, is_owner AS "isOwner", role_ids::text[] AS "roleIds", issued_by AS "issuedBy",
         version, created_at AS "createdAt", updated_at AS "updatedAt"
  FROM organization_members WHERE organization_id = $1::uuid AND user_id = $2::uuid`

export function createMemberStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): MemberStore {
  return {
    list: (organizationId, query) => LIST(pool, cursors, query, { scope: { sql: (p) => `organization_id = ${p}::uuid`, value: organizationId } }),
    async find(organizationId, userId, tx = prisma) {
      const [row] = await tx.$queryRawUnsafe<MemberRow[]>(FIND, organizationId, userId)
      return row ?? null
    },
    async insert(tx, member, at) {
      try {
        await tx.organizationMember.create({ data: { ...member, id: newId(), createdAt: at, updatedAt: at } })
      } catch (error) {
        if (isForeignKeyViolation(error)) throw problem('owner.unknown', { cause: error })
        throw isUniqueViolation(error) ? problem('organization.member_known', { cause: error }) : error
      }
    },
    async update(tx, id, version, patch, at) {
      const { count } = await tx.organizationMember.updateMany({ where: { id, version }, data: { ...patch, version: { increment: 1 }, updatedAt: at } })
      return count === 1
    },
    async delete(tx, id, version) {
      const { count } = await tx.organizationMember.deleteMany({ where: { id, version } })
      return count === 1
    },
    count: (tx, organizationId) => tx.organizationMember.count({ where: { organizationId } }),
    countOf: (tx, userId) => tx.organizationMember.count({ where: { userId } }),
    async owners(tx, organizationId, most) {
      const rows = await tx.organizationMember.findMany({ where: { organizationId, isOwner: true, user: { status: 'active' } }, select: { userId: true }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }], take: most })
      return rows.map(({ userId }) => userId)
    },
    otherOwners: (tx, organizationId, userId) => tx.organizationMember.count({ where: { organizationId, isOwner: true, userId: { not: userId }, user: { status: 'active' } } }),
  }
}

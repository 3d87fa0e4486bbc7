// The rows of invitations, one an address in an organization. The link in the mail is a row of mailed links.
import type pg from 'pg'
import type { PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

export interface OrganizationInvitationRow {
  id: string
  organizationId: string
  email: string
  isOwner: boolean
  roleIds: string[]
  issuedBy: string
  issuedVia: string
  createdAt: Date
  expiresAt: Date
}

/** Whom an account belongs to, as far as an invitation asks. */
export interface Invitee {
  email: string
  isActive: boolean
}

export interface OrganizationInvitationStore {
  list: (organizationId: string, now: Date, query: ListQuery) => Promise<PageText>
  find: (id: string, tx?: Tx) => Promise<OrganizationInvitationRow | null>
  /** Takes the place of one to the same address. */
  insert: (tx: Tx, row: OrganizationInvitationRow) => Promise<void>
  /** False: there is none. */
  delete: (tx: Tx, organizationId: string, id: string) => Promise<boolean>
  /** Those of an organization that have not ended, beside that of an address. */
  count: (tx: Tx, organizationId: string, exceptEmail: string, now: Date) => Promise<number>
  /** Is somebody with that address in the organization? */
  isMember: (tx: Tx, organizationId: string, email: string) => Promise<boolean>
  /** Null: nobody who can be invited. */
  invitee: (tx: Tx, userId: string) => Promise<Invitee | null>
  localeOf: (tx: Tx, email: string) => Promise<string | null>
}

const LIST = createList({
  name: 'organization-invitations',
  table: 'organization_invitations',
  fields: {
    id: { sql: 'id', as: 'word' },
    organizationId: { sql: 'organization_id', as: 'word' },
    email: { sql: 'email', as: 'value' },
    owner: { sql: 'is_owner::text', as: 'plain' },
    roles: { sql: 'role_ids', as: 'value' },
    invitedBy: { sql: 'issued_by', as: 'word' },
    createdAt: { sql: 'created_at', as: 'time' },
    expiresAt: { sql: 'expires_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { email: (p) => `email = ${p}` },
  defaultSort: '-createdAt',
})

export function createOrganizationInvitationStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): OrganizationInvitationStore {
  return {
    list: (organizationId, now, query) => LIST(pool, cursors, query, { given: { now: now.toISOString() }, scope: { sql: (p) => `organization_id = ${p}::uuid AND expires_at > <now>::timestamptz`, value: organizationId } }),
    find: (id, tx = prisma) => tx.organizationInvitation.findUnique({ where: { id } }),
    async insert(tx, row) {
      await tx.organizationInvitation.deleteMany({ where: { organizationId: row.organizationId, email: row.email } })
      await tx.organizationInvitation.create({ data: row })
    },
    async delete(tx, organizationId, id) {
      const { count } = await tx.organizationInvitation.deleteMany({ where: { id, organizationId } })
      return count === 1
    },
    count: (tx, organizationId, exceptEmail, now) => tx.organizationInvitation.count({ where: { organizationId, email: { not: exceptEmail }, expiresAt: { gt: now } } }),
    async isMember(tx, organizationId, email) {
      return (await tx.organizationMember.count({ where: { organizationId, user: { email } } })) > 0
    },
    async invitee(tx, userId) {
      const row = await tx.user.findUnique({ where: { id: userId }, select: { email: true, status: true, kind: true, anonymous: true } })
      return row && row.kind === 'person' && !row.anonymous ? { email: row.email, isActive: row.status === 'active' } : null
    },
    async localeOf(tx, email) {
      const row = await tx.user.findUnique({ where: { email }, select: { locale: true } })
      return row?.locale ?? null
    },
  }
}

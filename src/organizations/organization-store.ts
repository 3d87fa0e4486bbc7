// The rows of organizations. What is changed is of the version that was read, or nothing is.
import type pg from 'pg'
import { isUniqueViolation } from '../database/failures.js'
import { type Organization, type Prisma, type PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Metadata } from '../kernel/metadata.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { Limit } from '../limits/index.js'
import type { Membership, OrganizationStatus } from './organization-rules.js'

export interface OrganizationRow {
  id: string
  slug: string
  name: string
  status: OrganizationStatus
  metadata: Metadata
  entitlement: string[]
  limits: Limit[]
  /** OAuth clients that it may have of its own */
  clientsMax: number
  /** webhook endpoints that it may have of its own */
  webhooksMax: number
  issuedBy: string | null
  issuedVia: string | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export type OrganizationPatch = Partial<Pick<OrganizationRow, 'slug' | 'name' | 'status' | 'metadata' | 'entitlement' | 'limits' | 'clientsMax' | 'webhooksMax' | 'issuedBy' | 'issuedVia'>>

/** One of somebody's organizations, and what they are in it. */
export interface OwnOrganization {
  id: string
  slug: string
  name: string
  status: OrganizationStatus
  owner: boolean
  roles: string[]
}

/** Somebody's place in an organization. */
export interface Seat {
  organizationId: string
  userId: string
}

export interface OrganizationStore {
  /** `member`: only those that this user is in; `only`: only that one of them */
  list: (query: ListQuery, scope: { member: string; only: string | null } | null) => Promise<PageText>
  find: (id: string, tx?: Tx) => Promise<OrganizationRow | null>
  /** Passes the gate of an organization: alone to change what somebody is in it, beside others to give within it. After all other gates. */
  gate: (tx: Tx, id: string, mode: 'alone' | 'beside') => Promise<void>
  /** Passes the gates of many beside others, and says what each is entitled to then, by its id; what there is not is not in it. */
  entitlements: (tx: Tx, ids: readonly string[]) => Promise<Map<string, string[]>>
  /** What a user is in an organization; null: nothing. In a transaction the row stays as it is. */
  membership: (id: string, userId: string, tx?: Tx) => Promise<Membership | null>
  /** Of many at once: the organization as far as it says what somebody may do in it, and what each is in it; null where there is no such organization. */
  seats: (asked: readonly Seat[]) => Promise<(Pick<OrganizationRow, 'status' | 'entitlement'> & { membership: Membership | null } | null)[]>
  /** All that somebody is in, by name, at most 200. */
  ofUser: (userId: string) => Promise<OwnOrganization[]>
  /** Throws organization.taken. */
  insert: (tx: Tx, row: Omit<OrganizationRow, 'version' | 'createdAt' | 'updatedAt'>, at: Date) => Promise<OrganizationRow>
  /** Changes one of that version; null: there is none. Throws organization.taken. */
  update: (tx: Tx, id: string, version: number, patch: OrganizationPatch, at: Date) => Promise<OrganizationRow | null>
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  /** How many somebody owns. */
  countOwned: (tx: Tx, userId: string) => Promise<number>
  /** Of those that somebody owns, the ones that no other active person does, behind the gates of all. */
  ownedAlone: (tx: Tx, userId: string) => Promise<string[]>
}

const GATE_CLASS = 7106
const MOST_OWN = 200

const LIST = createList({
  name: 'organizations',
  table: 'organizations',
  fields: {
    id: { sql: 'id', as: 'word' },
    slug: { sql: 'slug', as: 'value' },
    name: { sql: 'name', as: 'value' },
    status: { sql: 'status', as: 'word' },
    metadata: { sql: 'metadata', as: 'json' },
    entitlement: { sql: 'entitlement', as: 'value' },
    limits: { sql: 'limits', as: 'json' },
    clientsMax: { sql: 'clients_max', as: 'plain' },
    webhooksMax: { sql: 'webhooks_max', as: 'plain' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' }, name: { column: 'name', type: 'text' } },
  filters: { slug: (p) => `slug = ${p}`, status: (p) => `status = ${p}::organization_status` },
  defaultSort: '-createdAt',
})

const MEMBERSHIP = `
  SELECT m.is_owner AS "isOwner",
         ARRAY(SELECT DISTINCT unnest(r.permissions) FROM organization_roles r WHERE r.organization_id = m.organization_id AND r.id = ANY(m.role_ids) ORDER BY 1) AS permissions,
         ARRAY(SELECT DISTINCT unnest(r.rights) FROM organization_roles r WHERE r.organization_id = m.organization_id AND r.id = ANY(m.role_ids) ORDER BY 1) AS rights
  FROM organization_members m WHERE m.organization_id = $1::uuid AND m.user_id = $2::uuid`

const SEATS = `
  SELECT o.status::text AS status, o.entitlement, (SELECT row_to_json(s) FROM (${MEMBERSHIP.replace('$1::uuid', 'a.organization_id').replace('$2::uuid', 'a.user_id')}) AS s) AS membership
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS a(organization_id, user_id, n) LEFT JOIN organizations o ON o.id = a.organization_id ORDER BY a.n`

// of two that are one text to a member the id tells them apart
const OF_USER = `
  SELECT o.id, o.slug, o.name, o.status::text AS status, m.is_owner AS owner, m.role_ids::text[] AS roles
  FROM organization_members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = $1::uuid ORDER BY o.name, o.id LIMIT ${MOST_OWN}`

const rowOf = (row: Organization): OrganizationRow => row as unknown as OrganizationRow

const jsonOf = (limits: Limit[]): Prisma.InputJsonArray => limits.map((limit) => ({ ...limit }))

function dataOf<P extends OrganizationPatch>({ metadata, limits, ...rest }: P) {
  return { ...rest, ...(metadata ? { metadata: metadata as Prisma.InputJsonObject } : {}), ...(limits ? { limits: jsonOf(limits) } : {}) }
}

function orTaken(error: unknown): never {
  throw isUniqueViolation(error, 'slug') ? problem('organization.taken', { cause: error }) : error
}

async function gate(tx: Tx, id: string, mode: 'alone' | 'beside'): Promise<void> {
  if (mode === 'alone') await tx.$executeRaw`SELECT pg_advisory_xact_lock(${GATE_CLASS}::int, hashtext(${id}))`
  else await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(${GATE_CLASS}::int, hashtext(${id}))`
}

export function createOrganizationStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): OrganizationStore {
  return {
    gate,
    list: (query, scope) => LIST(pool, cursors, query, scope === null ? {} : {
      given: { only: scope.only },
      scope: { sql: (p) => `id IN (SELECT organization_id FROM organization_members WHERE user_id = ${p}::uuid) AND (<only>::uuid IS NULL OR id = <only>::uuid)`, value: scope.member },
    }),
    async find(id, tx = prisma) {
      const row = await tx.organization.findUnique({ where: { id } })
      return row && rowOf(row)
    },
    async entitlements(tx, ids) {
      // in the order of the hashes, as all gates are passed
      await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(${GATE_CLASS}::int, h) FROM (SELECT DISTINCT hashtext(id) AS h FROM unnest(${[...ids]}::text[]) AS given(id) ORDER BY 1) AS ordered`
      const rows = await tx.organization.findMany({ where: { id: { in: [...ids] } }, select: { id: true, entitlement: true } })
      return new Map(rows.map(({ id, entitlement }) => [id, entitlement]))
    },
    async membership(id, userId, tx) {
      if (!tx) {
        const { rows } = await pool.query<Membership>({ name: 'organization-membership', text: MEMBERSHIP, values: [id, userId] })
        return rows[0] ?? null
      }
      const [row] = await tx.$queryRawUnsafe<Membership[]>(`${MEMBERSHIP} FOR SHARE OF m`, id, userId)
      return row ?? null
    },
    async seats(asked) {
      const { rows } = await pool.query<{ status: OrganizationStatus | null; entitlement: string[]; membership: Membership | null }>({
        name: 'organization-seats', text: SEATS, values: [asked.map(({ organizationId }) => organizationId), asked.map(({ userId }) => userId)],
      })
      return rows.map(({ status, ...rest }) => status && { status, ...rest })
    },
    async ofUser(userId) {
      const { rows } = await pool.query<OwnOrganization>({ name: 'organizations-of-user', text: OF_USER, values: [userId] })
      return rows
    },
    async insert(tx, { metadata, limits, ...row }, at) {
      try {
        return rowOf(await tx.organization.create({ data: { ...row, metadata: metadata as Prisma.InputJsonObject, limits: jsonOf(limits), createdAt: at, updatedAt: at } }))
      } catch (error) {
        return orTaken(error)
      }
    },
    async update(tx, id, version, patch, at) {
      try {
        const [row] = await tx.organization.updateManyAndReturn({ where: { id, version }, data: { ...dataOf(patch), version: { increment: 1 }, updatedAt: at } })
        return row ? rowOf(row) : null
      } catch (error) {
        return orTaken(error)
      }
    },
    async delete(tx, id, version) {
      const { count } = await tx.organization.deleteMany({ where: { id, version } })
      return count === 1
    },
    countOwned: (tx, userId) => tx.organizationMember.count({ where: { userId, isOwner: true } }),
    async ownedAlone(tx, userId) {
      const owned = await tx.organizationMember.findMany({ where: { userId, isOwner: true }, select: { organizationId: true } })
      // in the order of the hashes, as all gates are passed
      const ids = owned.map(({ organizationId }) => organizationId)
      const sorted = await tx.$queryRaw<{ id: string }[]>`SELECT id::text FROM unnest(${ids}::text[]) AS given(id) ORDER BY hashtext(id)`
      for (const { id } of sorted) await gate(tx, id, 'alone')
      const alone = await tx.$queryRaw<{ id: string }[]>`
        SELECT organization_id::text AS id FROM organization_members m WHERE user_id = ${userId}::uuid AND is_owner AND NOT EXISTS (
          SELECT FROM organization_members o JOIN users u ON u.id = o.user_id WHERE o.organization_id = m.organization_id AND o.is_owner AND o.user_id <> m.user_id AND u.status = 'active')`
      return alone.map(({ id }) => id)
    },
  }
}

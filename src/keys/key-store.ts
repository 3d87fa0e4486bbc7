// The rows of API keys. A key itself never comes here, only its SHA-256. Every change is one conditional write whose
// result tells whether it happened.
import type pg from 'pg'
import { together } from '../database/along.js'
import { Prisma } from '../database/generated/client.js'
import { isForeignKeyViolation } from '../database/failures.js'
import { createList } from '../database/list.js'
import { prepared } from '../database/prepared.js'
import type { Along, Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { KeyLimit, Metadata } from './key-rules.js'

export type KeyRow = {
  id: string
  /** one of the two owns it */
  ownerUserId: string | null
  organizationId: string | null
  name: string
  start: string
  permissions: string[]
  limits: KeyLimit[]
  limitGroupId: string
  metadata: Metadata
  version: number
  createdAt: Date
  updatedAt: Date
  lastUsedAt: Date | null
  expiresAt: Date | null
  revokedAt: Date | null
  rotatedToId: string | null
  kind: KeyKind
  addresses: string[]
  ownerAddresses: string[]
  ownerExpiresAt: Date | null
  issuedBy: string | null
  issuedVia: string | null
  issuedAt: Date | null
  secretTo: string | null
  secretVia: string | null
  secretAt: Date | null
  /** of a bound key: what its owner does not hold now */
  dormant: string[]
}

export type KeyKind = 'bound' | 'standing'
export type KeyOwner = Pick<KeyRow, 'ownerUserId' | 'organizationId'>
export type NewKeyRow = Omit<KeyRow, 'version' | 'lastUsedAt' | 'revokedAt' | 'rotatedToId' | 'dormant'> & { keyHash: Buffer }
export type KeyPatch = Partial<Pick<KeyRow,
  'name' | 'permissions' | 'limits' | 'metadata' | 'expiresAt' | 'ownerExpiresAt' | 'addresses' | 'ownerAddresses' | 'issuedBy' | 'issuedVia' | 'issuedAt'>>

export interface KeyStore {
  /** `owner` limits the list to the keys of that user, or organization; a status is judged at `nowMs` */
  list: (query: ListQuery, nowMs: number, owner: KeyOwner | null) => Promise<PageText>
  find: (id: string, tx?: Tx) => Promise<KeyRow | null>
  /** Whose a key is: read alone, so that what is another's takes as long as what there is not. */
  ownerOf: (id: string, tx?: Tx) => Promise<KeyOwner | null>
  /** Reads a key and keeps others from changing it until the transaction ends. */
  lock: (tx: Tx, id: string) => Promise<KeyRow | null>
  /** Inserts a key, and what goes along with it, if its owner has fewer than `cap` live ones of its kind (null: however many); null when not. Throws owner.unknown. */
  insert: (tx: Tx, row: NewKeyRow, cap: number | null, along: Along) => Promise<KeyRow | null>
  /** Changes a live key of that version; false: there is none. */
  update: (tx: Tx, id: string, version: number, patch: KeyPatch, now: Date) => Promise<boolean>
  /** Revokes a key that is not revoked yet (of that version, if given), or nothing. */
  revoke: (tx: Tx, id: string, version: number | null, now: Date) => Promise<KeyRow | null>
  /** Names the successor of a key that has none, and when the key ends. False: it has one already, or is revoked. */
  supersede: (tx: Tx, id: string, successorId: string, expiresAt: Date, now: Date) => Promise<boolean>
  /** Ends the live keys that this one took the place of, whatever grace they were given. */
  endPredecessors: (tx: Tx, id: string, limitGroupId: string, now: Date) => Promise<void>
  /** How many live keys of that kind an owner has, counted up to `atMost`. */
  countLive: (tx: Tx, owner: KeyOwner, kind: KeyKind, now: Date, atMost: number) => Promise<number>
}

const COLUMNS = {
  id: 'id', ownerUserId: 'owner_user_id', organizationId: 'organization_id', name: 'name', start: 'start', permissions: 'permissions', limits: 'limits', limitGroupId: 'limit_group_id',
  metadata: 'metadata', version: 'version', createdAt: 'created_at', updatedAt: 'updated_at', lastUsedAt: 'last_used_at', expiresAt: 'expires_at',
  revokedAt: 'revoked_at', rotatedToId: 'rotated_to_id', kind: 'kind::text', addresses: 'addresses', ownerAddresses: 'owner_addresses',
  ownerExpiresAt: 'owner_expires_at', issuedBy: 'issued_by', issuedVia: 'issued_via', issuedAt: 'issued_at', secretTo: 'secret_to', secretVia: 'secret_via',
  secretAt: 'secret_at',
  dormant: `CASE WHEN organization_id IS NOT NULL THEN ARRAY(SELECT p FROM unnest(permissions) p WHERE NOT EXISTS (
    SELECT 1 FROM organizations o, unnest(o.entitlement) g WHERE o.id = organization_id AND permission_covers(g, p)))
    WHEN kind = 'bound' THEN ARRAY(SELECT p FROM unnest(permissions) p WHERE NOT EXISTS (
    SELECT 1 FROM effective_roles ur JOIN roles r ON r.name = ur.role_name, unnest(r.permissions) g WHERE ur.user_id = owner_user_id AND permission_covers(g, p))) ELSE '{}' END`,
}

const COLUMNS_TEXT = Object.entries(COLUMNS).map(([field, column]) => `${column} AS "${field}"`).join(', ')
const SELECT_TEXT = `SELECT ${COLUMNS_TEXT} FROM api_keys`
const SELECT = Prisma.raw(SELECT_TEXT)
const RETURNED = Prisma.raw(COLUMNS_TEXT)

const ownedBy = ({ ownerUserId, organizationId }: KeyOwner): Prisma.Sql =>
  organizationId === null ? Prisma.sql`owner_user_id = ${ownerUserId}::uuid` : Prisma.sql`organization_id = ${organizationId}::uuid`

/** How many live keys of a kind an owner has, up to `atMost`. */
function liveOf(owner: KeyOwner, kind: KeyKind, now: Date, atMost: number): Prisma.Sql {
  return Prisma.sql`
    SELECT count(*)::int AS n FROM (
      SELECT 1 FROM api_keys WHERE ${ownedBy(owner)} AND kind = ${kind}::key_kind AND revoked_at IS NULL
        AND least(expires_at, owner_expires_at, 'infinity') > ${now}::timestamptz LIMIT ${atMost}::int) AS live`
}

const ENDS_AT = 'least(expires_at, owner_expires_at)'
const STATUS = `CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN ${ENDS_AT} <= <now>::timestamptz THEN 'expired' ELSE 'active' END`

// what key-view.ts shows of one
const LIST = createList({
  name: 'keys',
  table: 'api_keys',
  fields: {
    id: { sql: 'id', as: 'word' },
    ownerUserId: { sql: 'owner_user_id', as: 'word' },
    organizationId: { sql: 'organization_id', as: 'word' },
    kind: { sql: 'kind', as: 'word' },
    name: { sql: 'name', as: 'value' },
    start: { sql: 'start', as: 'value' },
    permissions: { sql: 'permissions', as: 'value' },
    dormant: { sql: COLUMNS.dormant, as: 'value' },
    limits: { sql: 'limits', as: 'json' },
    metadata: { sql: 'metadata', as: 'json' },
    status: { sql: STATUS, as: 'word' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
    lastUsedAt: { sql: 'last_used_at', as: 'time' },
    expiresAt: { sql: 'expires_at', as: 'time' },
    ownerExpiresAt: { sql: 'owner_expires_at', as: 'time' },
    endsAt: { sql: ENDS_AT, as: 'time' },
    addresses: { sql: 'addresses', as: 'value' },
    ownerAddresses: { sql: 'owner_addresses', as: 'value' },
    revokedAt: { sql: 'revoked_at', as: 'time' },
    issuedBy: { sql: 'issued_by', as: 'word' },
    issuedVia: { sql: 'issued_via', as: 'value' },
    issuedAt: { sql: 'issued_at', as: 'time' },
    secretTo: { sql: 'secret_to', as: 'word' },
    secretVia: { sql: 'secret_via', as: 'value' },
    secretAt: { sql: 'secret_at', as: 'time' },
    rotatedToId: { sql: 'rotated_to_id', as: 'word', optional: true },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' }, name: { column: 'name', type: 'text' } },
  filters: {
    ownerUserId: (p) => `owner_user_id = ${p}::uuid`,
    organizationId: (p) => `organization_id = ${p}::uuid`,
    kind: (p) => `kind = ${p}::key_kind`,
    issuedBy: (p) => `issued_by = ${p}::uuid`,
    issuedVia: (p) => `issued_via = ${p}`,
    secretTo: (p) => `secret_to = ${p}::uuid`,
    secretVia: (p) => `secret_via = ${p}`,
    status: (p) => `${STATUS} = ${p}`,
    'createdAt[gte]': (p) => `created_at >= ${p}::timestamptz`,
    'createdAt[lte]': (p) => `created_at <= ${p}::timestamptz`,
  },
  defaultSort: '-createdAt',
})

const scopeOf = ({ ownerUserId, organizationId }: KeyOwner) => ({ sql: (p: string) => `${organizationId === null ? 'owner_user_id' : 'organization_id'} = ${p}::uuid`, value: organizationId ?? ownerUserId ?? '' })

const jsonLimits = (limits: KeyLimit[]): Prisma.InputJsonArray => limits.map((limit) => ({ ...limit }))
const jsonMetadata = (metadata: Metadata): Prisma.InputJsonObject => metadata as Prisma.InputJsonObject

function jsonOf({ limits, metadata, ...rest }: KeyPatch) {
  return { ...rest, ...(limits ? { limits: jsonLimits(limits) } : {}), ...(metadata ? { metadata: jsonMetadata(metadata) } : {}) }
}

async function findBy(client: Tx, id: string): Promise<KeyRow | null> {
  const [row] = await client.$queryRaw<KeyRow[]>`${SELECT} WHERE id = ${id}::uuid`
  return row ?? null
}

/** The row that a transaction has just written. */
async function written(tx: Tx, id: string): Promise<KeyRow> {
  const row = await findBy(tx, id)
  if (!row) throw new Error('a key that was written in this transaction is not there')
  return row
}

const OWNER = 'SELECT owner_user_id::text AS "ownerUserId", organization_id::text AS "organizationId" FROM api_keys WHERE id = $1::uuid'

export function createKeyStore({ pool, cursors }: { pool: pg.Pool; cursors: Cursors }): KeyStore {
  return {
    list: (query, nowMs, owner) => LIST(pool, cursors, query, { given: { now: new Date(nowMs).toISOString() }, ...(owner === null ? {} : { scope: scopeOf(owner) }) }),
    async find(id, tx) {
      if (tx) return findBy(tx, id)
      const { rows: [row] } = await pool.query<KeyRow>(prepared('key-by-id', `${SELECT_TEXT} WHERE id = $1::uuid`, [id]))
      return row ?? null
    },
    async ownerOf(id, tx) {
      if (tx) return (await tx.$queryRawUnsafe<KeyOwner[]>(OWNER, id))[0] ?? null
      return (await pool.query<KeyOwner>(prepared('key-owner', OWNER, [id]))).rows[0] ?? null
    },
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM api_keys WHERE id = ${id}::uuid FOR NO KEY UPDATE`
      return findBy(tx, id)
    },
    async insert(tx, row, cap, along) {
      try {
        const issued = Prisma.sql`
          INSERT INTO api_keys (id, owner_user_id, organization_id, name, start, key_hash, kind, permissions, limits, limit_group_id, metadata, created_at, updated_at, expires_at, addresses,
            owner_expires_at, owner_addresses, issued_by, issued_via, issued_at, secret_to, secret_via, secret_at)
          SELECT ${row.id}::uuid, ${row.ownerUserId}::uuid, ${row.organizationId}::uuid, ${row.name}, ${row.start}, ${new Uint8Array(row.keyHash)}::bytea, ${row.kind}::key_kind, ${row.permissions}::text[],
            ${JSON.stringify(row.limits)}::jsonb, ${row.limitGroupId}::uuid, ${JSON.stringify(row.metadata)}::jsonb, ${row.createdAt}::timestamptz, ${row.updatedAt}::timestamptz,
            ${row.expiresAt}::timestamptz, ${row.addresses}::text[], ${row.ownerExpiresAt}::timestamptz, ${row.ownerAddresses}::text[], ${row.issuedBy}::uuid, ${row.issuedVia},
            ${row.issuedAt}::timestamptz, ${row.secretTo}::uuid, ${row.secretVia}, ${row.secretAt}::timestamptz
          WHERE ${cap}::int IS NULL OR (${liveOf(row, row.kind, row.createdAt, cap ?? 0)}) < ${cap}::int
          RETURNING ${RETURNED}`
        const [inserted] = await tx.$queryRaw<KeyRow[]>(together({ issued }, 'issued', [along], Prisma.sql`SELECT * FROM issued`))
        return inserted ?? null
      } catch (error) {
        throw isForeignKeyViolation(error) ? problem('owner.unknown', { cause: error }) : error
      }
    },
    async update(tx, id, version, patch, now) {
      const { count } = await tx.apiKey.updateMany({
        where: { id, version, revokedAt: null, rotatedToId: null }, data: { ...jsonOf(patch), version: { increment: 1 }, updatedAt: now },
      })
      return count === 1
    },
    async revoke(tx, id, version, now) {
      const { count } = await tx.apiKey.updateMany({
        where: { id, revokedAt: null, ...(version === null ? {} : { version }) }, data: { revokedAt: now, version: { increment: 1 }, updatedAt: now },
      })
      return count === 1 ? written(tx, id) : null
    },
    async supersede(tx, id, successorId, expiresAt, now) {
      const { count } = await tx.apiKey.updateMany({
        where: { id, revokedAt: null, rotatedToId: null }, data: { rotatedToId: successorId, expiresAt, version: { increment: 1 }, updatedAt: now },
      })
      return count === 1
    },
    async endPredecessors(tx, id, limitGroupId, now) {
      await tx.apiKey.updateMany({
        where: { limitGroupId, id: { not: id }, revokedAt: null, rotatedToId: { not: null } }, data: { revokedAt: now, version: { increment: 1 }, updatedAt: now },
      })
    },
    async countLive(tx, owner, kind, now, atMost) {
      const [row] = await tx.$queryRaw<{ n: number }[]>(liveOf(owner, kind, now, atMost))
      return row?.n ?? 0
    },
  }
}

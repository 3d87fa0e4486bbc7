// The rows of API keys. A key itself never comes here, only its SHA-256. Every change is one conditional write whose
// result tells whether it happened.
import type pg from 'pg'
import { Prisma, type PrismaClient } from '../database/generated/client.js'
import { isForeignKeyViolation } from '../database/failures.js'
import { type ListScope, type ListSpec, readPage } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, Page } from '../kernel/page.js'
import type { KeyLimit, Metadata } from './key-rules.js'

export type KeyRow = {
  id: string
  ownerUserId: string
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
export type NewKeyRow = Omit<KeyRow, 'version' | 'lastUsedAt' | 'revokedAt' | 'rotatedToId' | 'dormant'> & { keyHash: Buffer }
export type KeyPatch = Partial<Pick<KeyRow,
  'name' | 'permissions' | 'limits' | 'metadata' | 'expiresAt' | 'ownerExpiresAt' | 'addresses' | 'ownerAddresses' | 'issuedBy' | 'issuedVia' | 'issuedAt'>>

export interface KeyStore {
  /** `owner` limits the list to that user's keys; a status is judged at `nowMs` */
  list: (query: ListQuery, nowMs: number, owner: string | null) => Promise<Page<KeyRow>>
  find: (id: string, tx?: Tx) => Promise<KeyRow | null>
  /** Reads a key and keeps others from changing it until the transaction ends. */
  lock: (tx: Tx, id: string) => Promise<KeyRow | null>
  /** Throws owner.unknown. */
  insert: (tx: Tx, row: NewKeyRow) => Promise<KeyRow>
  /** Changes a live key of that version; false: there is none. */
  update: (tx: Tx, id: string, version: number, patch: KeyPatch, now: Date) => Promise<boolean>
  /** Revokes a key that is not revoked yet (of that version, if given), or nothing. */
  revoke: (tx: Tx, id: string, version: number | null, now: Date) => Promise<KeyRow | null>
  /** Names the successor of a key that has none, and when the key ends. False: it has one already, or is revoked. */
  supersede: (tx: Tx, id: string, successorId: string, expiresAt: Date, now: Date) => Promise<boolean>
  /** Ends the live keys that this one took the place of, whatever grace they were given. */
  endPredecessors: (tx: Tx, id: string, limitGroupId: string, now: Date) => Promise<void>
  /** How many live keys of that kind an owner has, counted up to `atMost`. */
  countLive: (tx: Tx, ownerUserId: string, kind: KeyKind, now: Date, atMost: number) => Promise<number>
}

const COLUMNS = {
  id: 'id', ownerUserId: 'owner_user_id', name: 'name', start: 'start', permissions: 'permissions', limits: 'limits', limitGroupId: 'limit_group_id',
  metadata: 'metadata', version: 'version', createdAt: 'created_at', updatedAt: 'updated_at', lastUsedAt: 'last_used_at', expiresAt: 'expires_at',
  revokedAt: 'revoked_at', rotatedToId: 'rotated_to_id', kind: 'kind::text', addresses: 'addresses', ownerAddresses: 'owner_addresses',
  ownerExpiresAt: 'owner_expires_at', issuedBy: 'issued_by', issuedVia: 'issued_via', issuedAt: 'issued_at', secretTo: 'secret_to', secretVia: 'secret_via',
  secretAt: 'secret_at',
  dormant: `CASE WHEN kind = 'bound' THEN ARRAY(SELECT p FROM unnest(permissions) p WHERE NOT EXISTS (
    SELECT 1 FROM effective_roles ur JOIN roles r ON r.name = ur.role_name, unnest(r.permissions) g WHERE ur.user_id = owner_user_id AND permission_covers(g, p))) ELSE '{}' END`,
}

const SELECT = Prisma.raw(`SELECT ${Object.entries(COLUMNS).map(([field, column]) => `${column} AS "${field}"`).join(', ')} FROM api_keys`)

function specAt(nowMs: number): ListSpec {
  const now = `'${new Date(nowMs).toISOString()}'::timestamptz`
  return {
    name: 'keys',
    table: 'api_keys',
    columns: COLUMNS,
    sortable: { createdAt: 'timestamptz', name: 'text' },
    filters: {
      ownerUserId: (p) => `owner_user_id = ${p}::uuid`,
      kind: (p) => `kind = ${p}::key_kind`,
      issuedBy: (p) => `issued_by = ${p}::uuid`,
      issuedVia: (p) => `issued_via = ${p}`,
      secretTo: (p) => `secret_to = ${p}::uuid`,
      secretVia: (p) => `secret_via = ${p}`,
      status: (p) => `CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN least(expires_at, owner_expires_at) <= ${now} THEN 'expired' ELSE 'active' END = ${p}`,
      'createdAt[gte]': (p) => `created_at >= ${p}::timestamptz`,
      'createdAt[lte]': (p) => `created_at <= ${p}::timestamptz`,
    },
    defaultSort: '-createdAt',
  }
}

const ownedBy = (owner: string): ListScope => ({ sql: (p) => `owner_user_id = ${p}::uuid`, value: owner })

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

export function createKeyStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): KeyStore {
  return {
    list: (query, nowMs, owner) => readPage<KeyRow>(pool, cursors, specAt(nowMs), query, owner === null ? undefined : ownedBy(owner)),
    find: (id, tx = prisma) => findBy(tx, id),
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM api_keys WHERE id = ${id}::uuid FOR NO KEY UPDATE`
      return findBy(tx, id)
    },
    async insert(tx, { keyHash, limits, metadata, ...row }) {
      const data = { ...row, limits: jsonLimits(limits), metadata: jsonMetadata(metadata), keyHash: new Uint8Array(keyHash) }
      try {
        await tx.apiKey.create({ data, select: { id: true } })
      } catch (error) {
        throw isForeignKeyViolation(error) ? problem('owner.unknown', { cause: error }) : error
      }
      return written(tx, row.id)
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
    async countLive(tx, ownerUserId, kind, now, atMost) {
      const [row] = await tx.$queryRaw<{ n: number }[]>`
        SELECT count(*)::int AS n FROM (
          SELECT 1 FROM api_keys WHERE owner_user_id = ${ownerUserId}::uuid AND kind = ${kind}::key_kind AND revoked_at IS NULL
            AND least(expires_at, owner_expires_at, 'infinity') > ${now} LIMIT ${atMost}) AS live`
      return row?.n ?? 0
    },
  }
}

// The rows of API keys. A key itself never comes here, only its SHA-256. Every change is one conditional write whose
// result tells whether it happened.
import type pg from 'pg'
import type { Prisma, PrismaClient } from '../database/generated/client.js'
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
}

export type NewKeyRow = Omit<KeyRow, 'version' | 'lastUsedAt' | 'revokedAt' | 'rotatedToId'> & { keyHash: Buffer }
export type KeyPatch = Partial<Pick<KeyRow, 'name' | 'permissions' | 'limits' | 'metadata' | 'expiresAt'>>

export interface KeyStore {
  /** `owner` limits the list to that user's keys; a status is judged at `nowMs` */
  list: (query: ListQuery, nowMs: number, owner: string | null) => Promise<Page<KeyRow>>
  find: (id: string) => Promise<KeyRow | null>
  /** Reads a key and keeps others from changing it until the transaction ends. */
  lock: (tx: Tx, id: string) => Promise<KeyRow | null>
  /** Throws owner.unknown. */
  insert: (tx: Tx, row: NewKeyRow) => Promise<KeyRow>
  /** Changes a live key of that version, or nothing. */
  update: (tx: Tx, id: string, version: number, patch: KeyPatch, now: Date) => Promise<KeyRow | null>
  /** Revokes a key that is not revoked yet (of that version, if given), or nothing. */
  revoke: (tx: Tx, id: string, version: number | null, now: Date) => Promise<KeyRow | null>
  /** Names the successor of a key that has none, and when the key ends. False: it has one already, or is revoked. */
  supersede: (tx: Tx, id: string, successorId: string, expiresAt: Date, now: Date) => Promise<boolean>
  /** That user's live keys which carry a permission of Gatehouse itself, locked. */
  lockPrivileged: (tx: Tx, ownerUserId: string) => Promise<{ id: string; permissions: string[] }[]>
  replacePermissions: (tx: Tx, id: string, permissions: string[], now: Date) => Promise<void>
  /** What a user or a key may give away right now; whoever takes it from them waits until the transaction ends. */
  lockHeld: (tx: Tx, holder: { userId: string } | { keyId: string }) => Promise<string[]>
}

const COLUMNS = {
  id: 'id', ownerUserId: 'owner_user_id', name: 'name', start: 'start', permissions: 'permissions', limits: 'limits', limitGroupId: 'limit_group_id',
  metadata: 'metadata', version: 'version', createdAt: 'created_at', updatedAt: 'updated_at', lastUsedAt: 'last_used_at', expiresAt: 'expires_at',
  revokedAt: 'revoked_at', rotatedToId: 'rotated_to_id',
}

function specAt(nowMs: number): ListSpec {
  const now = `'${new Date(nowMs).toISOString()}'::timestamptz`
  return {
    name: 'keys',
    table: 'api_keys',
    columns: COLUMNS,
    sortable: { createdAt: 'timestamptz', name: 'text' },
    filters: {
      ownerUserId: (p) => `owner_user_id = ${p}::uuid`,
      status: (p) => `CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= ${now} THEN 'expired' ELSE 'active' END = ${p}`,
      'createdAt[gte]': (p) => `created_at >= ${p}::timestamptz`,
      'createdAt[lte]': (p) => `created_at <= ${p}::timestamptz`,
    },
    defaultSort: '-createdAt',
  }
}

const ownedBy = (owner: string): ListScope => ({ sql: (p) => `owner_user_id = ${p}::uuid`, value: owner })

const WITHOUT_HASH = { keyHash: true } as const

/** `limits` and `metadata` are JSON to Prisma; what stands there went through the input's schema. */
function toRow<T extends { limits: unknown; metadata: unknown }>(row: T): Omit<T, 'limits' | 'metadata'> & { limits: KeyLimit[]; metadata: Metadata } {
  return row as Omit<T, 'limits' | 'metadata'> & { limits: KeyLimit[]; metadata: Metadata }
}

const jsonLimits = (limits: KeyLimit[]): Prisma.InputJsonArray => limits.map((limit) => ({ ...limit }))
const jsonMetadata = (metadata: Metadata): Prisma.InputJsonObject => metadata as Prisma.InputJsonObject

function jsonOf({ limits, metadata, ...rest }: KeyPatch) {
  return { ...rest, ...(limits ? { limits: jsonLimits(limits) } : {}), ...(metadata ? { metadata: jsonMetadata(metadata) } : {}) }
}

async function findBy(client: Tx, id: string): Promise<KeyRow | null> {
  const row = await client.apiKey.findUnique({ where: { id }, omit: WITHOUT_HASH })
  return row && toRow(row)
}

export function createKeyStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): KeyStore {
  return {
    list: (query, nowMs, owner) => readPage<KeyRow>(pool, cursors, specAt(nowMs), query, owner === null ? undefined : ownedBy(owner)),
    find: (id) => findBy(prisma, id),
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM api_keys WHERE id = ${id}::uuid FOR NO KEY UPDATE`
      return findBy(tx, id)
    },
    async insert(tx, { keyHash, limits, metadata, ...row }) {
      const data = { ...row, limits: jsonLimits(limits), metadata: jsonMetadata(metadata), keyHash: new Uint8Array(keyHash) }
      try {
        return toRow(await tx.apiKey.create({ data, omit: WITHOUT_HASH }))
      } catch (error) {
        throw isForeignKeyViolation(error) ? problem('owner.unknown', { cause: error }) : error
      }
    },
    async update(tx, id, version, patch, now) {
      const [row] = await tx.apiKey.updateManyAndReturn({
        where: { id, version, revokedAt: null, rotatedToId: null }, data: { ...jsonOf(patch), version: { increment: 1 }, updatedAt: now }, omit: WITHOUT_HASH,
      })
      return row ? toRow(row) : null
    },
    async revoke(tx, id, version, now) {
      const [row] = await tx.apiKey.updateManyAndReturn({
        where: { id, revokedAt: null, ...(version === null ? {} : { version }) },
        data: { revokedAt: now, version: { increment: 1 }, updatedAt: now },
        omit: WITHOUT_HASH,
      })
      return row ? toRow(row) : null
    },
    async supersede(tx, id, successorId, expiresAt, now) {
      const { count } = await tx.apiKey.updateMany({
        where: { id, revokedAt: null, rotatedToId: null }, data: { rotatedToId: successorId, expiresAt, version: { increment: 1 }, updatedAt: now },
      })
      return count === 1
    },
    lockPrivileged: (tx, ownerUserId) => tx.$queryRaw<{ id: string; permissions: string[] }[]>`
      SELECT id, permissions FROM api_keys
      WHERE owner_user_id = ${ownerUserId}::uuid AND revoked_at IS NULL AND EXISTS (SELECT 1 FROM unnest(permissions) AS p WHERE p LIKE 'gatehouse:%')
      ORDER BY id FOR NO KEY UPDATE`,
    async replacePermissions(tx, id, permissions, now) {
      await tx.apiKey.update({ where: { id }, data: { permissions, version: { increment: 1 }, updatedAt: now } })
    },
    async lockHeld(tx, holder) {
      if ('keyId' in holder) {
        const keys = await tx.$queryRaw<{ permissions: string[] }[]>`
          SELECT permissions FROM api_keys WHERE id = ${holder.keyId}::uuid AND revoked_at IS NULL FOR SHARE`
        return keys[0]?.permissions ?? []
      }
      // a change of roles writes the user's row first: this waits for it, and the next statement sees what it left
      await tx.$queryRaw`SELECT id FROM users WHERE id = ${holder.userId}::uuid FOR SHARE`
      const roles = await tx.role.findMany({ where: { users: { some: { userId: holder.userId } } }, select: { permissions: true } })
      return roles.flatMap((role) => role.permissions)
    },
  }
}

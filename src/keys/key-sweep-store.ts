// Revocations of many keys, in steps: a row says what is to be ended and how far it has come, so that any node can go on. Issuers first, then
// what they issued, level by level, at most 500 keys a transaction: the head of the revocation log is not held for longer. Within a step
// the gates of its keys are passed before they are read: what they have under way commits first, and is found one level down.
import { Prisma, type PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { KeyFilter } from './key-filter.js'

export interface SweepRow {
  id: string
  filter: KeyFilter
  /** of Gatehouse's permissions: what a swept key may at most carry */
  reach: string[]
  requestedBy: string
  requestedVia: string
  before: Date
  frontier: string[]
  /** keys that have been in the frontier: none comes twice */
  visited: string[]
  cursor: string | null
  revoked: number
  left: number
}

/** A sweep that is to go on, and how often it could not since it last did. */
export interface DueSweep {
  id: string
  attempts: number
}

/** A key that a step has come to, locked. */
export interface SweptKey {
  id: string
  /** a user, or an organization */
  ownerId: string
  permissions: string[]
  isLive: boolean
  /** has it issued keys, or received secrets of keys? */
  isParent: boolean
}

export interface KeySweepStore {
  /** How many live keys match, up to 100,001 in all: those within reach, and the rest. */
  count: (tx: Tx, filter: KeyFilter, reach: readonly string[], before: Date) => Promise<{ matched: number; left: number }>
  insert: (tx: Tx, row: Omit<SweepRow, 'cursor' | 'revoked' | 'left' | 'frontier' | 'visited'>, now: Date) => Promise<void>
  /** A sweep that is not finished, kept from other nodes until the transaction ends. Null: finished, or another node is at it. */
  claim: (tx: Tx, id: string) => Promise<SweepRow | null>
  /** The next keys of the frontier's first member, behind their gates and locked; at most `limit`. */
  next: (tx: Tx, sweep: SweepRow, limit: number, now: Date) => Promise<{ keys: SweptKey[]; isLast: boolean; lastId: string | null }>
  revoke: (tx: Tx, ids: readonly string[], now: Date) => Promise<void>
  /** Notes how far it has come: it went on, so failures before are forgotten. */
  save: (tx: Tx, sweep: SweepRow, finishedAt: Date | null) => Promise<void>
  /** Those that are not finished and not put off; those that have not failed come first, so that those that do are in nobody's way. */
  due: (now: Date) => Promise<DueSweep[]>
  /** Puts off one that failed, unless another node has already, or has gone on with it. */
  putOff: (sweep: DueSweep, until: Date) => Promise<void>
  find: (id: string) => Promise<{ revoked: number; left: number; isFinished: boolean } | null>
  /** Deletes what was finished before. */
  prune: (before: Date) => Promise<number>
}

/** What stands in a sweep's frontier for the filter itself. */
const FILTER = '*'

/** A condition on api_keys. */
function conditionOf(filter: KeyFilter): Prisma.Sql {
  const { ownerUserId, organizationId, kind, issuedBy, issuedVia, secretTo, secretVia, permission, createdBefore, createdAfter, grantsOf, childrenOf: parent } = filter
  const all = [
    ...(ownerUserId === undefined ? [] : [Prisma.sql`owner_user_id = ${ownerUserId}::uuid`]), ...(organizationId === undefined ? [] : [Prisma.sql`organization_id = ${organizationId}::uuid`]),
    ...(kind === undefined ? [] : [Prisma.sql`kind = ${kind}::key_kind`]),
    ...(issuedBy === undefined ? [] : [Prisma.sql`issued_by = ${issuedBy}::uuid`]), ...(issuedVia === undefined ? [] : [Prisma.sql`issued_via = ${issuedVia}`]),
    ...(secretTo === undefined ? [] : [Prisma.sql`secret_to = ${secretTo}::uuid`]), ...(secretVia === undefined ? [] : [Prisma.sql`secret_via = ${secretVia}`]),
    ...(permission === undefined ? [] : [Prisma.sql`EXISTS (SELECT 1 FROM unnest(permissions) p WHERE permission_covers(p, ${permission}))`]),
    ...(createdBefore === undefined ? [] : [Prisma.sql`created_at < ${createdBefore}::timestamptz`]),
    ...(createdAfter === undefined ? [] : [Prisma.sql`created_at >= ${createdAfter}::timestamptz`]),
    ...(grantsOf === undefined ? [] : [Prisma.sql`(issued_by = ${grantsOf}::uuid OR secret_to = ${grantsOf}::uuid) AND owner_user_id IS DISTINCT FROM ${grantsOf}::uuid`]),
    ...(parent === undefined ? [] : [childrenOf(parent)]),
  ]
  // an empty filter is everything, and nobody means that
  if (all.length === 0) throw new Error('a sweep needs a filter')
  return Prisma.join(all, ' AND ')
}

/** What was issued, or whose secret was received, by means of a key: two looks into an index each, where an OR would have the planner read the table. */
function childrenOf(keyId: string): Prisma.Sql {
  const via = `key:${keyId}`
  return Prisma.sql`id IN (SELECT id FROM api_keys WHERE issued_via = ${via} UNION SELECT id FROM api_keys WHERE secret_via = ${via})`
}

const COUNTED = 100_001

export function createKeySweepStore({ prisma }: { prisma: PrismaClient }): KeySweepStore {
  return {
    async count(tx, filter, reach, before) {
      // counted there: a hundred thousand lists of permissions would be a lot to bring here
      const [row] = await tx.$queryRaw<{ matched: number; left: number }[]>`
        SELECT count(*) FILTER (WHERE is_within)::int AS matched, count(*) FILTER (WHERE NOT is_within)::int AS left FROM (
          SELECT NOT EXISTS (SELECT 1 FROM unnest(permissions) p WHERE starts_with(p, 'gatehouse:')
                   AND NOT EXISTS (SELECT 1 FROM unnest(${[...reach]}::text[]) g WHERE permission_covers(g, p))) AS is_within
          FROM api_keys WHERE revoked_at IS NULL AND least(expires_at, owner_expires_at, 'infinity') > ${before} AND created_at <= ${before} AND ${conditionOf(filter)} LIMIT ${COUNTED}) k`
      return row ?? { matched: 0, left: 0 }
    },
    async insert(tx, { filter, ...row }, now) {
      await tx.keySweep.create({ data: { ...row, filter: { ...filter }, frontier: [FILTER], createdAt: now } })
    },
    async claim(tx, id) {
      const [row] = await tx.$queryRaw<SweepRow[]>`
        SELECT id, filter, reach, requested_by AS "requestedBy", requested_via AS "requestedVia", before, frontier, visited, cursor, revoked, "left"
        FROM key_sweeps WHERE id = ${id}::uuid AND finished_at IS NULL FOR UPDATE SKIP LOCKED`
      return row ?? null
    },
    async next(tx, { filter, before, frontier: [parent = FILTER], cursor }, limit, now) {
      // dead ones, too: what they have issued may live
      const where = parent === FILTER ? Prisma.sql`created_at <= ${before} AND ${conditionOf(filter)}` : childrenOf(parent)
      const found = await tx.$queryRaw<{ id: string }[]>`
        SELECT id FROM api_keys WHERE ${where} AND (${cursor}::uuid IS NULL OR id > ${cursor}::uuid) ORDER BY id LIMIT ${limit}`
      const ids = found.map(({ id }) => id)
      await tx.$executeRaw`SELECT authority_gate(7103, '{}', ${ids.map((id) => `key:${id}`)}::text[])`
      // a later statement: it sees what these keys had under way when their gates were passed
      const keys = await tx.$queryRaw<SweptKey[]>`
        SELECT k.id, coalesce(k.owner_user_id, k.organization_id) AS "ownerId", k.permissions, k.revoked_at IS NULL AND least(k.expires_at, k.owner_expires_at, 'infinity') > ${now} AS "isLive",
               EXISTS (SELECT 1 FROM api_keys c WHERE c.issued_via = 'key:' || k.id) OR EXISTS (SELECT 1 FROM api_keys c WHERE c.secret_via = 'key:' || k.id) AS "isParent"
        FROM api_keys k WHERE k.id = ANY(${ids}::uuid[]) ORDER BY k.id FOR NO KEY UPDATE OF k`
      return { keys, isLast: ids.length < limit, lastId: ids.at(-1) ?? null }
    },
    async revoke(tx, ids, now) {
      await tx.apiKey.updateMany({ where: { id: { in: [...ids] }, revokedAt: null }, data: { revokedAt: now, version: { increment: 1 }, updatedAt: now } })
    },
    async save(tx, { id, frontier, visited, cursor, revoked, left }, finishedAt) {
      await tx.keySweep.update({ where: { id }, data: { frontier, visited, cursor, revoked, left, finishedAt, attempts: 0, nextAt: null } })
    },
    async due(now) {
      return prisma.keySweep.findMany({
        where: { finishedAt: null, OR: [{ nextAt: null }, { nextAt: { lte: now } }] }, select: { id: true, attempts: true }, orderBy: [{ attempts: 'asc' }, { createdAt: 'asc' }], take: 100,
      })
    },
    async putOff({ id, attempts }, until) {
      await prisma.keySweep.updateMany({ where: { id, attempts, finishedAt: null }, data: { attempts: attempts + 1, nextAt: until } })
    },
    async find(id) {
      const row = await prisma.keySweep.findUnique({ where: { id } })
      return row && { revoked: row.revoked, left: row.left, isFinished: row.finishedAt !== null }
    },
    async prune(before) {
      const { count } = await prisma.keySweep.deleteMany({ where: { finishedAt: { lt: before } } })
      return count
    },
  }
}

// Sessions' rows. Each step that may happen once (a rotation, an end) is one conditional update that tells who won.
import type pg from 'pg'
import type { PrismaClient } from '../database/generated/client.js'
import { type ListSpec, readPage } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import type { Cursors, ListQuery, Page } from '../kernel/page.js'

export type SessionKind = 'token' | 'cookie'

export type SessionRow = {
  id: string
  kind: SessionKind
  createdAt: Date
  lastSeenAt: Date
  expiresAt: Date
  address: string
  userAgent: string
}

export interface NewSession extends SessionRow {
  userId: string
  secretHash?: Uint8Array
  refreshSeed?: Uint8Array
}

/** What a refresh is judged by. */
export interface RefreshState {
  userId: string
  seed: Uint8Array
  generation: number
  refreshedAt: Date | null
  isLive: boolean
}

/** The moment a session is judged at: live means not ended, not past `now`, and seen after `idleSince`. */
export interface Moment {
  now: Date
  idleSince: Date
}

export interface EndedSession {
  id: string
  wasLive: boolean
}

export interface SessionStore {
  /** Makes sign-ins of one user wait for one another until the transaction ends. */
  lockUser: (tx: Tx, userId: string) => Promise<void>
  /** Inserts a session if the user has fewer than `max` live ones; false when not. Of sessions that are over the newest 500 stay. */
  insertBelow: (tx: Tx, session: NewSession, at: Moment, max: number) => Promise<boolean>
  /** Ends the user's oldest live sessions until `keep` are left; how many. */
  endOldest: (tx: Tx, userId: string, at: Moment, keep: number) => Promise<number>
  find: (id: string, userId: string, at: Moment) => Promise<SessionRow | null>
  /** the id and user of the live cookie session with this hash */
  findBySecret: (secretHash: Uint8Array, at: Moment) => Promise<{ id: string; userId: string } | null>
  findRefresh: (id: string, at: Moment) => Promise<RefreshState | null>
  /** Moves a live session of an active user from `generation` to the next. Did we win? */
  rotate: (id: string, generation: number, at: Moment) => Promise<boolean>
  /** Ends one live session of a user. Did we win? */
  end: (tx: Tx, id: string, userId: string, at: Moment) => Promise<boolean>
  /** Ends every session of a user, those that have run out too: a longer SESSION_IDLE_SECONDS must not bring one back. */
  endAll: (tx: Tx, userId: string, at: Moment, exceptId?: string) => Promise<EndedSession[]>
  /** live sessions only */
  list: (userId: string, query: ListQuery, at: Moment) => Promise<Page<SessionRow>>
}

const LIST: ListSpec = {
  name: 'sessions',
  table: 'sessions',
  columns: { id: 'id', kind: 'kind', createdAt: 'created_at', lastSeenAt: 'last_seen_at', expiresAt: 'expires_at', address: 'address', userAgent: 'user_agent' },
  sortable: { createdAt: 'timestamptz' },
  filters: { kind: (p) => `kind = ${p}::session_kind` },
  defaultSort: '-createdAt',
}

// a month of daily sign-ins on many devices; whoever signs in without end fills no table
const DEAD_KEPT = 500
const VIEW = { id: true, kind: true, createdAt: true, lastSeenAt: true, expiresAt: true, address: true, userAgent: true } as const

/** Prisma wants bytes over a plain ArrayBuffer, which a slice of Node's pool is not. */
function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(value)
}

function live({ now, idleSince }: Moment) {
  return { endedAt: null, expiresAt: { gt: now }, lastSeenAt: { gt: idleSince } }
}

export function createSessionStore({ pool, prisma, cursors }: { pool: pg.Pool; prisma: PrismaClient; cursors: Cursors }): SessionStore {
  return {
    async lockUser(tx, userId) {
      await tx.$executeRaw`SELECT 1 FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
    },
    async insertBelow(tx, { id, userId, kind, address, userAgent, createdAt, lastSeenAt, expiresAt, secretHash, refreshSeed }, { now, idleSince }, max) {
      const inserted = await tx.$executeRaw`
        INSERT INTO sessions (id, user_id, kind, secret_hash, refresh_seed, address, user_agent, created_at, last_seen_at, expires_at)
        SELECT ${id}::uuid, ${userId}::uuid, ${kind}::session_kind, ${secretHash ? bytes(secretHash) : null}::bytea, ${refreshSeed ? bytes(refreshSeed) : null}::bytea,
          ${address}, ${userAgent}, ${createdAt}::timestamptz, ${lastSeenAt}::timestamptz, ${expiresAt}::timestamptz
        WHERE (SELECT count(*) FROM (
          SELECT 1 FROM sessions WHERE user_id = ${userId}::uuid AND ended_at IS NULL AND expires_at > ${now}::timestamptz AND last_seen_at > ${idleSince}::timestamptz LIMIT ${max}
        ) AS live) < ${max}`
      await tx.$executeRaw`
        DELETE FROM sessions WHERE id IN (
          SELECT id FROM sessions WHERE user_id = ${userId}::uuid AND (ended_at IS NOT NULL OR expires_at <= ${now}::timestamptz OR last_seen_at <= ${idleSince}::timestamptz)
          ORDER BY created_at DESC, id DESC OFFSET ${DEAD_KEPT})`
      return inserted === 1
    },
    async endOldest(tx, userId, { now, idleSince }, keep) {
      return tx.$executeRaw`
        UPDATE sessions SET ended_at = ${now}::timestamptz WHERE id IN (
          SELECT id FROM sessions WHERE user_id = ${userId}::uuid AND ended_at IS NULL AND expires_at > ${now}::timestamptz AND last_seen_at > ${idleSince}::timestamptz
          ORDER BY created_at DESC, id DESC OFFSET ${keep})`
    },
    find: (id, userId, at) => prisma.session.findFirst({ where: { id, userId, ...live(at) }, select: VIEW }),
    findBySecret: (secretHash, at) =>
      prisma.session.findFirst({ where: { secretHash: bytes(secretHash), ...live(at) }, select: { id: true, userId: true } }),
    async findRefresh(id, { now, idleSince }) {
      const row = await prisma.session.findUnique({ where: { id }, include: { user: { select: { status: true } } } })
      if (!row?.refreshSeed) return null
      const isLive = row.endedAt === null && row.expiresAt > now && row.lastSeenAt > idleSince && row.user.status === 'active'
      return { userId: row.userId, seed: row.refreshSeed, generation: row.refreshGeneration, refreshedAt: row.refreshedAt, isLive }
    },
    async rotate(id, generation, at) {
      const { count } = await prisma.session.updateMany({
        where: { id, refreshGeneration: generation, user: { status: 'active' }, ...live(at) },
        data: { refreshGeneration: generation + 1, refreshedAt: at.now, lastSeenAt: at.now },
      })
      return count === 1
    },
    async end(tx, id, userId, at) {
      // a session that grants in a loop cannot put off its own end: the gate queues, where row locks do not
      await tx.$executeRaw`SELECT authority_gate(7103, '{}', ${[`sess:${id}`]}::text[])`
      const { count } = await tx.session.updateMany({ where: { id, userId, ...live(at) }, data: { endedAt: at.now } })
      return count === 1
    },
    async endAll(tx, userId, { now, idleSince }, exceptId) {
      await tx.$executeRaw`SELECT authority_gate(7101, '{}', ${[userId]}::text[])`
      const ended = await tx.session.updateManyAndReturn({
        where: { userId, endedAt: null, ...(exceptId === undefined ? {} : { id: { not: exceptId } }) },
        data: { endedAt: now },
        select: { id: true, expiresAt: true, lastSeenAt: true },
      })
      return ended.map(({ id, expiresAt, lastSeenAt }) => ({ id, wasLive: expiresAt > now && lastSeenAt > idleSince }))
    },
    list(userId, query, { now, idleSince }) {
      // times of our own clock stand in the text: a cursor is bound to the scope's value, which must not move with time
      const isLive = `ended_at IS NULL AND expires_at > '${now.toISOString()}'::timestamptz AND last_seen_at > '${idleSince.toISOString()}'::timestamptz`
      return readPage<SessionRow>(pool, cursors, LIST, query, { sql: (p) => `user_id = ${p}::uuid AND ${isLive}`, value: userId })
    },
  }
}

// Sessions' rows. Each step that may happen once (a rotation, an end) is one conditional update that tells who won.
import type pg from 'pg'
import { bytes, together } from '../database/along.js'
import { Prisma, type PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import { prepared } from '../database/prepared.js'
import type { Along, Piece, Tx } from '../database/transaction.js'
import { type Acr, type Assurance, ONE_FACTOR } from '../kernel/assurance.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

/** `impersonation`: somebody acts for the user. Grants of OAuth clients are rows of the table as well, and src/oauth's business; they end like any session. */
export type SessionKind = 'token' | 'cookie' | 'impersonation'

export type SessionRow = {
  id: string
  kind: SessionKind
  createdAt: Date
  lastSeenAt: Date
  expiresAt: Date
  address: string
  userAgent: string
  amr: readonly string[]
  acr: Acr
  authTime: Date
}

export interface NewSession extends SessionRow {
  userId: string
  secretHash?: Uint8Array
  refreshSeed?: Uint8Array
  /** who acts for the user, and in which session of theirs */
  actor?: { userId: string; sessionId: string }
}

/** What a refresh is judged by, and what the next token says. */
export interface RefreshState extends Assurance {
  userId: string
  seed: Uint8Array
  generation: number
  refreshedAt: Date | null
  isLive: boolean
  /** in which the user acts, as they still may; null: in none */
  organizationId: string | null
}

/** The moment a session is judged at: live means not ended, not past `now`, and seen after `idleSince`. */
export interface Moment {
  now: Date
  idleSince: Date
}

export interface SessionOfUser {
  id: string
  userId: string
}

export interface EndedSession {
  id: string
  wasLive: boolean
}

export interface SessionStore {
  /** Makes sign-ins of one user wait for one another until the transaction ends. */
  lockUser: (tx: Tx, userId: string) => Promise<void>
  /** Has the user fewer than `max` live ones? For a statement after lockUser or its like: counted before the lock, one that was waited for would be missing. */
  room: (userId: string, at: Moment, max: number) => Piece
  /** Inserts a session along with another statement. Of sessions that are over the newest 500 stay. */
  inserting: (session: NewSession, at: Moment) => Along
  /** Inserts a session by itself if there is `room`; false when not. */
  insertIf: (tx: Tx, room: Piece, inserting: Along) => Promise<boolean>
  /** Inserts a session in which somebody acts for the user, and ends the one that they had in the same session of theirs. */
  insertImpersonation: (tx: Tx, session: NewSession & { actor: { userId: string; sessionId: string } }, at: Moment) => Promise<void>
  /** Ends the user's oldest live sessions until `keep` are left; how many. */
  endOldest: (tx: Tx, userId: string, at: Moment, keep: number) => Promise<number>
  find: (id: string, userId: string, at: Moment) => Promise<SessionRow | null>
  /** the live cookie session with this hash */
  findBySecret: (secretHash: Uint8Array, at: Moment) => Promise<SessionOfUser | null>
  findRefresh: (id: string, at: Moment) => Promise<RefreshState | null>
  /** Moves a live session of an active user from `generation` to the next. Did we win? */
  rotate: (id: string, generation: number, at: Moment) => Promise<boolean>
  /** Notes that the owner of a live session has proven themselves anew; null: it is over. With `isAdded`, what was proven before counts as well; `secretHash` is that of a cookie's new id, null: it keeps the one it has. */
  prove: (tx: Tx, id: string, userId: string, at: Moment, assurance: Assurance, isAdded: boolean, secretHash: Uint8Array | null) => Promise<(Assurance & { kind: SessionKind; organizationId: string | null }) | null>
  /** Notes in which organization the owner of a live session acts; null: it is over, or somebody acts for its user. */
  switch: (tx: Tx, id: string, userId: string, at: Moment, organizationId: string | null) => Promise<(Assurance & { kind: SessionKind }) | null>
  /** Ends one live session of a user, and writes what goes along with that. Did we win? */
  end: (tx: Tx, id: string, userId: string, at: Moment, along: Along) => Promise<boolean>
  /**
   * Ends every session of a user, those that have run out too (a longer SESSION_IDLE_SECONDS must not bring one back), and every sign-in that waits
   * for a second factor.
   */
  endAll: (tx: Tx, userId: string, at: Moment, exceptId?: string) => Promise<EndedSession[]>
  /** live sessions only; `currentId` marks one */
  list: (userId: string, query: ListQuery, at: Moment, currentId: string | null) => Promise<PageText>
}

// a row of an older version says nothing of how it was signed in to
const ACR_TEXT = `coalesce(acr, '${ONE_FACTOR}')`
const AUTH_TIME_TEXT = 'coalesce(auth_time, created_at)'
const LIST = createList({
  name: 'sessions',
  table: 'sessions',
  fields: {
    id: { sql: 'id', as: 'word' },
    kind: { sql: 'kind', as: 'word' },
    createdAt: { sql: 'created_at', as: 'time' },
    lastSeenAt: { sql: 'last_seen_at', as: 'time' },
    expiresAt: { sql: 'expires_at', as: 'time' },
    address: { sql: 'address', as: 'value' },
    userAgent: { sql: 'user_agent', as: 'value' },
    amr: { sql: 'amr', as: 'value' },
    acr: { sql: ACR_TEXT, as: 'value' },
    authTime: { sql: AUTH_TIME_TEXT, as: 'time' },
    current: { sql: 'coalesce(id = <current>::uuid, false)::text', as: 'plain' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { kind: (p) => `kind = ${p}::session_kind` },
  defaultSort: '-createdAt',
})
/** Is a session live? `now` and `idleSince` are places of parameters. */
const liveText = (now: string, idleSince: string, of = ''): string => `${of}ended_at IS NULL AND ${of}expires_at > ${now}::timestamptz AND ${of}last_seen_at > ${idleSince}::timestamptz`
const LIVE = liveText('<now>', '<idleSince>')
const FIND = `
  SELECT id, kind, created_at AS "createdAt", last_seen_at AS "lastSeenAt", expires_at AS "expiresAt", address, user_agent AS "userAgent",
    amr, ${ACR_TEXT} AS acr, ${AUTH_TIME_TEXT} AS "authTime"
  FROM sessions WHERE id = $1::uuid AND user_id = $2::uuid AND kind <> 'grant' AND ${liveText('$3', '$4')}`
const LIVE_USER = `${liveText('$2', '$3', 's.')} AND u.status = 'active'`
// whoever has left, or whose organization is suspended, acts in none
const ACTS_IN = `SELECT o.id FROM organizations o JOIN organization_members m ON m.organization_id = o.id WHERE o.id = s.organization_id AND m.user_id = s.user_id AND o.status = 'active'`
const REFRESH = `
  SELECT s.user_id AS "userId", s.refresh_seed AS seed, s.refresh_generation AS generation, s.refreshed_at AS "refreshedAt", (${LIVE_USER}) AS "isLive",
    s.amr, coalesce(s.acr, '${ONE_FACTOR}') AS acr, coalesce(s.auth_time, s.created_at) AS "authTime", (${ACTS_IN}) AS "organizationId"
  FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1::uuid AND s.kind = 'token'`
const ROTATE = `
  UPDATE sessions s SET refresh_generation = s.refresh_generation + 1, refreshed_at = $2::timestamptz, last_seen_at = $2::timestamptz
  FROM users u WHERE s.id = $1::uuid AND s.refresh_generation = $4::int AND u.id = s.user_id AND ${LIVE_USER}`

// a month of daily sign-ins on many devices; whoever signs in without end fills no table
const DEAD_KEPT = 500

function live({ now, idleSince }: Moment) {
  return { endedAt: null, expiresAt: { gt: now }, lastSeenAt: { gt: idleSince } }
}

/** No column of it is ever NULL but the end, so that its opposite is what is over. */
function liveAt({ now, idleSince }: Moment): Piece {
  return Prisma.sql`ended_at IS NULL AND expires_at > ${now}::timestamptz AND last_seen_at > ${idleSince}::timestamptz`
}

export function createSessionStore({ pool, prisma, cursors }: { pool: pg.Pool; prisma: PrismaClient; cursors: Cursors }): SessionStore {
  const store: SessionStore = {
    async lockUser(tx, userId) {
      await tx.$executeRaw`SELECT 1 FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
    },
    room: (userId, at, max) => Prisma.sql`(SELECT count(*) FROM (SELECT 1 FROM sessions WHERE user_id = ${userId}::uuid AND actor_session_id IS NULL AND kind <> 'grant' AND ${liveAt(at)} LIMIT ${max}) AS live) < ${max}`,
    inserting: ({ id, userId, kind, address, userAgent, createdAt, lastSeenAt, expiresAt, secretHash, refreshSeed, amr, acr, authTime, actor }, at) => (when) => ({
      session_opened: Prisma.sql`
        INSERT INTO sessions (id, user_id, kind, secret_hash, refresh_seed, address, user_agent, created_at, last_seen_at, expires_at, amr, acr, auth_time, actor_user_id, actor_session_id)
        SELECT ${id}::uuid, ${userId}::uuid, ${kind}::session_kind, ${secretHash ? bytes(secretHash) : null}::bytea, ${refreshSeed ? bytes(refreshSeed) : null}::bytea,
          ${address}, ${userAgent}, ${createdAt}::timestamptz, ${lastSeenAt}::timestamptz, ${expiresAt}::timestamptz, ${[...amr]}::text[], ${acr}, ${authTime}::timestamptz,
          ${actor?.userId ?? null}::uuid, ${actor?.sessionId ?? null}::uuid
        WHERE EXISTS (SELECT FROM ${when})`,
      sessions_dropped: Prisma.sql`
        DELETE FROM sessions WHERE EXISTS (SELECT FROM ${when}) AND id IN (
          SELECT id FROM sessions WHERE user_id = ${userId}::uuid AND NOT (${liveAt(at)}) ORDER BY created_at DESC, id DESC OFFSET ${DEAD_KEPT})`,
    }),
    async insertIf(tx, room, inserting) {
      const rows = await tx.$queryRaw<unknown[]>(together({ room: Prisma.sql`SELECT 1 WHERE ${room}` }, 'room', [inserting], Prisma.sql`SELECT 1 AS done FROM room`))
      return rows.length === 1
    },
    async insertImpersonation(tx, session, at) {
      const { actor } = session
      const before = Prisma.sql`UPDATE sessions SET ended_at = ${at.now}::timestamptz WHERE actor_session_id = ${actor.sessionId}::uuid AND ended_at IS NULL`
      await tx.$queryRaw(together({ room: Prisma.sql`SELECT 1`, before }, 'room', [store.inserting(session, at)], Prisma.sql`SELECT 1 AS done FROM room`))
    },
    async endOldest(tx, userId, at, keep) {
      return tx.$executeRaw`
        UPDATE sessions SET ended_at = ${at.now}::timestamptz WHERE id IN (
          SELECT id FROM sessions WHERE user_id = ${userId}::uuid AND actor_session_id IS NULL AND kind <> 'grant' AND ${liveAt(at)} ORDER BY created_at DESC, id DESC OFFSET ${keep})`
    },
    async find(id, userId, { now, idleSince }) {
      const { rows: [row] } = await pool.query<SessionRow>(prepared('session-of-user', FIND, [id, userId, now.toISOString(), idleSince.toISOString()]))
      return row ?? null
    },
    findBySecret: (secretHash, at) =>
      prisma.session.findFirst({ where: { secretHash: bytes(secretHash), ...live(at) }, select: { id: true, userId: true } }),
    async findRefresh(id, { now, idleSince }) {
      const { rows: [row] } = await pool.query<RefreshState>(prepared('session-refresh', REFRESH, [id, now.toISOString(), idleSince.toISOString()]))
      return row ?? null
    },
    async rotate(id, generation, { now, idleSince }) {
      const { rowCount } = await pool.query(prepared('session-rotate', ROTATE, [id, now.toISOString(), idleSince.toISOString(), generation]))
      return rowCount === 1
    },
    async prove(tx, id, userId, at, { amr, acr, authTime }, isAdded, secretHash) {
      const all = isAdded ? Prisma.sql`ARRAY(SELECT DISTINCT one FROM unnest(amr || ${[...amr]}::text[]) AS one ORDER BY one)` : Prisma.sql`${[...amr]}::text[]`
      const [row] = await tx.$queryRaw<{ amr: string[]; kind: SessionKind; organizationId: string | null }[]>`
        UPDATE sessions s SET amr = ${all}, acr = ${acr}, auth_time = ${authTime}::timestamptz,
          secret_hash = CASE WHEN kind = 'cookie' THEN coalesce(${secretHash && bytes(secretHash)}::bytea, secret_hash) END
        WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND ${liveAt(at)} RETURNING amr, kind::text AS kind, (${Prisma.raw(ACTS_IN)}) AS "organizationId"`
      return row ? { ...row, acr, authTime } : null
    },
    async switch(tx, id, userId, at, organizationId) {
      const [row] = await tx.$queryRaw<(Assurance & { kind: SessionKind })[]>`
        UPDATE sessions SET organization_id = ${organizationId}::uuid WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND kind IN ('token', 'cookie') AND ${liveAt(at)}
        RETURNING kind::text AS kind, amr, ${Prisma.raw(ACR_TEXT)} AS acr, ${Prisma.raw(AUTH_TIME_TEXT)} AS "authTime"`
      return row ?? null
    },
    async end(tx, id, userId, at, along) {
      // a session that grants in a loop cannot put off its own end: the gate queues, where row locks do not
      await tx.$executeRaw`SELECT authority_gate(7103, '{}', ${[`sess:${id}`]}::text[])`
      const ended = Prisma.sql`UPDATE sessions SET ended_at = ${at.now}::timestamptz WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND ${liveAt(at)} RETURNING id`
      const rows = await tx.$queryRaw<unknown[]>(together({ ended }, 'ended', [along], Prisma.sql`SELECT 1 AS done FROM ended`))
      return rows.length === 1
    },
    async endAll(tx, userId, { now, idleSince }, exceptId) {
      await tx.$executeRaw`SELECT authority_gate(7101, '{}', ${[userId]}::text[])`
      const ended = await tx.session.updateManyAndReturn({
        where: { userId, endedAt: null, ...(exceptId === undefined ? {} : { id: { not: exceptId } }) },
        data: { endedAt: now },
        select: { id: true, expiresAt: true, lastSeenAt: true },
      })
      await tx.signInChallenge.deleteMany({ where: { userId } })
      return ended.map(({ id, expiresAt, lastSeenAt }) => ({ id, wasLive: expiresAt > now && lastSeenAt > idleSince }))
    },
    list: (userId, query, { now, idleSince }, currentId) => LIST(pool, cursors, query, {
      scope: { sql: (p) => `user_id = ${p}::uuid AND kind <> 'grant' AND ${LIVE}`, value: userId },
      given: { now: now.toISOString(), idleSince: idleSince.toISOString(), current: currentId },
    }),
  }
  return store
}

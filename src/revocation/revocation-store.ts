// The revocation log in the database: read on a connection that does nothing else, so that neither a busy pool nor a slow
// statement holds up what this node learns. A connection that does not answer is dropped and made anew at the next question.
// A standby is not asked: it may lag behind what has been revoked, and a lease renewed by it would be worth nothing.
import type pg from 'pg'
import { type Database, discard } from '../database/connect.js'
import type { LoggedRevocation } from './revocations.js'

export interface RevocationStore {
  /** Everything after `cursor` and the head, of one snapshot; no rows for a first look (-1) or when there are too many. Rejects within a second. */
  poll: (cursor: number) => Promise<{ server: string; head: number; rows: LoggedRevocation[] }>
  /** Notes how far this node has come. */
  noteCursor: (cursor: number) => Promise<void>
  /** The least cursor of the nodes seen within `aliveMs`; Infinity when there is none. */
  slowestCursor: (aliveMs: number) => Promise<number>
  /** Deletes what every node has read or has stopped waiting for. Returns how many rows went. */
  prune: () => Promise<number>
  close: () => Promise<void>
}

const TIMEOUT_MS = 500
const MAX_ROWS = 10_000
const KEPT = '1 hour'

// one statement, one snapshot. Numbers are below 2^53
const POLL = {
  name: 'revocations-since',
  text: `
    SELECT pg_postmaster_start_time()::text AS server, pg_is_in_recovery() AS "isReplica", h.seq::float8 AS head, l.seq::float8 AS seq, l.tag
    FROM revocation_head h LEFT JOIN LATERAL (
      SELECT seq, tag FROM revocation_log WHERE seq > $1 AND $1 >= 0 ORDER BY seq LIMIT ${MAX_ROWS + 1}
    ) l ON true
    WHERE h.id = 1 ORDER BY l.seq`,
}
const NOTE_CURSOR = 'UPDATE nodes SET cursor = $2, seen_at = clock_timestamp() WHERE id = $1'
const SLOWEST = `
  SELECT min(cursor)::float8 AS cursor FROM nodes WHERE seen_at > clock_timestamp() - make_interval(secs => $1::float / 1000)`
const PRUNE = `DELETE FROM revocation_log WHERE at < clock_timestamp() - interval '${KEPT}'`

interface Row {
  server: string
  isReplica: boolean
  head: number
  seq: number | null
  tag: string | null
}

export interface RevocationStoreNeeds {
  /** for what may wait */
  pool: pg.Pool
  /** makes the log's own connection */
  connectAlone: Database['connectAlone']
  nodeId: string
}

export function createRevocationStore({ pool, connectAlone, nodeId }: RevocationStoreNeeds): RevocationStore {
  let connected: pg.Client | null = null
  let closed = false

  function drop(client: pg.Client): void {
    if (connected === client) connected = null
    discard(client)
  }

  async function connect(): Promise<pg.Client> {
    const client = await connectAlone('gatehouse-revocations', TIMEOUT_MS)
    client.on('error', () => drop(client))
    if (closed) drop(client)
    else connected = client
    return client
  }

  return {
    async poll(cursor) {
      const client = connected ?? (await connect())
      try {
        const { rows } = await client.query<Row>({ ...POLL, values: [cursor] })
        const [first] = rows
        if (!first) throw new Error('revocation_head has no row')
        if (first.isReplica) throw new Error('the database is a standby')
        // too many to be of use: without them the numbers have a gap, and everything is read anew
        const { server, head } = first
        if (rows.length > MAX_ROWS) return { server, head, rows: [] }
        return { server, head, rows: rows.flatMap(({ seq, tag }) => (seq === null || tag === null ? [] : [{ seq, tag }])) }
      } catch (error) {
        drop(client)
        throw error
      }
    },
    async noteCursor(cursor) {
      await pool.query(NOTE_CURSOR, [nodeId, cursor])
    },
    async slowestCursor(aliveMs) {
      const { rows } = await pool.query<{ cursor: number | null }>(SLOWEST, [aliveMs])
      return rows[0]?.cursor ?? Infinity
    },
    async prune() {
      const { rowCount } = await pool.query(PRUNE)
      return rowCount ?? 0
    },
    async close() {
      closed = true
      const client = connected
      connected = null
      await client?.end().catch(() => undefined)
    },
  }
}

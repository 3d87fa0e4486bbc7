// Whether a pooler stands between this program and PostgreSQL that gives each transaction another session, and whether statements can be
// prepared by name through it. Both are found out by doing it, for poolers do not say what they are.
import pg from 'pg'

export interface Pooling {
  /** each transaction may be in another session (PgBouncer's transaction mode): nothing can be set for longer than one */
  isShared: boolean
  /** a statement that was prepared by name in one transaction is there in the next */
  prepares: boolean
}

/** What DATABASE_POOLING and DATABASE_PREPARE say; null: find out. */
export interface PoolingWanted {
  isShared: boolean | null
  prepares: boolean | null
}

export const OWN_SESSIONS: Pooling = { isShared: false, prepares: true }
export const UNKNOWN_POOLING: PoolingWanted = { isShared: null, prepares: null }

const WITHIN_MS = 2_000
const ROUNDS = 3
const PID = 'SELECT pg_backend_pid() AS pid'
const NAMED = { name: 'gatehouse-probe', text: `${PID} WHERE $1 = 1`, values: [1] }

async function pidOf(client: pg.Client, query: string | typeof NAMED = PID): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(query)
  return rows[0]?.pid ?? 0
}

/**
 * Two connections that are both open have a session each, and keep it; or else there is a pooler that shares them out. The order lets
 * the second connection come upon what the first one has just left, and sees a pooler that goes round all of its sessions, too.
 */
async function isShared(first: pg.Client, second: pg.Client): Promise<boolean> {
  const own = await pidOf(first)
  let others: number
  try {
    others = await pidOf(second)
  } catch {
    return false // it waits for a session that the first one holds
  }
  if (own === others) return true
  for (let round = 0; round < ROUNDS; round += 1) {
    if (await pidOf(first) !== own || await pidOf(first) !== own) return true
    if (await pidOf(second) !== others || await pidOf(second) !== others) return true
  }
  return false
}

/** Prepares by name, and runs it in another session, which the first one is made to take because a transaction holds its own. True only when that was seen to work. */
async function canPrepare(first: pg.Client, second: pg.Client): Promise<boolean> {
  const seen = new Set<number>()
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      seen.add(await pidOf(first, NAMED))
      await second.query('BEGIN')
      await pidOf(second)
      seen.add(await pidOf(first, NAMED))
      await second.query('COMMIT')
    }
  } catch {
    return false
  }
  return seen.size > 1
}

async function hasTransactions(client: pg.Client): Promise<boolean> {
  try {
    await client.query('BEGIN')
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}

/** What stands in front of the database. Throws when it cannot be reached, and for a pooler that allows no transactions. */
export async function detectPooling(connection: pg.ClientConfig, wanted: PoolingWanted, Client: typeof pg.Client = pg.Client): Promise<Pooling> {
  if (wanted.isShared === false) return { isShared: false, prepares: wanted.prepares ?? true }
  if (wanted.isShared === true && wanted.prepares !== null) return { isShared: true, prepares: wanted.prepares }
  const [first, second] = [0, 1].map(() => {
    const client = new Client({ ...connection, connectionTimeoutMillis: WITHIN_MS, query_timeout: WITHIN_MS, application_name: 'gatehouse' })
    return client.on('error', () => undefined)
  }) as [pg.Client, pg.Client]
  try {
    await first.connect()
    await second.connect()
    const shared = wanted.isShared ?? await isShared(first, second)
    if (!shared) return { isShared: false, prepares: wanted.prepares ?? true }
    if (!await hasTransactions(second)) throw new Error('the pooler allows no transactions: set its pool_mode to transaction or session')
    return { isShared: true, prepares: wanted.prepares ?? await canPrepare(first, second) }
  } finally {
    // end() waits for an answer that a statement in flight may never get
    for (const client of [first, second]) client.connection.stream.destroy()
  }
}

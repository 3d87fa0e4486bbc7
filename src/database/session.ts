// What a database session is brought to before it serves, whatever role, database, URL or pooler had set: times in UTC and in
// ISO, numbers in full, one isolation level. Set and read back on the connection itself, for a pooler may drop start-up options.
// A session that cannot write, or that was changed behind our back, is used once and closed: the next one may reach the new primary.
import type pg from 'pg'

const SETTINGS = {
  TimeZone: 'UTC', DateStyle: 'ISO, MDY', IntervalStyle: 'postgres', client_encoding: 'UTF8', standard_conforming_strings: 'on',
  extra_float_digits: '1', bytea_output: 'hex', default_transaction_isolation: 'read committed',
}
const SETTLE_MAX_MS = 2_000
const READ_ONLY_TRANSACTION = '25006'

/** A session that does not keep what it was set to. Counts as a database that is not available (SQLSTATE class 08). */
export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly code = '08004'
}

export interface Writability {
  /** a standby that follows another server, and may lag behind it */
  isReplica: boolean
  /** writes are refused: a standby, or default_transaction_read_only */
  isReadOnly: boolean
}

const unfit = new WeakSet<pg.ClientBase>()

const SET = Object.entries(SETTINGS).map(([name, value]) => `set_config('${name}', '${value}', false)`).join(', ')
const READ = Object.keys(SETTINGS).map((name) => `current_setting('${name}') AS "${name}"`).join(', ')
const WRITABILITY = `pg_is_in_recovery() AS "isReplica", current_setting('transaction_read_only') = 'on' AS "isReadOnly"`

/** Asks a server whether it takes writes. */
export async function writabilityOf(queryable: Pick<pg.Pool, 'query'>): Promise<Writability> {
  const { rows } = await queryable.query<Writability>(`SELECT ${WRITABILITY}`)
  return { isReplica: rows[0]?.isReplica === true, isReadOnly: rows[0]?.isReadOnly === true }
}

/** Keeps an eye on what the server reports of a settled session (PostgreSQL reports these by itself since 14). */
function watch(client: pg.ClientBase): void {
  if (!('connection' in client)) return
  const connection = client.connection as pg.Connection
  connection.on('parameterStatus', ({ parameterName, parameterValue }: { parameterName: string; parameterValue: string }) => {
    const readOnly = (parameterName === 'in_hot_standby' || parameterName === 'default_transaction_read_only') && parameterValue === 'on'
    const changed = (parameterName === 'TimeZone' || parameterName === 'DateStyle') && parameterValue !== SETTINGS[parameterName]
    if (readOnly || changed) unfit.add(client)
  })
  connection.on('errorMessage', ({ code }: { code?: string }) => {
    if (code === READ_ONLY_TRANSACTION) unfit.add(client)
  })
}

/** Brings a new session to what this program relies on, in one round trip. Throws SessionError when it does not hold. */
export async function settleSession(client: pg.ClientBase, withinMs: number = SETTLE_MAX_MS): Promise<void> {
  // two statements make two results, which the types do not know of
  const limit = { query_timeout: withinMs }
  const results = (await client.query({ text: `SELECT ${SET}; SELECT ${READ}, ${WRITABILITY}`, ...limit })) as unknown as pg.QueryResult<Record<string, unknown>>[]
  const held = results[1]?.rows[0] ?? {}
  const wrong = Object.entries(SETTINGS).find(([name, value]) => held[name] !== value)
  if (wrong) throw new SessionError(`a session's ${wrong[0]} stays ${String(held[wrong[0]])} where ${wrong[1]} was set`)
  if (held['isReplica'] === true || held['isReadOnly'] === true) unfit.add(client)
  watch(client)
}

/** Settles every connection of a pool before its first use, and closes after its use one that is not fit for writes. */
export function settled(pool: pg.Pool): pg.Pool {
  pool.options.onConnect = (client) => settleSession(client) as unknown as undefined // it waits for a promise, which its types do not say
  pool.on('release', (_error: unknown, client: pg.PoolClient) => {
    // the pool removes a client that is ending; `end` is not among the types of a pool's client
    if (unfit.has(client)) (client as unknown as pg.Client).end().catch(() => undefined)
  })
  return pool
}

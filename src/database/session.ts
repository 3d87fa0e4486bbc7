// What a database session is brought to before it serves, whatever role, database, URL or pooler had set: times in UTC and in
// ISO, numbers in full, one isolation level, an end to what takes too long. Set and read back on the connection itself, for a pooler
// refuses or drops start-up options. Where it gives each transaction another session, the rest is set in each, and checked here.
// A session that cannot write, or that was changed behind our back, is used once and closed: the next one may reach the new primary.
import type pg from 'pg'

// the server reports these, so a pooler knows them and gives each client its own
const REPORTED = { TimeZone: 'UTC', DateStyle: 'ISO, MDY', client_encoding: 'UTF8', standard_conforming_strings: 'on' }
const STYLES = { IntervalStyle: 'postgres', extra_float_digits: '1', bytea_output: 'hex' }
const DEFAULTS = { default_transaction_isolation: 'read committed' }
const LIMITS = { statement_timeout: '10s', idle_in_transaction_session_timeout: '30s' }

/** For a transaction whose session is not ours for longer: what holds in it alone. */
export const IN_EACH_TRANSACTION = Object.entries({ ...STYLES, ...LIMITS }).map(([name, value]) => `SET LOCAL ${name} = '${value}'`).join('; ')

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

type Settings = Record<string, string>

const setting = (settings: Settings): string => Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', false)`).join(', ')
const reading = (settings: Settings): string => Object.keys(settings).map((name) => `current_setting('${name}') AS "${name}"`).join(', ')
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
    const changed = (parameterName === 'TimeZone' || parameterName === 'DateStyle') && parameterValue !== REPORTED[parameterName]
    if (readOnly || changed) unfit.add(client)
  })
  connection.on('errorMessage', ({ code }: { code?: string }) => {
    if (code === READ_ONLY_TRANSACTION) unfit.add(client)
  })
}

export interface Settling {
  /** a pooler gives each transaction another session: what it does not keep for a client must be right from the start */
  isShared?: boolean
  withinMs?: number
  /** of one statement, where the session is our own */
  statementTimeout?: string
  /** where the tables are */
  schema?: string | undefined
}

function complaint(name: string, held: unknown, wanted: string, isShared: boolean): SessionError {
  if (!isShared || name in REPORTED) return new SessionError(`a session's ${name} stays ${String(held)} where ${wanted} was set`)
  return new SessionError(`a session's ${name} is ${String(held)}, and behind a pooler in transaction mode it must be right from the start: ALTER ROLE ... SET ${name} = '${wanted}'`)
}

function wrongSchema(schema: string, isShared: boolean): SessionError {
  const mend = isShared ? `behind a pooler in transaction mode it must be the first of the role's: ALTER ROLE ... SET search_path = "${schema}"` : `CREATE SCHEMA "${schema}"`
  return new SessionError(`there is no schema ${schema} where tables are looked for: ${mend}`)
}

/** Brings a new session to what this program relies on, in one round trip. Throws SessionError when it does not hold. */
export async function settleSession(client: pg.ClientBase, { isShared = false, withinMs = SETTLE_MAX_MS, statementTimeout = LIMITS.statement_timeout, schema }: Settling = {}): Promise<void> {
  const needed: Settings = { ...REPORTED, ...STYLES, ...DEFAULTS, ...(isShared ? {} : { ...LIMITS, statement_timeout: statementTimeout }) }
  // two statements make two results, which the types do not know of
  const path = schema === undefined || isShared ? '' : `, set_config('search_path', '"${schema}"', false)`
  const text = `SELECT ${setting(isShared ? REPORTED : needed)}${path}; SELECT ${reading(needed)}, current_schema() AS schema, ${WRITABILITY}`
  const limit = { query_timeout: withinMs }
  const results = (await client.query({ text, ...limit })) as unknown as pg.QueryResult<Record<string, unknown>>[]
  const held = results[1]?.rows[0] ?? {}
  const wrong = Object.entries(needed).find(([name, value]) => held[name] !== value)
  if (wrong) throw complaint(wrong[0], held[wrong[0]], wrong[1], isShared)
  if (schema !== undefined && held['schema'] !== schema) throw wrongSchema(schema, isShared)
  if (held['isReplica'] === true || held['isReadOnly'] === true) unfit.add(client)
  watch(client)
}

/** Settles every connection of a pool before its first use, and closes after its use one that is not fit for writes. */
export function settled(pool: pg.Pool, settling: Settling = {}): pg.Pool {
  pool.options.onConnect = (client) => settleSession(client, settling) as unknown as undefined // it waits for a promise, which its types do not say
  pool.on('release', (_error: unknown, client: pg.PoolClient) => {
    // the pool removes a client that is ending; `end` is not among the types of a pool's client
    if (unfit.has(client)) (client as unknown as pg.Client).end().catch(() => undefined)
  })
  return pool
}

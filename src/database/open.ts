// Which database this process runs on: DATABASE_URL's or the embedded one; connected and migrated, with the root secret that goes with it.
import type pg from 'pg'
import type { Config } from '../config.js'
import { placeOf } from '../kernel/database-url.js'
import { clientFor } from './clients.js'
import { connectDatabase, type Database, type DatabaseOptions } from './connect.js'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js'
import { embeddedSecret } from './embedded-secret.js'
import { migrate } from './migrate.js'
import { detectPooling, OWN_SESSIONS } from './pooling.js'
import { writabilityOf } from './session.js'
import { type Way, wayOf } from './way.js'

const OLDEST_VERSION = 140_000
// the lock, migrations and a person with psql need connections besides the pool's
const SPARE_CONNECTIONS = 20
const POSTGRES_DEFAULT_CONNECTIONS = 100

export interface OpenDatabase {
  database: Database
  secret: string
  /** for people: which server, never with a password */
  description: string
  /** closes the pool and stops the embedded server */
  close: () => Promise<void>
}

/** The database of DATABASE_URL cannot be used. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError'
}

async function factsOf(pool: pg.Pool): Promise<{ version: string; number: number; encoding: string }> {
  const { rows } = await pool.query<{ version: string; number: number; encoding: string }>(
    "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, current_setting('server_encoding') AS encoding")
  const { version = '', number = 0, encoding = '' } = rows[0] ?? {}
  return { version: version.split(' ')[0] ?? version, number, encoding }
}

function reasonOf(error: unknown): string {
  // an AggregateError (localhost by two addresses) has its reasons inside
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

/** Is it there, new enough, and can it be written to? Its version. Throws DatabaseUrlError. */
export async function reach(pool: pg.Pool, databaseUrl: string | null, variable = 'DATABASE_URL'): Promise<string> {
  try {
    const { version, number, encoding } = await factsOf(pool)
    if (number < OLDEST_VERSION) throw new Error(`PostgreSQL ${version} is too old, 14 is the oldest that will do`)
    if (encoding !== 'UTF8') throw new Error(`the database's encoding is ${encoding}: make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0`)
    const { isReplica, isReadOnly } = await writabilityOf(pool)
    if (isReadOnly) throw new Error(isReplica ? 'it is a read-only standby: name the primary' : 'it is read-only (default_transaction_read_only)')
    return version
  } catch (error) {
    throw databaseUrl === null ? error : new DatabaseUrlError(`${variable} cannot be used: ${reasonOf(error)}`, { cause: error })
  }
}

/** Connects to DATABASE_URL's database, having found out what stands in front of it. Throws DatabaseUrlError. */
export async function connectServer(
  { databaseUrl, databaseDirectUrl, databasePooling }: Pick<Config, 'databaseUrl' | 'databaseDirectUrl' | 'databasePooling'>, options: Pick<DatabaseOptions, 'poolMax' | 'onError'>,
): Promise<Database> {
  const connection = readWay('DATABASE_URL', databaseUrl ?? '')
  const pooling = await detectPooling(connection, databasePooling, clientFor(OWN_SESSIONS, connection.places)).catch((cause: unknown) => {
    throw new DatabaseUrlError(`DATABASE_URL cannot be used: ${reasonOf(cause)}`, { cause })
  })
  return connectDatabase({ ...options, connection, pooling, ...(databaseDirectUrl === null ? {} : { direct: readWay('DATABASE_DIRECT_URL', databaseDirectUrl) }) })
}

function readWay(variable: string, url: string): Way {
  try {
    return wayOf(url)
  } catch (cause) {
    throw new DatabaseUrlError(`${variable} cannot be used: ${reasonOf(cause)}`, { cause })
  }
}

/** Which run of which server, and which database of it: what two ways to one database have in common. */
async function identityOf(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ identity: string }>(
    "SELECT concat(extract(epoch FROM pg_postmaster_start_time()), ' ', oid) AS identity FROM pg_database WHERE datname = current_database()")
  return rows[0]?.identity ?? ''
}

/** Runs `work` on connections that go past the pooler where there is a way; they are closed behind it. Throws DatabaseUrlError when that way is none. */
export async function withDirect<T>(database: Database, directUrl: string | null, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  if (directUrl === null) return work(database.pool)
  const direct = connectDatabase({ connection: readWay('DATABASE_DIRECT_URL', directUrl), pooling: OWN_SESSIONS, poolMax: 1, onError: () => undefined })
  try {
    await reach(direct.pool, directUrl, 'DATABASE_DIRECT_URL')
    if (await identityOf(direct.pool) !== await identityOf(database.pool)) throw new DatabaseUrlError('DATABASE_DIRECT_URL is not the database of DATABASE_URL')
    return await work(direct.pool)
  } finally {
    await direct.close()
  }
}

const UNLIMITED = "DATABASE_URL goes through a pooler in transaction mode, where only the role can put an end to a statement that takes too long: ALTER ROLE ... SET statement_timeout = '10s'"

async function isUnlimited(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ limit: string }>("SELECT current_setting('statement_timeout') AS limit")
  return rows[0]?.limit === '0'
}

/**
 * Opens the database that `config` names and brings its schema up to date; `signal` calls the making of an embedded one off.
 * Throws EmbeddedPostgresError, DatabaseUrlError and MigrationError, after having closed what it had opened.
 */
export async function openDatabase(config: Config, log: (message: string) => void, signal?: AbortSignal): Promise<OpenDatabase> {
  const secret = config.secret ?? embeddedSecret(config.dataDir)
  const settings = { max_connections: String(Math.max(POSTGRES_DEFAULT_CONNECTIONS, config.databasePoolMax + SPARE_CONNECTIONS)) }
  const embedded: EmbeddedPostgres | null = config.databaseUrl === null ? await startEmbeddedPostgres({ dataDir: config.dataDir, log, settings, ...(signal ? { signal } : {}) }) : null
  let database: Database | null = null
  const close = async (): Promise<void> => {
    await database?.close()
    await embedded?.stop()
  }
  try {
    const options = { poolMax: config.databasePoolMax, onError: (error: Error) => log(`A database connection was lost: ${error.message}`) }
    database = embedded ? connectDatabase({ ...options, connection: embedded.connection }) : await connectServer(config, options)
    const version = await reach(database.pool, config.databaseUrl)
    await withDirect(database, config.databaseDirectUrl, (pool) => migrate(pool))
    const where = config.databaseUrl === null ? `embedded in ${config.dataDir}` : placeOf(config.databaseUrl)
    if (database.pooling.isShared && await isUnlimited(database.pool)) log(UNLIMITED)
    return { database, secret, description: `PostgreSQL ${version}, ${where}${database.pooling.isShared ? ', through a pooler in transaction mode' : ''}`, close }
  } catch (error) {
    await close()
    throw error
  }
}

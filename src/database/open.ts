// Which database this process runs on: DATABASE_URL's or the embedded one; connected and migrated, with the root secret that goes with it.
import type pg from 'pg'
import type { Config } from '../config.js'
import { connectDatabase, type Database } from './connect.js'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js'
import { embeddedSecret } from './embedded-secret.js'
import { migrate } from './migrate.js'
import { writabilityOf } from './session.js'

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
export async function reach(pool: pg.Pool, databaseUrl: string | null): Promise<string> {
  try {
    const { version, number, encoding } = await factsOf(pool)
    if (number < OLDEST_VERSION) throw new Error(`PostgreSQL ${version} is too old, 14 is the oldest that will do`)
    if (encoding !== 'UTF8') throw new Error(`the database's encoding is ${encoding}: make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0`)
    const { isReplica, isReadOnly } = await writabilityOf(pool)
    if (isReadOnly) throw new Error(isReplica ? 'it is a read-only standby: name the primary' : 'it is read-only (default_transaction_read_only)')
    return version
  } catch (error) {
    throw databaseUrl === null ? error : new DatabaseUrlError(`DATABASE_URL cannot be used: ${reasonOf(error)}`, { cause: error })
  }
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
    const connection = embedded?.connection ?? { connectionString: config.databaseUrl ?? '' }
    database = connectDatabase({ connection, poolMax: config.databasePoolMax, onError: (error) => log(`A database connection was lost: ${error.message}`) })
    const version = await reach(database.pool, config.databaseUrl)
    await migrate(database.pool)
    const where = config.databaseUrl === null ? `embedded in ${config.dataDir}` : placeOf(config.databaseUrl)
    return { database, secret, description: `PostgreSQL ${version}, ${where}`, close }
  } catch (error) {
    await close()
    throw error
  }
}

function placeOf(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl)
  return `${host}${pathname}`
}

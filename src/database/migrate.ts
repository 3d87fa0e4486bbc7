// Applies prisma/migrations in order, each in one transaction with its bookkeeping, so that nothing is ever half applied.
// It writes Prisma's own table under Prisma's own lock: `prisma migrate deploy` and this agree on what is done. The lock is each
// transaction's, not the session's, so that a pooler which gives the next transaction another session does no harm.
// It never changes, skips or undoes a migration, and refuses a database that a newer version has migrated.
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type pg from 'pg'

const TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`
const PRISMA_LOCK = 72707369 // the advisory lock that prisma migrate takes
// building an index, or waiting for a node that does, may outlast the limits made for requests: a day
const PATIENT = { query_timeout: 86_400_000 }

interface Applied {
  migration_name: string
  checksum: string
  finished_at: Date | null
  /** of ours: which version of this program applied it */
  logs: string | null
}

interface Migration {
  name: string
  sql: string
  checksum: string
}

/** A database that cannot be brought to this program's schema; the message names the migration and says what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

/** prisma/migrations of this package, wherever the running file lies (src or dist/src). */
export function migrationsFolder(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return join(folder, 'prisma', 'migrations')
  }
  throw new MigrationError('prisma/migrations was not found: package.json is missing above the program')
}

/** The version of this program, of its package.json. */
export function programVersion(): string {
  const { version } = JSON.parse(readFileSync(join(migrationsFolder(), '../../package.json'), 'utf8')) as { version: string }
  return version
}

const APPLIED_BY = /^gatehouse (\S+)$/

/** Throws MigrationError when the database holds migrations that this program does not know: a newer one has made its tables. */
function refuseNewer(names: readonly string[], applied: readonly Applied[]): void {
  const unknown = applied.filter(({ migration_name: name, finished_at: at }) => at !== null && !names.includes(name)).toSorted((a, b) => a.migration_name.localeCompare(b.migration_name))
  const last = unknown.at(-1)
  if (!last) return
  const versions = unknown.flatMap(({ logs }) => APPLIED_BY.exec(logs ?? '')?.[1] ?? [])
  const by = versions.at(-1)
  throw new MigrationError(
    `The database was migrated by ${by === undefined ? 'a newer Gatehouse' : `Gatehouse ${by}`} (${last.migration_name}) and this is Gatehouse ${programVersion()}, which does not know that: start the newer version, or restore the backup made before the upgrade`)
}

/** Is this migration applied already? Throws MigrationError when it was edited since, or an earlier run of Prisma's left it unfinished. */
function isApplied(name: string, checksum: string, applied: ReadonlyMap<string, Applied>): boolean {
  const row = applied.get(name)
  if (!row) return false
  if (row.finished_at === null) throw new MigrationError(`Migration ${name} failed earlier and was not resolved (prisma migrate resolve)`)
  if (row.checksum !== checksum) throw new MigrationError(`Migration ${name} was edited after it was applied: restore the file, and put the change into a new migration`)
  return true
}

/** Runs `work` in a transaction of its own that holds the lock and has all the time it needs. */
async function locked<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    await client.query('SET LOCAL statement_timeout = 0')
    await client.query({ text: 'SELECT pg_advisory_xact_lock($1)', values: [PRISMA_LOCK], ...PATIENT })
    const result = await work()
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // a connection that broke has rolled back by itself
    throw error
  }
}

async function apply(client: pg.PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query({ text: sql, ...PATIENT })
    await client.query(
      'INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count, logs) VALUES ($1, $2, clock_timestamp(), $3, 1, $4)',
      [randomUUID(), checksum, name, `gatehouse ${programVersion()}`])
  } catch (error) {
    throw new MigrationError(`Migration ${name} failed and was rolled back: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** What the database has applied; null when it has no table of it. */
async function readApplied(client: pg.PoolClient): Promise<Map<string, Applied> | null> {
  const { rows: [table] } = await client.query<{ known: boolean }>("SELECT to_regclass('_prisma_migrations') IS NOT NULL AS known")
  if (table?.known !== true) return null
  const { rows } = await client.query<Applied>('SELECT migration_name, checksum, finished_at, logs FROM _prisma_migrations WHERE rolled_back_at IS NULL')
  return new Map(rows.map((row) => [row.migration_name, row]))
}

/** Throws MigrationError, which says what to grant, when this role may not make tables. */
async function requireCreate(client: pg.PoolClient): Promise<void> {
  const { rows: [found] } = await client.query<{ schema: string | null; role: string; may: boolean | null }>(
    "SELECT quote_ident(current_schema()) AS schema, quote_ident(current_user) AS role, has_schema_privilege(current_schema(), 'CREATE') AS may")
  if (found?.may === true) return
  if (found?.schema == null) throw new MigrationError('The database has no schema to make tables in: none of those of search_path is there')
  throw new MigrationError(`The database user may not make Gatehouse's tables: GRANT CREATE ON SCHEMA ${found.schema} TO ${found.role}`)
}

/** Applies the first migration that is missing; its name, null when there is none. */
async function applyNext(client: pg.PoolClient, migrations: readonly Migration[]): Promise<string | null> {
  const applied = await readApplied(client)
  refuseNewer(migrations.map(({ name }) => name), [...applied?.values() ?? []])
  const next = migrations.find(({ name, checksum }) => !isApplied(name, checksum, applied ?? new Map()))
  if (!next) return null
  await requireCreate(client)
  if (!applied) await client.query(TABLE)
  await apply(client, next)
  return next.name
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name).toSorted()
  return Promise.all(names.map(async (name) => {
    const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8')
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  }))
}

/**
 * Applies what is missing, in order, and returns its names. Many nodes may call it at once: each migration is applied by one of them, the
 * others wait for it. Throws MigrationError; migrations before the failing one stay applied.
 */
export async function migrate(pool: pg.Pool, folder: string = migrationsFolder()): Promise<string[]> {
  const migrations = await readMigrations(folder)
  const client = await pool.connect()
  const done: string[] = []
  try {
    for (;;) {
      const name = await locked(client, () => applyNext(client, migrations))
      if (name === null) return done
      done.push(name)
    }
  } finally {
    client.release(true) // what migrations may have set ends with the connection
  }
}

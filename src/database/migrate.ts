// Applies prisma/migrations in order, each in one transaction with its bookkeeping, so that nothing is ever half applied.
// It writes Prisma's own table under Prisma's own lock: `prisma migrate deploy` and this agree on what is done.
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

async function apply(client: pg.PoolClient, name: string, sql: string, checksum: string): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query({ text: sql, ...PATIENT })
    await client.query(
      'INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count, logs) VALUES ($1, $2, now(), $3, 1, $4)',
      [randomUUID(), checksum, name, `gatehouse ${programVersion()}`])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // a connection that broke has rolled back by itself
    throw new MigrationError(`Migration ${name} failed and was rolled back: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function applyAll(client: pg.PoolClient, folder: string): Promise<string[]> {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name).toSorted()
  await client.query(TABLE)
  const { rows } = await client.query<Applied>('SELECT migration_name, checksum, finished_at, logs FROM _prisma_migrations WHERE rolled_back_at IS NULL')
  refuseNewer(names, rows)
  const applied = new Map(rows.map((row) => [row.migration_name, row]))
  const done: string[] = []
  for (const name of names) {
    // in order, one after the other: a migration builds on those before it
    const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8')
    const checksum = createHash('sha256').update(sql).digest('hex')
    if (!isApplied(name, checksum, applied)) {
      await apply(client, name, sql, checksum)
      done.push(name)
    }
  }
  return done
}

/**
 * Applies what is missing and returns its names. Many nodes may call it at once: one works, the others wait for it.
 * Throws MigrationError; migrations before the failing one stay applied.
 */
export async function migrate(pool: pg.Pool, folder: string = migrationsFolder()): Promise<string[]> {
  const client = await pool.connect()
  try {
    await client.query('SET statement_timeout = 0')
    await client.query({ text: 'SELECT pg_advisory_lock($1)', values: [PRISMA_LOCK], ...PATIENT })
    return await applyAll(client, folder)
  } finally {
    // the connection is closed, not returned: that gives back the lock and the settings whatever happened
    client.release(true)
  }
}

// Which migrations of this program the database lacks: what readiness asks. Reads only.
import { readdirSync } from 'node:fs'
import type pg from 'pg'
import { migrationsFolder } from './migrate.js'

/** Names of migrations not yet applied. Throws when the database does not answer or was never migrated. */
export async function pendingMigrations(pool: pg.Pool, folder: string = migrationsFolder()): Promise<string[]> {
  const wanted = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const { rows } = await pool.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL')
  const applied = new Set(rows.map((row) => row.name))
  return wanted.filter((name) => !applied.has(name))
}

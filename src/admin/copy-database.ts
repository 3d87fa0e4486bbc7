// Copies everything of one Gatehouse database into another that was migrated and is not set up yet: the way from the embedded PostgreSQL to
// a server of one's own. One snapshot is read, and one transaction is written: the other database has all of it or nothing.
import type pg from 'pg'

/** Why nothing was copied, in one line. */
export class CopyError extends Error {
  override readonly name = 'CopyError'
}

const ROWS_AT_ONCE = 1_000
const MIGRATIONS = '_prisma_migrations'

async function tablesOf(client: pg.PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> $1 ORDER BY relname", [MIGRATIONS])
  return rows.map(({ name }) => name)
}

/** The tables, each after those that its rows point to. Throws when they point in a circle. */
async function inOrder(client: pg.PoolClient, tables: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ child: string; parent: string }>(
    "SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid")
  const left = new Set(tables)
  const ordered: string[] = []
  while (left.size > 0) {
    const next = [...left].filter((table) => rows.every(({ child, parent }) => child !== table || !left.has(parent)))
    if (next.length === 0) throw new CopyError(`The tables ${[...left].join(', ')} point to each other in a circle`)
    for (const table of next) left.delete(table)
    ordered.push(...next)
  }
  return ordered
}

async function migrationsOf(client: pg.PoolClient): Promise<string> {
  const { rows } = await client.query<{ names: string | null }>(`SELECT string_agg(migration_name, ' ' ORDER BY migration_name) AS names FROM ${MIGRATIONS} WHERE finished_at IS NOT NULL`)
  return rows[0]?.names ?? ''
}

async function copyTable(from: pg.PoolClient, to: pg.PoolClient, table: string): Promise<number> {
  const name = `"${table}"`
  // as text all the way: what JavaScript would make of a bigint or a time never matters
  await from.query(`DECLARE rows_of_table NO SCROLL CURSOR FOR SELECT to_jsonb(t)::text AS row FROM ${name} AS t`)
  let copied = 0
  for (;;) {
    const { rows } = await from.query<{ row: string }>(`FETCH ${ROWS_AT_ONCE} FROM rows_of_table`)
    if (rows.length === 0) break
    await to.query(`INSERT INTO ${name} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_recordset(NULL::${name}, $1::jsonb)`, [`[${rows.map(({ row }) => row).join(',')}]`])
    copied += rows.length
  }
  await from.query('CLOSE rows_of_table')
  return copied
}

/** Sequences go on where those of the other database were. */
async function copySequences(from: pg.PoolClient, to: pg.PoolClient): Promise<void> {
  const { rows } = await from.query<{ name: string; last: string | null }>("SELECT sequencename AS name, last_value::text AS last FROM pg_sequences WHERE schemaname = current_schema()")
  for (const { name, last } of rows) if (last !== null) await to.query('SELECT setval($1::regclass, $2::bigint)', [`"${name}"`, last])
}

async function write(from: pg.PoolClient, to: pg.PoolClient, onTable: (table: string, rows: number) => void): Promise<void> {
  if (await migrationsOf(from) !== await migrationsOf(to)) throw new CopyError('The two databases are of different versions: start this version once on each of them')
  const { rows: [users] } = await to.query<{ some: boolean }>('SELECT EXISTS (SELECT 1 FROM users) AS some')
  if (users?.some) throw new CopyError('The database to copy to has accounts already: give it an empty one')
  const tables = await inOrder(to, await tablesOf(to))
  // triggers write what is copied anyway (revocations), or forbid the removal of what a new database comes with
  for (const table of tables) await to.query(`ALTER TABLE "${table}" DISABLE TRIGGER USER`)
  for (const table of tables.toReversed()) await to.query(`DELETE FROM "${table}"`)
  for (const table of tables) onTable(table, await copyTable(from, to, table))
  await copySequences(from, to)
  for (const table of tables) await to.query(`ALTER TABLE "${table}" ENABLE TRIGGER USER`)
}

/** Copies all rows; `onTable` after each table. Throws CopyError, and what PostgreSQL throws, having copied nothing. */
export async function copyDatabase(source: pg.Pool, target: pg.Pool, onTable: (table: string, rows: number) => void): Promise<void> {
  const from = await source.connect()
  const to = await target.connect()
  try {
    await from.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    await to.query('BEGIN')
    await write(from, to, onTable)
    await to.query('SET CONSTRAINTS ALL IMMEDIATE')
    await to.query('COMMIT')
  } catch (error) {
    await to.query('ROLLBACK').catch(() => undefined)
    throw error
  } finally {
    await from.query('ROLLBACK').catch(() => undefined)
    from.release()
    to.release()
  }
}

// Many rows at once: one transaction without secondary indexes, foreign keys and triggers, which come back at the end. A break
// leaves the tables as they were.
import type pg from 'pg'
import { type OpenDatabase, openDatabase } from '../src/database/open.js'
import { benchConfig } from './environment.js'

const PATIENT = { query_timeout: 86_400_000 }

/** Runs a statement for as long as it takes. */
export type Run = (text: string, values?: unknown[]) => Promise<unknown>

/** The benchmark's database, without a server. */
export async function withDatabase<T>(work: (database: OpenDatabase) => Promise<T>): Promise<T> {
  const database = await openDatabase(benchConfig(process.env), (message) => console.error(message))
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

interface Part {
  drop: string
  create: string
}

async function secondaryParts(client: pg.PoolClient, tables: readonly string[]): Promise<Part[]> {
  const { rows } = await client.query<Part>(`
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS create
    FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY ($1::regclass[])
    UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = ANY ($1::regclass[]) AND NOT indisprimary`, [tables])
  // foreign keys go first and come back last: they stand on indexes
  return rows.toSorted((a, b) => Number(a.drop.startsWith('DROP')) - Number(b.drop.startsWith('DROP')))
}

/** Runs `work` on the bare tables. */
export async function inBulk(client: pg.PoolClient, tables: readonly string[], work: (run: Run) => Promise<void>): Promise<void> {
  const run: Run = (text, values) => client.query({ text, ...(values ? { values } : {}), ...PATIENT })
  await run('BEGIN')
  try {
    await run("SET LOCAL maintenance_work_mem = '256MB'")
    const parts = await secondaryParts(client, tables)
    for (const { drop } of parts) await run(drop)
    // nobody has a decision about these rows in memory yet: a million revocations would be told to nobody
    for (const table of tables) await run(`ALTER TABLE ${table} DISABLE TRIGGER USER`)
    await work(run)
    for (const table of tables) await run(`ALTER TABLE ${table} ENABLE TRIGGER USER`)
    for (const { create } of parts.toReversed()) await run(create)
    await run('COMMIT')
  } catch (error) {
    await run('ROLLBACK').catch(() => {})
    throw error
  }
  for (const table of tables) await run(`VACUUM (ANALYZE) ${table}`)
}

export async function withPatientClient(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('SET statement_timeout = 0')
    await work(client)
  } finally {
    client.release(true)
  }
}

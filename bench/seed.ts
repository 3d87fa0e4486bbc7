// A million users, made by PostgreSQL itself. One transaction without secondary indexes and foreign keys, which are built
// once at the end: a break leaves the tables as they were. Says what is there already and adds only what is missing.
import type pg from 'pg'
import { type OpenDatabase, openDatabase } from '../src/database/open.js'
import { ADMIN, benchConfig } from './environment.js'
import { startGatehouse } from './gatehouse.js'

const TABLES = ['users', 'user_roles']
const PATIENT = { query_timeout: 86_400_000 }

// The i-th user is the same in every run. Ids are UUIDv7 of createdAt (a minute apart); names repeat, as they do; one in
// 50 is suspended, one in three has never signed in.
const INSERT_USERS = `
  INSERT INTO users (id, email, name, status, created_at, updated_at, last_login_at)
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || substr('89ab', 1 + i % 4, 1) || substr(h, 5, 15))::uuid,
         'user-' || lpad(i::text, 9, '0') || '@seed.bench.example',
         (ARRAY['Ada', 'Alan', 'Barbara', 'Donald', 'Edsger', 'Frances', 'Grace', 'John', 'Ken', 'Margaret', 'Radia'])[1 + i % 11]
           || ' ' || (ARRAY['Allen', 'Dijkstra', 'Hamilton', 'Hopper', 'Knuth', 'Liskov', 'Lovelace', 'McCarthy', 'Perlman', 'Thompson', 'Turing'])[1 + i / 11 % 11]
           || ' ' || substr(h, 1, 4),
         (CASE WHEN i % 50 = 0 THEN 'suspended' ELSE 'active' END)::user_status,
         at, at, CASE WHEN i % 3 = 0 THEN '1970-01-01Z'::timestamptz ELSE at + (i % 1000) * interval '7 minutes' END
  FROM (SELECT i, md5(i::text) AS h, '2023-01-01Z'::timestamptz + i * interval '1 minute' AS at FROM generate_series($1::int, $2::int) AS i) AS made
  ORDER BY i`
const INSERT_ROLES = `INSERT INTO user_roles (user_id, role_name)
  SELECT id, 'member' FROM users WHERE email LIKE 'user-%@seed.bench.example' ORDER BY id ON CONFLICT DO NOTHING`

interface Part {
  drop: string
  create: string
}

async function secondaryParts(client: pg.PoolClient): Promise<Part[]> {
  const { rows } = await client.query<Part>(`
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS create
    FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY ($1::regclass[])
    UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = ANY ($1::regclass[]) AND NOT indisprimary`, [TABLES])
  // foreign keys go first and come back last: they stand on indexes
  return rows.toSorted((a, b) => Number(a.drop.startsWith('DROP')) - Number(b.drop.startsWith('DROP')))
}

async function insertRange(client: pg.PoolClient, from: number, to: number): Promise<void> {
  const run = (text: string, values?: number[]): Promise<unknown> => client.query({ text, ...(values ? { values } : {}), ...PATIENT })
  await run('BEGIN')
  try {
    await run("SET LOCAL maintenance_work_mem = '256MB'")
    const parts = await secondaryParts(client)
    for (const { drop } of parts) await run(drop)
    // nobody has a decision about these accounts in memory yet: a million revocations would be told to nobody
    for (const table of TABLES) await run(`ALTER TABLE ${table} DISABLE TRIGGER USER`)
    await run(INSERT_USERS, [from, to])
    await run(INSERT_ROLES)
    for (const table of TABLES) await run(`ALTER TABLE ${table} ENABLE TRIGGER USER`)
    for (const { create } of parts.toReversed()) await run(create)
    await run('COMMIT')
  } catch (error) {
    await run('ROLLBACK').catch(() => {})
    throw error
  }
  for (const table of TABLES) await run(`VACUUM (ANALYZE) ${table}`)
}

async function countUsers(pool: pg.Pool): Promise<{ seeded: number; others: number; hasAdmin: boolean }> {
  const { rows } = await pool.query<{ seeded: number; others: number; has_admin: boolean }>(`
    SELECT count(*) FILTER (WHERE is_seed)::int AS seeded, count(*) FILTER (WHERE NOT is_seed AND email NOT LIKE '%@bench.example')::int AS others,
           bool_or(email = $1) AS has_admin
    FROM (SELECT email, email LIKE 'user-%@seed.bench.example' AS is_seed FROM users) AS all_users`, [ADMIN.email])
  const { seeded = 0, others = 0, has_admin: hasAdmin = false } = rows[0] ?? {}
  return { seeded, others, hasAdmin: hasAdmin ?? false }
}

async function withDatabase<T>(work: (database: OpenDatabase) => Promise<T>): Promise<T> {
  const database = await openDatabase(benchConfig(process.env), (message) => console.error(message))
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

export interface Seeded {
  users: number
  /** of the server that holds them, for people */
  database: string
}

/**
 * Makes sure that there are an administrator and at least `minimum` seeded users; when there are none at all, `whenEmpty`.
 * Throws for a database that holds anybody else's users.
 */
export async function ensureSeeded(minimum: number, whenEmpty: number, say: (line: string) => void): Promise<Seeded> {
  const found = await withDatabase(({ database }) => countUsers(database.pool))
  if (found.others > 0 || (found.seeded > 0 && !found.hasAdmin)) throw new Error('DATABASE_URL holds users that are not the benchmark\'s: give it an empty database')
  if (!found.hasAdmin) await (await startGatehouse()).stop() // its first start makes the administrator
  return withDatabase(async ({ database, description }) => {
    const { seeded } = await countUsers(database.pool)
    const wanted = Math.max(minimum, seeded === 0 ? whenEmpty : 0)
    if (seeded >= wanted) return { users: seeded, database: description }
    say(`Seeding ${(wanted - seeded).toLocaleString('en')} users`)
    const startedMs = performance.now()
    const client = await database.pool.connect()
    try {
      await client.query('SET statement_timeout = 0')
      await insertRange(client, seeded + 1, wanted)
    } finally {
      client.release(true)
    }
    say(`Seeded in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
    return { users: wanted, database: description }
  })
}

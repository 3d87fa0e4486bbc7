// A million users, made by PostgreSQL itself. Says what is there already and adds only what is missing.
import type pg from 'pg'
import { inBulk, withDatabase, withPatientClient } from './bulk.js'
import { ADMIN } from './environment.js'
import { startGatehouse } from './gatehouse.js'

const TABLES = ['users', 'user_roles']

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

async function insertRange(client: pg.PoolClient, from: number, to: number): Promise<void> {
  await inBulk(client, TABLES, async (run) => {
    await run(INSERT_USERS, [from, to])
    await run(INSERT_ROLES)
  })
}

async function countUsers(pool: pg.Pool): Promise<{ seeded: number; others: number; hasAdmin: boolean }> {
  const { rows } = await pool.query<{ seeded: number; others: number; has_admin: boolean }>(`
    SELECT count(*) FILTER (WHERE is_seed)::int AS seeded, count(*) FILTER (WHERE NOT is_seed AND email NOT LIKE '%@bench.example')::int AS others,
           bool_or(email = $1) AS has_admin
    FROM (SELECT email, email LIKE 'user-%@seed.bench.example' AS is_seed FROM users) AS all_users`, [ADMIN.email])
  const { seeded = 0, others = 0, has_admin: hasAdmin = false } = rows[0] ?? {}
  return { seeded, others, hasAdmin: hasAdmin ?? false }
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
    await withPatientClient(database.pool, (client) => insertRange(client, seeded + 1, wanted))
    // or PostgreSQL does it by itself in the first rounds, on the server's core
    await withPatientClient(database.pool, async (client) => void (await client.query('VACUUM (ANALYZE) users')))
    say(`Seeded in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
    return { users: wanted, database: description }
  })
}

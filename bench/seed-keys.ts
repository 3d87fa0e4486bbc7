// The keys of the latency rows: a million by default, with a permission and a limit each, of ten thousand active users. Adds only
// what is missing.
import { hash } from 'node:crypto'
import type pg from 'pg'
import { inBulk, withDatabase, withPatientClient } from './bulk.js'
import { checkKnownKeys, knownKey } from './known-keys.js'

const TABLES = ['api_keys']
const AT_ONCE = 20_000
const OWNERS = 10_000

const COUNT = "SELECT count(*)::int AS there FROM api_keys WHERE name LIKE 'seed key %'"
const MAKE_OWNERS = `
  CREATE TEMPORARY TABLE key_owners ON COMMIT DROP AS
  SELECT id, (row_number() OVER (ORDER BY id) - 1)::int AS place FROM users
  WHERE email LIKE 'user-%@seed.bench.example' AND status = 'active' ORDER BY id LIMIT ${OWNERS}`
// ids are UUIDv7 of createdAt, a second apart
const INSERT = `
  INSERT INTO api_keys (id, owner_user_id, name, start, key_hash, permissions, limits, limit_group_id, metadata, created_at, updated_at, kind, issued_via, issued_at)
  SELECT made.id, o.id, 'seed key ' || lpad(i::text, 8, '0'), start, key_hash, ARRAY['reports:read'],
         '[{"name":"calls","quota":1000000000,"windowSeconds":60}]', made.id, '{"plan":"free"}', at, at, 'standing', 'host', at
  FROM (SELECT i, start, key_hash, at,
               (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3) || 'a' || substr(md5(i::text), 5, 15))::uuid AS id
        FROM (SELECT $1::int + place - 1 AS i, start, key_hash, '2024-01-01Z'::timestamptz + ($1::int + place) * interval '1 second' AS at
              FROM unnest($2::bytea[], $3::text[]) WITH ORDINALITY AS given(key_hash, start, place)) AS numbered) AS made
  JOIN key_owners o ON o.place = made.i % $4::int
  ORDER BY i`

async function insertKeys(client: pg.PoolClient, from: number, to: number): Promise<void> {
  await inBulk(client, TABLES, async (run) => {
    await run(MAKE_OWNERS)
    const { rows } = await client.query<{ owners: number }>('SELECT count(*)::int AS owners FROM key_owners')
    for (let first = from; first <= to; first += AT_ONCE) {
      const keys = Array.from({ length: Math.min(AT_ONCE, to - first + 1) }, (_, at) => knownKey(first + at))
      await run(INSERT, [first, keys.map((key) => hash('sha256', key, 'buffer')), keys.map((key) => key.slice(0, 7)), rows[0]?.owners ?? 0])
    }
  })
}

/** Makes sure that there are the keys 1 to `count`. No server may be running. */
export async function ensureKeys(count: number, say: (line: string) => void): Promise<void> {
  checkKnownKeys()
  await withDatabase(async ({ database }) => {
    const { rows } = await database.pool.query<{ there: number }>(COUNT)
    const there = rows[0]?.there ?? 0
    if (there >= count) return
    say(`Seeding ${(count - there).toLocaleString('en')} keys`)
    const startedMs = performance.now()
    await withPatientClient(database.pool, (client) => insertKeys(client, there + 1, count))
    say(`Seeded in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  })
}

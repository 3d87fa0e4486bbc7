// Grants that time ends: each look reads those that are due by the index, however many there are, and ends those that nobody has used.
import { createHash } from 'node:crypto'
import type pg from 'pg'
import t from 'tap'
import { createLogoutStore } from '../../src/oauth/logout/logout-store.js'
import { createTestDatabase } from '../support/database.js'

const GRANTS = 4_000
const NOW = new Date('2031-06-01T12:00:00Z')
const HOUR_MS = 3_600_000
const ago = (ms: number): Date => new Date(NOW.getTime() - ms)
const at = (now: Date) => ({ now, idleSince: new Date(now.getTime() - 24 * HOUR_MS) })
const id = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const [USER, TELLS, QUIET] = [id(1), id(2), id(3)]

t.test('grants', async (t) => {
  const { pool } = await createTestDatabase(t)
  await pool.query("INSERT INTO users (id, email, created_at, updated_at) VALUES ($1, 'x@example.com', now(), now())", [USER])
  for (const [client, uri] of [[TELLS, 'https://x.example/logout'], [QUIET, null]]) {
    await pool.query(`
      INSERT INTO oauth_clients (id, client_id, kind, name, auth_method, first_party, require_pkce, enabled, id_token_algorithm, registration, backchannel_logout_uri, created_at, updated_at, grant_types, redirect_uris, post_logout_redirect_uris, scopes, resources)
      VALUES ($1::uuid, $1::uuid::text, 'web', 'x', 'none', true, true, true, 'RS256', 'administrator', $2, now(), now(), '{}', '{}', '{}', '{}', '{}')`, [client, uri])
  }

  /** A sign-in or a grant, and the grant's own side. */
  async function session(name: string, { seen = NOW, expires = new Date(NOW.getTime() + 9 * HOUR_MS), grant }: { seen?: Date; expires?: Date; grant?: { client?: string; parent?: string | null; due?: Date } }): Promise<string> {
    await pool.query("INSERT INTO sessions (id, user_id, kind, secret_hash, address, user_agent, created_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $6, '', '', $4, $4, $5)", [name, USER, grant ? 'grant' : 'cookie', seen, expires, grant ? null : createHash('sha256').update(name).digest()])
    const { client = TELLS, parent = null, due = ago(1) } = grant ?? {}
    if (grant) await pool.query('INSERT INTO oauth_grants (id, user_id, client_id, parent_session_id, offline, created_at, due_at, scopes, resources) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)', [name, USER, client, parent, parent === null, NOW, due, []])
    return name
  }
  const endedAt = async (name: string): Promise<Date | null> => (await pool.query<{ at: Date | null }>('SELECT ended_at AS at FROM sessions WHERE id = $1', [name])).rows[0]?.at ?? null
  const dueAt = async (name: string): Promise<string | undefined> => (await pool.query<{ at: Date }>('SELECT due_at AS at FROM oauth_grants WHERE id = $1', [name])).rows[0]?.at.toISOString()

  await pool.query("INSERT INTO sessions (id, user_id, kind, address, user_agent, created_at, last_seen_at, expires_at) SELECT gen_random_uuid(), $1, 'grant', '', '', $2, $2, $3 FROM generate_series(1, $4::int)", [USER, NOW, new Date(NOW.getTime() + 99 * HOUR_MS), GRANTS])
  await pool.query('INSERT INTO oauth_grants (id, user_id, client_id, offline, created_at, due_at, scopes, resources) SELECT id, user_id, $1, true, $2, $3, $4, $4 FROM sessions', [TELLS, NOW, new Date(NOW.getTime() + HOUR_MS), []])
  for (const table of ['sessions', 'oauth_grants', 'oauth_clients']) await pool.query(`ANALYZE ${table}`)
  const store = createLogoutStore({ pool })

  t.test('the look goes by the index of what is due, and by the keys of what that names', async (t) => {
    let plan = ''
    const explaining = {
      async query({ text, values }: pg.QueryConfig) {
        plan = (await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values)).rows.map((row) => row['QUERY PLAN']).join('\n')
        return { rows: [] }
      },
    } as unknown as pg.Pool
    await createLogoutStore({ pool: explaining }).endExpired(at(NOW), 500)
    t.match(plan, /Index Scan using oauth_grants_due_at_idx/, plan)
    t.notMatch(plan, /Seq Scan on (sessions|oauth_grants)/, plan)
  })

  t.test('of what is due the dead end, and the others are looked at when time can end them', async (t) => {
    const parent = await session(id(10), { seen: ago(23 * HOUR_MS) })
    const tired = await session(id(11), { seen: ago(25 * HOUR_MS) })
    const idle = await session(id(20), { seen: ago(24 * HOUR_MS), grant: {} })
    const past = await session(id(21), { expires: ago(0), grant: {} })
    const left = await session(id(22), { grant: { parent: tired } })
    const orphan = await session(id(23), { grant: { parent: id(99) } })
    const used = await session(id(24), { seen: ago(2 * HOUR_MS), grant: {} })
    const leaning = await session(id(25), { grant: { parent } })
    const quiet = await session(id(26), { seen: ago(25 * HOUR_MS), grant: { client: QUIET } })
    t.equal(await store.endExpired(at(NOW), 500), 7, 'no other is looked at')
    for (const one of [idle, past, left, orphan]) t.same(await endedAt(one), NOW)
    for (const one of [used, leaning, quiet]) t.equal(await endedAt(one), null)
    t.equal(await dueAt(used), new Date(NOW.getTime() + 9 * HOUR_MS).toISOString())
    t.equal(await dueAt(leaning), new Date(NOW.getTime() + HOUR_MS).toISOString(), 'no later than its sign-in can end')
    t.equal((await pool.query('SELECT 1 FROM oauth_logouts')).rowCount, 4, 'their clients are told')
    const later = new Date(NOW.getTime() + 2_000)
    t.equal(await store.endExpired(at(later), 500), 4, 'those that ended once more, and then never')
    t.equal(await store.endExpired(at(later), 500), 0)
  })

  t.test('two nodes look at different ones, a bounded number at a time', async (t) => {
    const now = new Date(NOW.getTime() + 26 * HOUR_MS)
    const looked: number[] = []
    for (let round = 0; round < 200; round += 1) {
      const both = await Promise.all([store.endExpired(at(now), 500), store.endExpired(at(now), 500)])
      looked.push(...both)
      if (both.every((count) => count === 0)) break
    }
    t.ok(looked.every((count) => count <= 500))
    t.equal(looked.reduce((sum, count) => sum + count, 0), GRANTS + 2, 'each once')
    t.equal((await pool.query("SELECT 1 FROM sessions s JOIN oauth_grants g ON g.id = s.id WHERE s.ended_at IS NULL AND g.client_id = $1", [TELLS])).rowCount, 0)
  })
})

// What noting the uses of keys costs PostgreSQL: a row, and none of its indexes.
import type pg from 'pg'
import t from 'tap'
import { createCredentialStore } from '../../src/decisions/credential-store.js'
import { newId } from '../../src/kernel/ids.js'
import { createTestDatabase } from '../support/database.js'

const KEYS = 2_000

t.test('a use of a key writes no index, as long as its page has room', async (t) => {
  const { prisma, pool } = await createTestDatabase(t)
  const userId = newId()
  await prisma.user.create({ data: { id: userId, email: 'owner@example.com', name: '', status: 'active', createdAt: new Date(), updatedAt: new Date() } })
  await prisma.apiKey.create({
    data: { id: newId(), ownerUserId: userId, name: 'k', start: 'gk_0', keyHash: Buffer.alloc(32), permissions: [], limits: [], limitGroupId: newId(), issuedAt: new Date(), metadata: {}, createdAt: new Date(), updatedAt: new Date() },
  })
  await pool.query(`INSERT INTO api_keys SELECT (jsonb_populate_record(NULL::api_keys, to_jsonb(k) || jsonb_build_object(
    'id', gen_random_uuid(), 'key_hash', '\\x' || md5(n::text) || md5(n::text)))).* FROM api_keys k, generate_series(1, ${KEYS}) AS n`)
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM api_keys')
  const client = await pool.connect()
  const countsOf = async (): Promise<{ updated: number; hot: number }> => {
    await client.query('SELECT pg_stat_clear_snapshot()')
    const found = await client.query<{ updated: string; hot: string }>('SELECT n_tup_upd AS updated, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = \'api_keys\'')
    return { updated: Number(found.rows[0]?.updated), hot: Number(found.rows[0]?.hot) }
  }
  // uses are spread over the pages, and what they leave behind is cleared up between two of the same key
  await createCredentialStore({ pool: { query: client.query.bind(client) } as unknown as pg.Pool }).noteUses({ keys: new Map(rows.filter((_, at) => at % 10 === 0).map(({ id }) => [id, Date.now()])), sessions: new Map() })
  await client.query('SELECT pg_stat_force_next_flush()')
  const { updated, hot } = await countsOf()
  client.release()
  t.ok(updated >= 200)
  t.ok(hot >= 0.9 * updated, `${hot} of ${updated}`)
})

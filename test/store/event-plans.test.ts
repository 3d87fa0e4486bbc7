// What readers of events ask stays flat however many there are: each statement finds its rows by an index, and none reads the table.
import type pg from 'pg'
import t from 'tap'
import { createEventStore } from '../../src/events/event-store.js'
import { newId } from '../../src/kernel/ids.js'
import { createDeliveryStore } from '../../src/webhooks/delivery-store.js'
import { createTestDatabase } from '../support/database.js'

const EVENTS = 50_000
const ENDPOINTS = 20

t.test('plans', async (t) => {
  const { pool } = await createTestDatabase(t)
  await pool.query(`
    INSERT INTO events (position, id, at, type, subject_type, subject_id, actor_type, actor_id, request_id, details)
    SELECT n, gen_random_uuid(), timestamptz '2031-01-01' + n * interval '1 second', CASE WHEN n % 1000 = 0 THEN 'role.created' ELSE 'key.issued' END, 'key', (n % 500)::text, 'user', '', '', '{}' FROM generate_series(1, ${EVENTS}) n`)
  await pool.query(`
    INSERT INTO webhook_endpoints (id, url, types, secret_ciphertext, given_by, position, created_at, updated_at)
    SELECT gen_random_uuid(), 'https://x.example', '{}', '', gen_random_uuid(), ${EVENTS}, now(), now() FROM generate_series(1, ${ENDPOINTS})`)
  await pool.query(`
    INSERT INTO webhook_deliveries (id, endpoint_id, event_id, event, attempts, first_failed_at, next_at, error, dead_at)
    SELECT gen_random_uuid(), e.id, gen_random_uuid(), '{}', 3, now(), now() + n * interval '1 second', '', CASE WHEN n > 100 THEN now() END FROM webhook_endpoints e, generate_series(1, 1000) n`)
  for (const table of ['events', 'webhook_endpoints', 'webhook_deliveries']) await pool.query(`ANALYZE ${table}`)

  /** The plans of what is asked through this pool; nothing is done. */
  async function plansOf(ask: (explaining: pg.Pool) => Promise<unknown>): Promise<string> {
    const plans: string[] = []
    const explaining = {
      async query(statement: string | pg.QueryConfig, values?: unknown[]) {
        const { text, values: own = values } = typeof statement === 'string' ? { text: statement, values } : statement
        const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, own as unknown[])
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'))
        return { rows: [] }
      },
    } as unknown as pg.Pool
    await ask(explaining)
    return plans.join('\n')
  }
  const store = (explaining: pg.Pool) => createEventStore({ pool: explaining })
  const flat = async (what: string, table: string, ask: (explaining: pg.Pool) => Promise<unknown>): Promise<void> => {
    const plan = await plansOf(ask)
    t.match(plan, /Index/, what)
    t.notMatch(plan, new RegExp(`Seq Scan on ${table}`), `${what}\n${plan}`)
  }

  await flat('a page', 'events', (explaining) => store(explaining).page(EVENTS - 100, EVENTS, { types: null, subject: null }, 200))
  await flat('a page of rare events', 'events', (explaining) => store(explaining).page(20_000, EVENTS, { types: ['role.created'], subject: null }, 50))
  await flat('a page about one subject', 'events', (explaining) => store(explaining).page(20_000, EVENTS, { types: ['key.issued'], subject: '17' }, 50))
  await flat('the first that is kept', 'events', (explaining) => store(explaining).beginning())
  await flat('one by its place', 'events', (explaining) => store(explaining).idAt(300))
  await flat('one by its id', 'events', (explaining) => store(explaining).byId(newId()))
  await flat('those since a time', 'events', (explaining) => store(explaining).positionBefore(new Date('2031-01-01T10:00:00Z')))
  await flat('what an endpoint waits for', 'webhook_deliveries', (explaining) => createDeliveryStore({ pool: explaining }).waiting(newId(), new Date(), { due: 6, count: 100 }))
  for (const table of ['events', 'organization_audit']) {
    await flat('which endpoints there is something to tell', table, (explaining) => createDeliveryStore({ pool: explaining }).claim(EVENTS, new Date(), new Date(), {
      operators: { working: 100, failing: 20 }, organizations: { working: 30, failing: 10, each: 5, full: [] },
    }))
    await flat('one of an organization by its id', table, (explaining) => store(explaining).byId(newId(), newId()))
  }

  t.test('what a page looks through is bounded, however rare what is wanted is', async (t) => {
    const { rows, end } = await createEventStore({ pool }).page(0, EVENTS, { types: ['user.created'], subject: null }, 50)
    t.same(rows, [])
    t.equal(end, 5_000)
  })
})

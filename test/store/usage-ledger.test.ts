// The ledger on PostgreSQL: every decision is counted exactly once, whatever is repeated, lost or folded meanwhile.
import t from 'tap'
import type pg from 'pg'
import { connectDatabase } from '../../src/database/connect.js'
import { newId } from '../../src/kernel/ids.js'
import { type Granularity, OUTCOMES, type UsageRow } from '../../src/usage/usage-counts.js'
import { createUsageLedger, type UsageBatch, type UsageLedger } from '../../src/usage/usage-ledger.js'
import { createUsageStore, type UsageStore } from '../../src/usage/usage-store.js'
import { type FakeClock, fakeClock } from '../support/clock.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { breakingWire } from '../support/database-proxy.js'

const MINUTE = 60_000
const EVER = { from: new Date(0), to: new Date(Date.UTC(2100, 0, 1)) }
const OWNER = newId()

function ledgerOn(store: UsageStore, clock: FakeClock, writerId = newId()): UsageLedger {
  return createUsageLedger({ store, writerId, clock, log: { error: () => undefined }, every: () => () => undefined })
}

function batchOf(writerId: string, number: number, minuteMs: number, keyIds: string[]): UsageBatch {
  const none = { allowed: 0, revoked: 0, expired: 0, owner_suspended: 0, forbidden: 0, rate_limited: 0 }
  return { writerId, number, minuteMs, rows: keyIds.map((keyId) => ({ ...none, keyId, ownerUserId: OWNER, allowed: 2, rate_limited: 1, cost: 5, waits: false })) }
}

/** All that the ledger holds, in the live table and in the minutes of the history together. */
async function countsOf(pool: pg.Pool, keyId?: string): Promise<{ decisions: number; cost: number }> {
  const { rows } = await pool.query<{ decisions: number; cost: number }>(
    `SELECT coalesce(sum(${OUTCOMES.join(' + ')}), 0)::float8 AS decisions, coalesce(sum(cost), 0)::float8 AS cost FROM (
       SELECT ${OUTCOMES.join(', ')}, cost, key_id FROM usage_live UNION ALL SELECT ${OUTCOMES.join(', ')}, cost, key_id FROM usage_counts WHERE granularity = 'minute'
     ) AS all_counts WHERE $1::uuid IS NULL OR key_id = $1`, [keyId ?? null])
  return rows[0] ?? { decisions: -1, cost: -1 }
}

/** A store whose statements run inside a transaction that the test ends. */
async function insideTransaction(database: TestDatabase): Promise<{ store: UsageStore; end: (how: 'COMMIT' | 'ROLLBACK') => Promise<void> }> {
  const client = await database.pool.connect()
  await client.query('BEGIN')
  return {
    store: createUsageStore({ pool: client as unknown as pg.Pool }),
    async end(how) {
      await client.query(how)
      client.release()
    },
  }
}

t.test('a batch is counted once', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = database
  const store = createUsageStore({ pool })
  const now = fakeClock().now()

  t.test('however often it is sent, also at the same time', async (t) => {
    const [writer, key] = [newId(), newId()]
    const batch = batchOf(writer, 1, now, [key])
    t.same(await Promise.all([store.append(batch), store.append(batch), store.append(batch)]), [3, 3, 3])
    t.equal(await store.append(batch), 3)
    t.same(await countsOf(pool, key), { decisions: 3, cost: 5 })
    t.equal(await store.append(batchOf(writer, 2, now, [key])), 6, 'the next one adds')
    t.equal(await store.append(batch), 6, 'an old one does not')
    t.same(await countsOf(pool, key), { decisions: 6, cost: 10 })
    t.equal(await store.append(batchOf(newId(), 1, now, [key])), 3, 'another writer counts for itself')
    t.same(await countsOf(pool, key), { decisions: 9, cost: 15 })
  })

  t.test('a repeat waits for a first try that is still running, and writes only if that one failed', async (t) => {
    for (const [how, number] of [['COMMIT', 1], ['ROLLBACK', 2]] as const) {
      const [writer, key] = [newId(), newId()]
      if (number === 2) await store.append(batchOf(writer, 1, now, [newId()]))
      const batch = batchOf(writer, number, now, [key])
      const first = await insideTransaction(database)
      await first.store.append(batch)
      let answered = false
      const repeat = store.append(batch).then((total) => {
        answered = true
        return total
      })
      await pool.query('SELECT pg_sleep(0.05)')
      t.notOk(answered, 'it waits')
      await first.end(how)
      t.equal(await repeat, number * 3)
      t.same(await countsOf(pool, key), { decisions: 3, cost: 5 }, how)
    }
  })

  t.test('an installation restored from a backup goes on from there', async (t) => {
    const [writer, key] = [newId(), newId()]
    await store.append(batchOf(writer, 1, now, [key]))
    await pool.query('DELETE FROM usage_writers WHERE id = $1', [writer])
    await pool.query('DELETE FROM usage_live WHERE key_id = $1', [key])
    t.equal(await store.append(batchOf(writer, 7, now, [key])), 3)
    t.same(await countsOf(pool, key), { decisions: 3, cost: 5 })
  })
})

t.test('a wire that breaks', async (t) => {
  const { pool, url } = await createTestDatabase(t)
  const wire = await breakingWire(t, url)
  const node = connectDatabase({ connection: { connectionString: wire.url }, poolMax: 1, onError: () => undefined })
  t.teardown(() => node.close())
  const clock = fakeClock()
  const ledger = ledgerOn(createUsageStore({ pool: node.pool }), clock)
  const key = newId()

  t.test('an acknowledgement lost after the commit does not count twice', async (t) => {
    await node.pool.query('SELECT 1')
    ledger.record(key, OWNER, 'allowed', 4)
    ledger.record(key, OWNER, 'forbidden', 1)
    wire.cutNext('answer')
    t.notOk(await ledger.flush())
    t.equal(wire.cuts(), 1)
    t.same(await countsOf(pool, key), { decisions: 2, cost: 4 }, 'it was written')
    t.equal(ledger.drift(), 2, 'but this node cannot know')
    ledger.record(key, OWNER, 'allowed', 1)
    t.ok(await ledger.flush())
    t.equal(ledger.drift(), 0)
    t.same(await countsOf(pool, key), { decisions: 3, cost: 5 })
  })

  t.test('a request lost before it arrived is sent again', async (t) => {
    ledger.record(key, OWNER, 'revoked', 1)
    wire.cutNext('request')
    t.notOk(await ledger.flush())
    t.equal(wire.cuts(), 2)
    t.same(await countsOf(pool, key), { decisions: 3, cost: 5 }, 'it was not written')
    t.ok(await ledger.flush())
    t.same(await countsOf(pool, key), { decisions: 4, cost: 5 })
  })

  t.test('the end tries once more', async (t) => {
    ledger.record(key, OWNER, 'allowed', 1)
    wire.cutNext('answer')
    await ledger.close()
    t.same([wire.cuts(), ledger.drift()], [3, 0])
    t.same(await countsOf(pool, key), { decisions: 5, cost: 6 })
  })
})

t.test('a crash loses what was not yet written, and nothing else', async (t) => {
  const { pool } = await createTestDatabase(t)
  const store = createUsageStore({ pool })
  const clock = fakeClock()
  const key = newId()
  const crashing = ledgerOn(store, clock)
  for (let at = 0; at < 5; at += 1) crashing.record(key, OWNER, 'allowed', 1)
  await crashing.flush()
  for (let at = 0; at < 3; at += 1) crashing.record(key, OWNER, 'allowed', 1)
  // here it dies: no flush, no close; its successor is another writer
  const successor = ledgerOn(store, clock)
  successor.record(key, OWNER, 'allowed', 1)
  await successor.close()
  t.same(await countsOf(pool, key), { decisions: 6, cost: 6 })
  t.equal(crashing.drift(), 3)
})

t.test('two nodes write, fold and fold again at once: nothing is lost, doubled or stuck', async (t) => {
  const { pool } = await createTestDatabase(t)
  const store = createUsageStore({ pool })
  const clock = fakeClock()
  const nodes = [ledgerOn(store, clock), ledgerOn(store, clock)]
  const keys = Array.from({ length: 300 }, newId)
  let decisions = 0
  for (let round = 0; round < 12; round += 1) {
    for (const [at, node] of nodes.entries()) {
      for (const key of at === 0 ? keys : keys.toReversed()) {
        node.record(key, OWNER, OUTCOMES[(round + at) % OUTCOMES.length] ?? 'allowed', 1)
        decisions += 1
      }
    }
    // the minute that is being written is folded, too: late counts must find their way
    await Promise.all([...nodes.map((node) => node.flush()), store.fold(clock.now() + MINUTE, 170), store.fold(clock.now() + MINUTE, 170)])
    if (round % 4 === 3) clock.advance(MINUTE)
  }
  t.same(await countsOf(pool).then((counts) => counts.decisions), decisions)
  t.same(nodes.map((node) => node.drift()), [0, 0])
  for (;;) if ((await store.fold(clock.now() + MINUTE, 1_000)) === 0) break
  for (const granularity of ['minute', 'hour', 'day'] as const) {
    const [series, { rows }] = await Promise.all([
      store.series({}, { granularity, ...EVER }),
      pool.query<{ n: number }>('SELECT count(*)::int AS n FROM usage_counts WHERE granularity = $1', [granularity]),
    ])
    t.equal(series.reduce((sum, one) => sum + one.allowed + one.revoked + one.expired + one.ownerSuspended + one.forbidden + one.rateLimited, 0), decisions, granularity)
    t.equal(rows[0]?.n, granularity === 'minute' ? 900 : 300)
  }
  t.equal((await pool.query('SELECT FROM usage_live')).rowCount, 0)
})

t.test('reading', async (t) => {
  const { pool } = await createTestDatabase(t)
  const store = createUsageStore({ pool })
  const start = Date.UTC(2031, 0, 1, 23, 58)
  const keys = Array.from({ length: 5 }, newId).toSorted()
  const [first = '', second = ''] = keys
  const writer = newId()
  const send = async (number: number, minutes: number, to: string[]): Promise<number> => store.append(batchOf(writer, number, start + minutes * MINUTE, to))
  await send(1, 0, keys)
  await send(2, 1, [first])
  await store.fold(start + 2 * MINUTE, 1_000)
  await send(3, 1, keys)
  await send(4, 2, [first, second])

  const pages = async (granularity: Granularity, size: number, scope = {}): Promise<UsageRow[]> => {
    const rows: UsageRow[] = []
    for (;;) {
      const page = await store.page(scope, { granularity, ...EVER }, rows.at(-1) ?? null, size)
      rows.push(...page)
      if (page.length < size) return rows
    }
  }

  t.test('a series adds the live counts to the history, whatever is folded', async (t) => {
    const expected = [
      ['minute', [['23:58', 10], ['23:59', 12], ['00:00', 4]]], ['hour', [['23:00', 22], ['00:00', 4]]], ['day', [['00:00', 22], ['00:00', 4]]],
    ] as const
    const found = async (granularity: Granularity) => (await store.series({}, { granularity, ...EVER })).map(({ at, allowed }) => [at.slice(11, 16), allowed])
    for (const [granularity, points] of expected) t.same(await found(granularity), points, granularity)
    t.same((await store.series({}, { granularity: 'day', ...EVER })).map(({ at }) => at), ['2031-01-01T00:00:00.000Z', '2031-01-02T00:00:00.000Z'])
    t.match(await store.series({ keyId: second }, { granularity: 'hour', ...EVER }), [{ allowed: 4, rateLimited: 2, cost: 10 }, { allowed: 2 }])
    t.match(await store.series({ ownerUserId: newId() }, { granularity: 'hour', ...EVER }), [])
    const onlyLast = { granularity: 'minute', from: new Date(start + MINUTE), to: new Date(start + 2 * MINUTE) } as const
    t.match(await store.series({ ownerUserId: OWNER }, onlyLast), [{ allowed: 12 }])
  })

  t.test('pages of any size hold each row once, by time and key', async (t) => {
    const whole = await pages('minute', 1_000)
    t.same(whole.map(({ at, keyId }) => [at.slice(14, 16), keyId]), [...keys.map((key) => ['58', key]), ...keys.map((key) => ['59', key]), ['00', first], ['00', second]])
    t.match(whole[5], { keyId: first, ownerUserId: OWNER, allowed: 4, cost: 10 }, 'folded and live counts of one minute are one row')
    for (const size of [1, 2, 3, 5, 12]) {
      t.same(await pages('minute', size), whole, `pages of ${size}`)
      t.same(await pages('hour', size), await pages('hour', 1_000))
    }
    t.same(await pages('minute', 2, { keyId: first }), whole.filter(({ keyId }) => keyId === first))
    t.same(await pages('minute', 2, { ownerUserId: OWNER }), whole)
    t.same(await pages('minute', 2, { keyId: first, ownerUserId: newId() }), [])
    await store.fold(start + 10 * MINUTE, 1_000)
    t.same(await pages('minute', 2), whole, 'folding changes nothing for who reads')
  })

  t.test('retention deletes one granularity, in steps; a late count finds the coarser ones still there', async (t) => {
    const before = new Date(start + 2 * MINUTE)
    t.same([await store.prune('minute', before, 6), await store.prune('minute', before, 6), await store.prune('minute', before, 6)], [6, 4, 0])
    t.same((await pages('minute', 10)).map(({ keyId }) => keyId), [first, second])
    t.equal((await pages('hour', 10)).length, 7)
    await send(5, 0, [second])
    await store.fold(start + 10 * MINUTE, 1_000)
    t.match(await store.series({ keyId: second }, { granularity: 'hour', ...EVER }), [{ allowed: 6 }, { allowed: 2 }])
  })

  t.test('a writer is forgotten when its node is gone, not while it lives', async (t) => {
    const living = newId()
    await store.append(batchOf(living, 1, start, [first]))
    await pool.query('INSERT INTO nodes (id, seen_at) VALUES ($1, now())', [living])
    await store.pruneWriters(new Date(Date.UTC(2000, 0, 1)))
    t.equal((await pool.query('SELECT FROM usage_writers')).rowCount, 2, 'what has written lately stays')
    await store.pruneWriters(new Date(Date.UTC(2100, 0, 1)))
    t.same((await pool.query('SELECT id FROM usage_writers')).rows, [{ id: living }])
  })
})

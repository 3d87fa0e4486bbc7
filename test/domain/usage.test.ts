// Usage without a database: what the ledger counts and sends, which periods are asked for, and the text of an export.
import fc from 'fast-check'
import t from 'tap'
import { AppError } from '../../src/kernel/errors.js'
import { exportPeriod, OUTCOMES, seriesPeriod, totalOf, type UsageOutcome, type UsageRow } from '../../src/usage/usage-counts.js'
import { exportStream, formatFor } from '../../src/usage/usage-export.js'
import { createUsageLedger, type UsageBatch } from '../../src/usage/usage-ledger.js'
import { fakeClock } from '../support/clock.js'

const START = Date.UTC(2031, 0, 1)
type Failure = 'before' | 'after' | null

/** A store that keeps the promise of UsageStore.append, and fails on command before or after it has written. */
function fakeStore() {
  const batches: UsageBatch[] = []
  let last = 0
  let decisions = 0
  const failures: Failure[] = []
  return {
    batches,
    failures,
    async append(batch: UsageBatch): Promise<number> {
      const failure = failures.shift() ?? null
      if (failure === 'before') throw new Error('the database of the test is down')
      if (batch.number > last) {
        last = batch.number
        batches.push(batch)
        for (const row of batch.rows) decisions += OUTCOMES.reduce((sum, outcome) => sum + row[outcome], 0)
      }
      if (failure === 'after') throw new Error('the acknowledgement of the test is lost')
      return decisions
    },
  }
}

function house() {
  const clock = fakeClock(START)
  const store = fakeStore()
  const errors: string[] = []
  const ticks: (() => void)[] = []
  let everyMs = 0
  let stopped = false
  const ledger = createUsageLedger({
    store, writerId: 'w', clock, log: { error: (_details, message) => void errors.push(message) },
    every(ms, work) {
      everyMs = ms
      ticks.push(work)
      return () => { stopped = true }
    },
  })
  return { clock, store, errors, ledger, tick: () => ticks[0]?.(), everyMs: () => everyMs, stopped: () => stopped }
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return error.code
  }
  return 'nothing was thrown'
}

t.test('the ledger counts by key, minute and outcome; only what is allowed has a cost', async (t) => {
  const { clock, store, ledger } = house()
  ledger.record('b', 'o', 'allowed', 3)
  ledger.record('a', 'o', 'rate_limited', 5)
  ledger.record('b', 'o', 'allowed', 2)
  ledger.record('b', 'o', 'forbidden', 9)
  t.equal(ledger.drift(), 4)
  t.ok(await ledger.flush())
  t.match(store.batches, [{
    writerId: 'w', number: 1, minuteMs: START,
    rows: [{ keyId: 'a', rate_limited: 1, allowed: 0, cost: 0 }, { keyId: 'b', ownerUserId: 'o', allowed: 2, forbidden: 1, cost: 5 }],
  }], 'by key id')
  t.equal(ledger.drift(), 0)
  t.match(ledger.decided(), { allowed: 2, rate_limited: 1, forbidden: 1, revoked: 0 })
  t.ok(await ledger.flush())
  t.equal(store.batches.length, 1, 'nothing new, nothing sent')

  clock.advance(59_999)
  ledger.record('b', 'o', 'allowed', 1)
  clock.advance(1)
  ledger.record('b', 'o', 'revoked', 1)
  await ledger.flush()
  t.match(store.batches.slice(1), [{ number: 2, minuteMs: START, rows: [{ keyId: 'b', allowed: 1, revoked: 0, cost: 1 }] }, { number: 3, minuteMs: START + 60_000, rows: [{ allowed: 0, revoked: 1, cost: 0 }] }])
  clock.advance(-3_600_000)
  ledger.record('b', 'o', 'allowed', 1)
  await ledger.flush()
  t.match(store.batches.at(-1), { minuteMs: START - 3_540_000, rows: [{ allowed: 1 }] }, 'a clock set back: the minute it tells')
})

t.test('a batch that failed is sent again as it was, under its number; what came later follows in the next', async (t) => {
  for (const failure of ['before', 'after'] as const) {
    const { store, ledger, errors } = house()
    ledger.record('a', 'o', 'allowed', 1)
    store.failures.push(failure, 'before')
    t.notOk(await ledger.flush())
    ledger.record('a', 'o', 'allowed', 1)
    t.notOk(await ledger.flush())
    t.equal(ledger.drift(), 2)
    t.equal(errors.length, 1, 'the log is told once')
    t.ok(await ledger.flush())
    t.match(store.batches, [{ number: 1, rows: [{ allowed: 1 }] }, { number: 2, rows: [{ allowed: 1 }] }], failure)
    t.equal(ledger.drift(), 0)
  }
})

t.test('it writes every second, one write at a time, in statements of at most 250 rows', async (t) => {
  const { store, ledger, tick, everyMs } = house()
  t.equal(everyMs(), 1_000)
  for (let at = 0; at < 600; at += 1) ledger.record(`key-${at}`, 'o', 'allowed', 1)
  tick()
  tick()
  await Promise.resolve()
  ledger.record('key-0', 'o', 'allowed', 1)
  await Promise.all([ledger.flush(), ledger.flush()])
  t.same(store.batches.map(({ rows }) => rows.length), [250, 250, 100, 1])
  t.same(store.batches.map(({ number }) => number), [1, 2, 3, 4], 'each sent once')
  t.equal(ledger.drift(), 0)
})

t.test('the end writes what is left, tries twice, and says what is lost', async (t) => {
  const good = house()
  good.ledger.record('a', 'o', 'allowed', 1)
  good.store.failures.push('after')
  await good.ledger.close()
  t.equal(good.ledger.drift(), 0)
  t.ok(good.stopped())
  const bad = house()
  bad.ledger.record('a', 'o', 'allowed', 1)
  bad.store.failures.push('before', 'before')
  await bad.ledger.close()
  t.match(bad.errors.at(-1), /^usage is lost/)
})

t.test('whatever fails and whenever, each decision is counted once', async (t) => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ key: fc.constantFrom('a', 'b', 'c'), outcome: fc.constantFrom<UsageOutcome>(...OUTCOMES), cost: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 2, arbitrary: fc.record({ flush: fc.array(fc.constantFrom<Failure>('before', 'after', null), { maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ advanceMs: fc.integer({ min: 1, max: 90_000 }) }) },
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const { clock, store, ledger } = house()
    const expected = new Map<string, number>()
    const add = (name: string, amount: number): void => void expected.set(name, (expected.get(name) ?? 0) + amount)
    for (const one of steps) {
      if ('advanceMs' in one) clock.advance(one.advanceMs)
      else if ('flush' in one) {
        store.failures.push(...one.flush)
        await ledger.flush()
      } else {
        ledger.record(one.key, 'o', one.outcome, one.cost)
        const minute = Math.floor(clock.now() / 60_000)
        add(`${minute} ${one.key} ${one.outcome}`, 1)
        if (one.outcome === 'allowed') add(`${minute} ${one.key} cost`, one.cost)
      }
    }
    store.failures.length = 0
    await ledger.flush()
    const found = new Map<string, number>()
    for (const { minuteMs, rows } of store.batches) {
      for (const row of rows) {
        for (const name of [...OUTCOMES, 'cost'] as const) {
          const at = `${minuteMs / 60_000} ${row.keyId} ${name}`
          if (row[name] > 0) found.set(at, (found.get(at) ?? 0) + row[name])
        }
      }
    }
    return ledger.drift() === 0 && found.size === expected.size && [...expected].every(([name, amount]) => found.get(name) === amount)
  }), { numRuns: 300 })
  t.pass('300 histories')
})

t.test('a period holds the stretches that begin in it', async (t) => {
  const nowMs = START + 90_000
  t.same(seriesPeriod({}, nowMs), { granularity: 'hour', from: new Date(START - 23 * 3_600_000), to: new Date(START + 3_600_000) })
  t.same(seriesPeriod({ granularity: 'minute' }, nowMs), { granularity: 'minute', from: new Date(START - 58 * 60_000), to: new Date(START + 120_000) }, 'the minute that runs is in it')
  t.same(seriesPeriod({ granularity: 'day', from: '2030-12-01T00:00:01Z', to: '2030-12-05T00:00:00Z' }, nowMs), {
    granularity: 'day', from: new Date('2030-12-02T00:00:00Z'), to: new Date('2030-12-05T00:00:00Z'),
  })
  t.equal(codeOf(() => seriesPeriod({ from: '2031-01-01T00:00:00Z', to: '2031-01-01T00:00:00Z' }, nowMs)), 'request.invalid')
  const day = { granularity: 'minute', from: '2030-12-01T00:00:00Z' } as const
  t.ok(seriesPeriod({ ...day, to: '2030-12-02T01:00:00Z' }, nowMs))
  t.equal(codeOf(() => seriesPeriod({ ...day, to: '2030-12-02T01:00:01Z' }, nowMs)), 'request.invalid')
  t.same(exportPeriod({}, nowMs), { granularity: 'hour', from: new Date(0), to: new Date(START + 3_600_000) })
  t.equal(codeOf(() => exportPeriod({ from: '2030-12-31T23:59:60Z' }, nowMs)), 'request.invalid', 'a leap second')
  t.equal(codeOf(() => exportPeriod({ from: '2040-01-01T00:00:00Z' }, nowMs)), 'request.invalid')
  const one = { allowed: 1, revoked: 2, expired: 3, ownerSuspended: 4, forbidden: 5, rateLimited: 6, cost: 7 }
  t.same(totalOf([one, { ...one, cost: 3 }]), { allowed: 2, revoked: 4, expired: 6, ownerSuspended: 8, forbidden: 10, rateLimited: 12, cost: 10 })
  t.match(totalOf([]), { allowed: 0, cost: 0 })
})

t.test('Accept chooses the form of an export', async (t) => {
  const cases: [string | undefined, string | null][] = [
    [undefined, 'ndjson'], ['*/*', 'ndjson'], ['text/csv', 'csv'], ['application/x-ndjson', 'ndjson'], ['TEXT/CSV;q=0.5, */*;q=0.1', 'csv'],
    ['text/*', 'csv'], ['application/*;q=0.3, text/csv;q=0.2', 'ndjson'], ['application/json', null], ['text/csv;q=0', null], ['*/*, application/x-ndjson;q=0', 'csv'],
    ['text/csv;q=wide', null], ['', null], ['text/csv;header=present;q=1.0', 'csv'],
  ]
  for (const [accept, format] of cases) t.equal(formatFor(accept), format, accept ?? 'none')
})

const row: UsageRow = { at: '2031-01-01T00:00:00.000Z', keyId: 'k', ownerUserId: 'o', allowed: 1, revoked: 0, expired: 0, ownerSuspended: 0, forbidden: 0, rateLimited: 2, cost: 7 }

async function* twoPages() {
  yield [row, row]
  yield [row]
}

async function* noPages() { /* there is nothing */ }

async function* brokenPages() {
  yield [row]
  throw new Error('the database of the test is down')
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk.toString()
  return text
}

t.test('an export is lines of JSON, or CSV with a header', async (t) => {
  const lines = (await textOf(exportStream(twoPages(), 'ndjson'))).split('\n')
  t.equal(lines.pop(), '')
  t.same(lines.map((line) => JSON.parse(line) as UsageRow), [row, row, row])
  const header = 'at,keyId,ownerUserId,allowed,revoked,expired,ownerSuspended,forbidden,rateLimited,cost\r\n'
  const line = '2031-01-01T00:00:00.000Z,k,o,1,0,0,0,0,2,7\r\n'
  t.equal(await textOf(exportStream(twoPages(), 'csv')), header + line.repeat(3))
  t.equal(await textOf(exportStream(noPages(), 'csv')), header)
  t.equal(await textOf(exportStream(noPages(), 'ndjson')), '')
})

t.test('an export reads no further than its reader, and breaks off when it cannot', async (t) => {
  let read = 0
  async function* endless() {
    for (;;) {
      read += 1
      yield Array.from({ length: 1_000 }, () => row)
    }
  }
  const stream = exportStream(endless(), 'ndjson')
  const chunks = stream[Symbol.asyncIterator]()
  for (const taken of [1, 2, 3]) {
    await chunks.next()
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
    t.ok(read <= taken + 2, `${read} pages read for ${taken} taken`)
  }
  stream.destroy()
  await t.rejects(textOf(exportStream(brokenPages(), 'csv')), { message: /down/ })
})

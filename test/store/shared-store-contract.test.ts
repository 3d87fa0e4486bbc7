// One contract of the shared store, on Redis and on the stand-in of this process; and the proof that both count limits alike.
import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createSharedStore } from '../../src/limits/assemble.js'
import type { SharedStore, LimitCharge, LimitDecision } from '../../src/shared-store/shared-store.js'
import { createMemoryLimitStore } from '../../src/limits/stores/memory-limit-store.js'
import { createRedisLimitStore } from '../../src/limits/stores/redis-limit-store.js'
import { fakeClock } from '../support/clock.js'
import { soundCharges } from '../support/limits.js'
import { eventually, NO_REDIS, ownRedis, privateRedis, SILENT } from '../support/redis.js'

const charge = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: '{one}:a', quota: 5, windowMs: 600_000, cost: 1, ...changes })

const MODES = [
  { name: 'memory', skip: false as string | false, options: () => ({ redisUrl: null }) },
  { name: 'redis', skip: NO_REDIS, options: (t: Test) => ({ redisUrl: ownRedis(t).url }) },
]

for (const { name, skip, options } of MODES) {
  t.test(`the contract on ${name}`, { skip }, async (t) => {
    const clock = fakeClock()
    const open = async (t: Test, of = options(t)): Promise<SharedStore> => {
      const store = await createSharedStore({ ...of, liveNodes: () => 1, clock, log: SILENT })
      t.teardown(() => store.close())
      return store
    }

    t.test('says which mode it is in', async (t) => {
      const store = await open(t)
      await eventually(() => store.state() === (name === 'memory' ? 'memory' : 'up'), 2_000)
      t.equal(store.state(), name === 'memory' ? 'memory' : 'up')
    })

    t.test('cache: keeps, replaces, deletes, and knows nothing of other keys', async (t) => {
      const { cache } = await open(t)
      t.equal(await cache.get('k'), null)
      await cache.set('k', 'välue', 60_000)
      t.equal(await cache.get('k'), 'välue')
      await cache.set('k', 'two', 60_000)
      t.equal(await cache.get('k'), 'two')
      t.equal(await cache.get('K'), null)
      await cache.delete('k')
      await cache.delete('k')
      t.equal(await cache.get('k'), null)
    })

    t.test('cache: an entry ends with its time, and a time of 0 keeps nothing', async (t) => {
      const { cache } = await open(t)
      await cache.set('short', 'x', 30)
      clock.advance(31)
      await eventually(async () => (await cache.get('short')) === null, 1_000)
      await cache.set('zero', 'x', 60_000)
      await cache.set('zero', 'y', 0)
      t.equal(await cache.get('zero'), null)
    })

    t.test('bus: a listener has heard when publish resolves, once, and one that throws stops nobody', async (t) => {
      const { bus } = await open(t)
      const heard: string[] = []
      await bus.subscribe('ended', () => {
        throw new Error('a listener of the test')
      })
      await bus.subscribe('ended', (message) => heard.push(message))
      await bus.publish('ended', 'session:1')
      await bus.publish('other', 'session:2')
      t.same(heard, ['session:1'])
    })

    t.test('limits: admits the quota and no more, and a denied request is charged nothing', async (t) => {
      const { limits } = await open(t)
      for (const remaining of [4, 3, 2, 1, 0]) {
        const { allowed, states } = await limits.take([charge()])
        t.same([allowed, states[0]?.remaining], [true, remaining])
      }
      const denied = await limits.take([charge({ cost: 2 })])
      t.same([denied.allowed, denied.states[0]?.remaining], [false, 0])
      t.ok(denied.retryAfterMs > 599_000 - 60_000 && denied.retryAfterMs <= 600_000)
      t.equal((await limits.take([charge({ key: '{one}:b' })])).states[0]?.remaining, 4)
    })

    t.test('limits: all or nothing over several, the denied ones named by what they have left', async (t) => {
      const { limits } = await open(t)
      await limits.take([charge({ key: '{g}:small', quota: 2, cost: 2 })])
      const both = [charge({ key: '{g}:big', quota: 100 }), charge({ key: '{g}:small', quota: 2 })]
      const denied = await limits.take(both)
      t.same([denied.allowed, denied.states.map(({ remaining }) => remaining)], [false, [100, 0]])
      t.equal((await limits.take([charge({ key: '{g}:big', quota: 100 })])).states[0]?.remaining, 99)
    })

    t.test('limits: a cost above the quota never passes, a cost of 0 only looks, no charge is no limit', async (t) => {
      const { limits } = await open(t)
      t.same(await limits.take([charge({ cost: 6 })]), { allowed: false, states: [{ remaining: 5, resetMs: 0 }], retryAfterMs: Infinity })
      t.same(await limits.take([charge({ cost: 0 })]), { allowed: true, states: [{ remaining: 5, resetMs: 0 }], retryAfterMs: 0 })
      t.same(await limits.take([]), { allowed: true, states: [], retryAfterMs: 0 })
    })

    t.test('limits: one counter named twice in a request is charged the sum', async (t) => {
      const { limits } = await open(t)
      t.equal((await limits.take([charge({ cost: 3 }), charge({ cost: 3 })])).allowed, false)
      t.same((await limits.take([charge({ cost: 3 }), charge({ cost: 2 })])).states.map(({ remaining }) => remaining), [0, 0])
    })

    t.test('limits: fifty at once are admitted exactly as far as the quota goes', async (t) => {
      const { limits } = await open(t)
      const decisions = await Promise.all(Array.from({ length: 50 }, () => limits.take([charge({ quota: 7 })])))
      t.equal(decisions.filter(({ allowed }) => allowed).length, 7)
    })
  })
}

t.test('a node that has no Redis refuses what is strict, or takes its share of it, as it was told', async (t) => {
  for (const withoutRedis of ['refuse', 'share'] as const) {
    const store = await createSharedStore({ redisUrl: 'redis://127.0.0.1:1', liveNodes: () => 2, withoutRedis, clock: fakeClock(), log: SILENT })
    t.teardown(() => store.close())
    const strict = charge({ quota: 10, strict: true })
    const decisions = await Promise.all(Array.from({ length: 10 }, () => store.limits.take([strict])))
    t.equal(decisions.filter(({ allowed }) => allowed).length, withoutRedis === 'share' ? 5 : 0, withoutRedis)
  }
})

t.test('two nodes on one Redis', { skip: NO_REDIS }, async (t) => {
  const { url, client, keyPrefix } = ownRedis(t)
  const clock = fakeClock()
  const [a, b] = await Promise.all([1, 2].map(async () => {
    const store = await createSharedStore({ redisUrl: url, liveNodes: () => 2, clock, log: SILENT })
    t.teardown(() => store.close())
    await eventually(() => store.state() === 'up', 2_000)
    return store
  }))
  if (!a || !b) throw new Error('two nodes')

  t.test('share the limits, to the last one', async (t) => {
    const decisions = await Promise.all(Array.from({ length: 40 }, (_, at) => (at % 2 ? a : b).limits.take([charge({ quota: 11 })])))
    t.equal(decisions.filter(({ allowed }) => allowed).length, 11)
  })

  t.test('share the cache and hear each other, each message once', async (t) => {
    await a.cache.set('k', 'from a', 60_000)
    t.equal(await b.cache.get('k'), 'from a')
    const heard: string[] = []
    await a.bus.subscribe('ended', (message) => heard.push(`a ${message}`))
    await b.bus.subscribe('ended', (message) => heard.push(`b ${message}`))
    await a.bus.publish('ended', 'key:1')
    await eventually(() => heard.length >= 2, 1_000)
    await b.bus.publish('ended', 'key:2')
    await eventually(() => heard.length >= 4, 1_000)
    t.same(heard.toSorted(), ['a key:1', 'a key:2', 'b key:1', 'b key:2'])
  })

  t.test('a flush refills nothing of what a node has let through', async (t) => {
    const spend = charge({ key: '{flushed}:a', quota: 3 })
    for (let n = 0; n < 3; n += 1) t.equal((await a.limits.take([spend])).allowed, true)
    await client.del(...(await client.keys(`${keyPrefix}*`)))
    const after = await a.limits.take([spend])
    t.same([after.allowed, after.states[0]?.remaining], [false, 0])
    t.equal(a.state(), 'up')
  })

  t.test('everything kept in Redis has an end, and the prefix', async (t) => {
    await a.limits.take([charge({ key: '{kept}:a' })])
    await a.cache.set('kept', 'x', 60_000)
    const keys = await client.keys(`${keyPrefix}*`)
    t.ok(keys.length >= 2)
    for (const key of keys) t.ok((await client.pttl(key)) > 0, key)
  })
})

t.test('Redis and the stand-in decide alike, to the millisecond', { skip: NO_REDIS }, async (t) => {
  const { client, keyPrefix } = ownRedis(t)
  let series = 0
  const takes = fc.array(fc.record({
    // now and then the clock goes back
    afterMs: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 20_000 }) }, { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 700_000 }) }, { weight: 1, arbitrary: fc.integer({ min: -30_000, max: -1 }) }),
    charges: fc.array(fc.record({ key: fc.constantFrom('{g}:a', '{g}:b', '{g}:c'), quota: fc.integer({ min: 1, max: 12 }), windowMs: fc.constantFrom(60_000, 61_007, 600_000), cost: fc.integer({ min: 0, max: 5 }), algorithm: fc.constantFrom('window' as const, 'gcra' as const) }), { minLength: 1, maxLength: 4 }),
  }), { minLength: 1, maxLength: 80, size: 'max' })
  await fc.assert(fc.asyncProperty(takes, async (sequence) => {
    let now = 1_000_000_000
    const clock = { now: () => now, monotonic: () => now }
    const memory = createMemoryLimitStore({ clock })
    const redis = createRedisLimitStore({ client, keyPrefix: `${keyPrefix}${(series += 1)}:`, run: (command) => command(), now: () => now })
    for (const { afterMs, charges } of sequence) {
      now += afterMs
      const [one, other]: LimitDecision[] = await Promise.all([memory.take(charges), redis.take(charges)])
      deepStrictEqual(one, other)
    }
  }), { numRuns: 50 })
  t.pass('50 runs')
})

t.test('at the corners, too: the largest numbers, costs at, below and above what fits, gaps of 30 days', { skip: NO_REDIS }, async (t) => {
  const { client, keyPrefix } = ownRedis(t)
  let series = 0
  const gaps = fc.constantFrom(0, 1, 999, 60_000, 2_147_483_648, 2_592_000_000, -30_000)
  const takes = fc.array(fc.record({ afterMs: gaps, charges: fc.array(soundCharges, { minLength: 1, maxLength: 3 }) }), { minLength: 1, maxLength: 20 })
  await fc.assert(fc.asyncProperty(takes, async (sequence) => {
    let now = 1_800_000_000_000
    const clock = { now: () => now, monotonic: () => now }
    const memory = createMemoryLimitStore({ clock })
    const redis = createRedisLimitStore({ client, keyPrefix: `${keyPrefix}c${(series += 1)}:`, run: (command) => command(), now: () => now })
    for (const { afterMs, charges } of sequence) {
      now += afterMs
      const [one, other]: LimitDecision[] = await Promise.all([memory.take(charges), redis.take(charges)])
      deepStrictEqual(one, other)
    }
  }), { numRuns: 150 })
  t.pass('150 runs')
})

t.test('the fullest counters cost Redis a handful of commands each, and a meter that fills for years is kept for years', { skip: NO_REDIS }, async (t) => {
  const { url, command } = await privateRedis(t)
  const client = new Redis(url)
  t.teardown(() => client.disconnect())
  let now = 1_800_000_000_000
  const redis = createRedisLimitStore({ client, keyPrefix: 'full:', run: (one) => one(), now: () => now })
  const many = Array.from({ length: 20 }, (_, at) => charge({ key: `{g}:${at}`, quota: 60, windowMs: 590_000 }))
  for (let n = 0; n < 60; n += 1) {
    await redis.take(many)
    now += 9_900
  }
  const calls = async (): Promise<number> => String(await command('INFO', 'commandstats')).split('\n')
    .filter((line) => line.startsWith('cmdstat_h')).reduce((sum, line) => sum + Number(/calls=(\d+)/.exec(line)?.[1] ?? 0), 0)
  const before = await calls()
  t.equal((await redis.take(many.map((one) => ({ ...one, cost: 60 })))).allowed, false, 'all buckets are looked at for the wait')
  t.ok((await calls()) - before <= 20 * 8, `${(await calls()) - before} commands`)
  const slow = charge({ key: '{g}:slow', algorithm: 'gcra', quota: 1, windowMs: 2_592_000_000, burst: 385 })
  await redis.take([{ ...slow, cost: 385 }])
  t.ok((await client.pttl('full:limit:g2592000000:{g}:slow')) > 385 * 2_592_000_000 - 60_000)
})

t.test('the stand-in cache is bounded and forgets what was used least recently', async (t) => {
  const { createMemoryCache } = await import('../../src/shared-store/memory-cache.js')
  const cache = createMemoryCache({ clock: fakeClock(), maxEntries: 2 })
  await cache.set('a', '1', 1_000)
  await cache.set('b', '2', 1_000)
  await cache.get('a')
  await cache.set('c', '3', 1_000)
  t.same([await cache.get('a'), await cache.get('b'), await cache.get('c')], ['1', null, '3'])
})

t.test('a share of a quota is rounded down: nodes together never exceed it, and too small a share denies for now', async (t) => {
  const store = createMemoryLimitStore({ clock: fakeClock() })
  const nodes = 3
  t.same(store.takeShare([charge({ quota: 5 })], { nodes, outage: null }), { allowed: true, states: [{ remaining: 0, resetMs: 600_000 }], retryAfterMs: 0 })
  t.equal(store.takeShare([charge({ quota: 5 })], { nodes, outage: null }).allowed, false)
  t.same(store.takeShare([charge({ key: 'few', quota: 2 })], { nodes, outage: null }), { allowed: false, states: [{ remaining: 0, resetMs: 0 }], retryAfterMs: 5_000 })
})

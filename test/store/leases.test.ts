// Limits shared through a real Redis by nodes that spend leases: never above the limit whoever spends when, crashes included,
// most of it without asking, and what is not needed is handed back. Redis counts on the test's clock.
import fc from 'fast-check'
import t from 'tap'
import { createLeaseLimitStore, type LeaseLimitStore } from '../../src/limits/stores/lease-limit-store.js'
import { createMemoryLimitStore } from '../../src/limits/stores/memory-limit-store.js'
import { leasePlanOf } from '../../src/limits/stores/lease.js'
import { createRedisLimitStore, type RedisLimitStore } from '../../src/limits/stores/redis-limit-store.js'
import type { LimitCharge } from '../../src/shared-store/shared-store.js'
import { type Admission, mostInWindow, worstExcess } from '../support/limits.js'
import { NO_REDIS, ownRedis } from '../support/redis.js'

const START = 1_000_000_000
const charge = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: '{g}:a', quota: 6_000, windowMs: 60_000, cost: 1, ...changes })

t.test('leases on Redis', { skip: NO_REDIS }, async (t) => {
  const { client, keyPrefix } = ownRedis(t)
  let series = 0

  /** Nodes on counters of their own, and a clock for all of them. */
  function house({ nodes = 3, drift = 0 }: { nodes?: number; drift?: number } = {}) {
    let now = START
    let asked = 0
    const prefix = `${keyPrefix}${(series += 1)}:`
    const redis = createRedisLimitStore({ client, keyPrefix: prefix, run: (command) => command(), now: () => now })
    const store: RedisLimitStore = {
      ...redis,
      ask: async (...asking) => {
        asked += 1
        return redis.ask(...asking)
      },
    }
    // every other node's clock runs slow or fast
    const open = (at: number): LeaseLimitStore => {
      const clock = { now: () => now, monotonic: () => (now - START) * (1 + (at % 2 === 0 ? drift : -drift)) + at * 77 }
      return createLeaseLimitStore({ store, clock, liveNodes: () => nodes, isUp: () => true, every: () => () => undefined })
    }
    const all = Array.from({ length: nodes }, (_, at) => open(at))
    return {
      all, redis, prefix,
      at: () => now,
      asked: () => asked,
      advance: (ms: number) => void (now += ms),
      crash: (at: number) => void (all[at] = open(at)),
      node: (at: number): LeaseLimitStore => {
        const one = all[at]
        if (!one) throw new Error('no such node')
        return one
      },
    }
  }

  const limits = fc.oneof(
    fc.record({ quota: fc.integer({ min: 40, max: 2_000 }), windowMs: fc.constantFrom(1_000, 3_000, 10_000) }).map((of) => charge(of)),
    fc.record({ quota: fc.integer({ min: 200, max: 2_000 }), windowMs: fc.constantFrom(1_000, 3_000), burst: fc.integer({ min: 50, max: 3_000 }) })
      .map((of) => charge({ ...of, algorithm: 'gcra' })),
  )
  const step = fc.record({
    afterMs: fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 30 }) }, { weight: 2, arbitrary: fc.integer({ min: 100, max: 400 }) }, { weight: 1, arbitrary: fc.integer({ min: 400, max: 4_000 }) }),
    node: fc.nat({ max: 2 }),
    times: fc.integer({ min: 1, max: 60 }),
    cost: fc.integer({ min: 1, max: 6 }),
    what: fc.constantFrom('take', 'take', 'take', 'take', 'take', 'sweep', 'crash'),
  })

  t.test('three nodes, with crashes and clocks that run apart, never exceed the limit in any true window', async (t) => {
    let [admitted, asked] = [0, 0]
    await fc.assert(fc.asyncProperty(limits, fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (limit, taken) => {
      const { node, at, advance, crash, asked: count } = house({ drift: 0.02 })
      const log: Admission[] = []
      for (const { afterMs, node: which, times, cost, what } of taken) {
        advance(afterMs)
        if (what === 'sweep') await node(which).sweep()
        else if (what === 'crash') crash(which)
        else {
          // half of them one after the other, half at once
          for (let n = 0; n < times / 2; n += 1) if ((await node(which).take([{ ...limit, cost }])).allowed) log.push({ at: at(), cost })
          const atOnce = await Promise.all(Array.from({ length: Math.floor(times / 2) }, () => node((which + times) % 3).take([limit])))
          for (const { allowed } of atOnce) if (allowed) log.push({ at: at(), cost: 1 })
        }
      }
      admitted += log.length
      asked += count()
      return limit.algorithm === 'gcra' ? worstExcess(log, limit) <= 1e-3 : mostInWindow(log, limit.windowMs) <= limit.quota
    }), { numRuns: 40 })
    t.ok(admitted > 2_000, `${admitted} admitted`)
    t.ok(asked < admitted, `Redis was asked ${asked} times`)
  })

  t.test('a busy node asks Redis a few times a second, not once a request, and answers the rest at once', async (t) => {
    const { node, advance, asked } = house()
    let atOnce = 0
    for (let n = 0; n < 5_000; n += 1) {
      const decision = node(0).take([charge({ quota: 600_000 })])
      if (!(decision instanceof Promise)) atOnce += 1
      if (!(await decision).allowed) t.fail('within the limit')
      if (n % 5 === 0) advance(1)
    }
    t.ok(atOnce > 4_900, `${atOnce} of 5000 at once`)
    t.ok(asked() < 60, `asked ${asked()} times in one second`)
  })

  t.test('the worst moment: a lease is spent at its last instant, and the rest is wanted as soon as Redis gives it', async (t) => {
    for (const limit of [charge({ quota: 60_000 }), charge({ quota: 60_000, algorithm: 'gcra', burst: 10_000 })]) {
      const { node, at, advance, asked } = house()
      const log: Admission[] = []
      const take = async (which: number, cost: number): Promise<boolean> => {
        const { allowed } = await node(which).take([{ ...limit, cost }])
        if (allowed) log.push({ at: at(), cost })
        return allowed
      }
      await take(0, 100)
      advance(235)
      const before = asked()
      for (let n = 0; n < 100; n += 1) await take(0, 1)
      t.equal(asked(), before, 'a hundred from the lease')
      // a meter has drained what was charged; a window forgets it when it has passed
      if (limit.algorithm !== 'gcra') advance(limit.windowMs - 235)
      // all of it at once, where nothing is left to lease; else in ever smaller pieces
      await take(1, limit.burst ?? limit.quota)
      for (let cost = 65_536; cost >= 1; cost /= 2) while (await take(1, cost));
      if (limit.algorithm === 'gcra') t.ok(worstExcess(log, limit) <= 1e-3, `${worstExcess(log, limit)} above the burst`)
      else t.ok(mostInWindow(log, limit.windowMs) <= limit.quota, `${mostInWindow(log, limit.windowMs)} in a window`)
    }
  })

  t.test('what a Redis that has forgotten counts anew is not handed back to it', async (t) => {
    const { node, advance, prefix } = house()
    for (let n = 0; n < 30; n += 1) await node(0).take([charge()])
    advance(250)
    await client.del(...(await client.keys(`${prefix}*`)))
    const left = async (): Promise<number | undefined> => (await node(2).take([charge()], true)).states[0]?.remaining
    await node(1).take([charge({ cost: 100 })])
    const before = await left()
    await node(0).sweep()
    t.equal(await left(), before)
  })

  t.test('several limits of a request: all or none, by leases too', async (t) => {
    const { node, advance } = house()
    const both = [charge({ key: '{g}:a', quota: 60_000 }), charge({ key: '{g}:b', quota: 6_000 })]
    let admitted = 0
    for (let n = 0; n < 6_600; n += 1) {
      if ((await node(n % 2).take(both)).allowed) admitted += 1
      if (n % 40 === 0) advance(1)
    }
    t.ok(admitted > 5_900 && admitted <= 6_000, `${admitted} of 6000`)
    for (const at of [0, 1, 2]) await node(at).sweep()
    advance(300)
    for (const at of [0, 1, 2]) await node(at).sweep()
    const { states } = await node(2).take(both, true)
    t.equal(60_000 - (states[0]?.remaining ?? 0), admitted, 'the other limit was charged for the admitted ones alone')
  })

  t.test('unspent units come back when their lease is over; a crash keeps them counted until the window has passed', async (t) => {
    const { node, advance, crash } = house()
    const remaining = async (): Promise<number> => (await node(2).take([charge()], true)).states[0]?.remaining ?? -1
    for (let n = 0; n < 30; n += 1) await node(0).take([charge()])
    t.ok((await remaining()) < 5_970, 'some are leased')
    advance(250)
    await node(0).sweep()
    t.equal(await remaining(), 5_970)

    for (let n = 0; n < 30; n += 1) await node(1).take([charge()])
    crash(1)
    advance(250)
    await node(1).sweep()
    const left = await remaining()
    t.ok(left < 5_940 && left >= 5_940 - leasePlanOf(charge()).units, `${left}`)
    advance(60_250)
    t.equal(await remaining(), 6_000)
  })

  t.test('near the limit nothing is leased: every unit is in reach of every node', async (t) => {
    const { node, at } = house()
    await node(0).take([charge({ cost: 5_990 })])
    for (let n = 0; n < 10; n += 1) t.equal((await node(n % 3).take([charge()])).allowed, true, `${n} at ${at()}`)
    t.equal((await node(0).take([charge()])).allowed, false)
  })

  t.test('a lease is not spent by a request with a lower quota, nor after its time, nor by a clock set back', async (t) => {
    let [now, wall] = [START, START]
    let asked = 0
    const redis = createRedisLimitStore({ client, keyPrefix: `${keyPrefix}${(series += 1)}:`, run: (command) => command(), now: () => now })
    const store: RedisLimitStore = {
      ...redis,
      ask: async (...asking) => {
        asked += 1
        return redis.ask(...asking)
      },
    }
    const node = createLeaseLimitStore({ store, clock: { now: () => wall, monotonic: () => now }, liveNodes: () => 1, isUp: () => true, every: () => () => undefined })
    const fresh = async (): Promise<void> => {
      for (let n = 0; n < 12; n += 1) await node.take([charge()])
      const before = asked
      await node.take([charge()])
      t.equal(asked, before, 'there is a lease')
    }
    const asks = async (why: string, of = charge()): Promise<void> => {
      const before = asked
      await node.take([of])
      t.equal(asked, before + 1, why)
    }
    await fresh()
    await asks('a lower quota', charge({ quota: 5_999 }))
    await fresh()
    now += 240
    await asks('its time is over')
    await fresh()
    wall -= 1
    await asks('the wall clock went back')
    wall += 1
    await fresh()
    wall += 240
    await asks('the machine slept')
  })

  t.test('a denial is remembered for a moment, no longer than it is true, and not for a smaller cost', async (t) => {
    const { node, advance, asked } = house()
    const small = charge({ quota: 10 })
    await node(0).take([{ ...small, cost: 9 }])
    const first = await node(0).take([{ ...small, cost: 2 }])
    t.equal(first.allowed, false)
    const before = asked()
    const again = node(0).take([{ ...small, cost: 2 }])
    t.notOk(again instanceof Promise)
    t.equal(asked(), before)
    t.equal((await again).retryAfterMs, first.retryAfterMs)
    t.equal((await node(0).take([small])).allowed, true, 'a smaller cost is asked for')
    advance(60_000)
    t.equal((await node(0).take([{ ...small, cost: 2 }])).allowed, true)
  })

  t.test('what Redis leases is what the rule says: a part of what is left after the cost, beside the charges of the rules', async (t) => {
    const asks = fc.array(fc.record({
      afterMs: fc.nat({ max: 5_000 }), nodes: fc.integer({ min: 1, max: 4 }),
      charges: fc.uniqueArray(fc.record({
        key: fc.constantFrom('{g}:a', '{g}:b'), quota: fc.constant(40), windowMs: fc.constant(10_000), algorithm: fc.constantFrom('window' as const, 'gcra' as const),
        cost: fc.integer({ min: 0, max: 6 }), want: fc.nat({ max: 9 }),
      }), { minLength: 1, maxLength: 3, selector: ({ key, algorithm }) => key + algorithm }),
    }), { minLength: 1, maxLength: 30 })
    await fc.assert(fc.asyncProperty(asks, async (sequence) => {
      let now = START
      const memory = createMemoryLimitStore({ clock: { now: () => now, monotonic: () => now } })
      const redis = createRedisLimitStore({ client, keyPrefix: `${keyPrefix}${(series += 1)}:`, run: (command) => command(), now: () => now })
      for (const { afterMs, nodes, charges } of sequence) {
        now += afterMs
        const asked = await redis.ask(charges.map(({ want, ...one }) => ({ charge: one, windowMs: one.windowMs, burst: one.quota, want, refund: null })), { nodes, dryRun: false })
        const expected = memory.take(charges)
        if (expected.allowed !== asked.allowed || expected.retryAfterMs !== asked.retryAfterMs) return false
        if (!asked.allowed) {
          if (asked.leases.some(({ units }) => units !== 0)) return false
          continue
        }
        for (const [index, one] of charges.entries()) {
          const units = asked.leases[index]?.units ?? 0
          const left = memory.take([{ ...one, cost: 0 }]).states[0]?.remaining ?? 0
          if (units !== Math.min(one.want, Math.floor(left / (2 * nodes)))) return false
          memory.take([{ ...one, cost: units }])
        }
      }
      return true
    }), { numRuns: 40 })
    t.pass('40 runs')
  })
})

// Several nodes that lose Redis, find it empty, or find an old copy of it: what they let through together is held against the
// exact log. One real Redis, whose answers the test cuts off and whose keys it deletes and puts back; one clock for all.
import fc from 'fast-check'
import t from 'tap'
import { createFailoverLimitStore, type FailoverLimitStore } from '../../src/limits/failover-limit-store.js'
import { createLeaseLimitStore } from '../../src/limits/lease-limit-store.js'
import { createMemoryLimitStore } from '../../src/limits/memory-limit-store.js'
import { createRedisLimitStore, type Epoch } from '../../src/limits/redis-limit-store.js'
import type { LimitCharge } from '../../src/redis/fast.js'
import { type Admission, mostInWindow } from '../support/limits.js'
import { NO_REDIS, ownRedis } from '../support/redis.js'

const NODES = 3
const charge = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: '{g}:a', quota: 90, windowMs: 60_000, cost: 1, ...changes })

t.test('nodes without their Redis', { skip: NO_REDIS }, async (t) => {
  const { client, keyPrefix } = ownRedis(t)
  let series = 0

  async function house() {
    let now = 1_000_000_000
    let connected = true
    const prefix = `${keyPrefix}${(series += 1)}:`
    const clock = { now: () => now, monotonic: () => now }
    const storeOf = (onLost: () => void) => createRedisLimitStore({
      client, keyPrefix: prefix, now: () => now,
      // the guard opens at the first command that fails
      async run(command) {
        if (connected) return command()
        onLost()
        throw new Error('cut off')
      },
    })

    interface Node {
      limits: FailoverLimitStore
      up: boolean
      probedAt: number
      epoch: () => Promise<Epoch>
    }
    function open(): Node {
      const node: Node = { limits: null as unknown as FailoverLimitStore, up: true, probedAt: -Infinity, epoch: () => Promise.reject(new Error('not yet')) }
      const redis = storeOf(() => {
        node.up = false
        node.limits.lost()
      })
      node.epoch = redis.epoch
      const shared = createLeaseLimitStore({ store: redis, clock, liveNodes: () => NODES, isUp: () => node.up, every: () => () => undefined })
      const local = createMemoryLimitStore({ clock })
      node.limits = createFailoverLimitStore({
        shared, local, charge: redis.charge, isUp: () => node.up, wake: () => void (node.probedAt = -Infinity),
        alarm: () => all.forEach((one) => one.limits.alarmed()), liveNodes: () => NODES,
      })
      return node
    }
    const all: Node[] = Array.from({ length: NODES }, () => open())
    const log: (Admission & { key: string })[] = []

    /** What redis/guard.ts does: a look at Redis once a second, or four times while it is lost. */
    async function probe(): Promise<void> {
      for (const node of all) {
        if (now - node.probedAt < (node.up ? 1_000 : 250)) continue
        node.probedAt = now
        try {
          await node.limits.restore(await node.epoch())
          node.up = true
        } catch {
          // told by the command that failed
        }
      }
    }
    async function take(at: number, of: LimitCharge): Promise<boolean> {
      const node = all[at % NODES]
      if (!node) return false
      const { allowed } = await node.limits.take([of])
      if (allowed) log.push({ at: now, cost: of.cost, key: of.key })
      return allowed
    }
    async function advance(ms: number): Promise<void> {
      for (let left = ms; left > 0; left -= 50) {
        now += Math.min(50, left)
        await probe()
      }
    }
    await probe()
    all.forEach((node, at) => void (node.probedAt -= at * 70))
    return {
      log, take, advance,
      cut: () => void (connected = false),
      mend: () => void (connected = true),
      /** a connection that broke and came back makes each node look */
      wake: () => all.forEach((node) => void (node.probedAt = -Infinity)),
      flush: async () => void (await client.del(`${prefix}nothing`, ...(await client.keys(`${prefix}*`)))),
      /** what Redis holds, as a function that puts it back */
      async copy() {
        const saved = await Promise.all((await client.keys(`${prefix}*`)).map(async (key) => [key, await client.dumpBuffer(key)] as const))
        return async () => {
          for (const [key, value] of saved) if (value) await client.restore(key, 100_000, value, 'REPLACE')
        }
      },
    }
  }
  type House = Awaited<ReturnType<typeof house>>

  /** Every node takes what it gets, as a busy API would, for some time. */
  async function busy({ take, advance }: House, ms: number, of = charge()): Promise<number> {
    let admitted = 0
    for (let passed = 0; passed < ms; passed += 50) {
      for (let n = 0; n < 2 * NODES; n += 1) if (await take(n, of)) admitted += 1
      await advance(50)
    }
    return admitted
  }
  const most = ({ log }: House, of = charge()): number => mostInWindow(log.filter(({ key }) => key === of.key), of.windowMs)
  const within = (t: { ok: (value: boolean, message: string) => unknown }, one: House, of = charge()): void =>
    void t.ok(most(one, of) <= of.quota, `${most(one, of)} of ${of.quota} in a window`)

  t.test('lost with the quota spent, unevenly: nothing is let through until the window has passed, then shares', async (t) => {
    const one = await house()
    for (let n = 0; n < 90; n += 1) await one.take(0, charge())
    for (const at of [0, 1, 2]) t.equal(await one.take(at, charge()), false)
    one.cut()
    t.equal(await busy(one, 5_000), 0)
    await one.advance(56_000)
    t.equal(await busy(one, 1_000), 90, 'three shares of 30')
    t.equal(await busy(one, 5_000), 0)
    one.mend()
    t.equal(await busy(one, 10_000), 0, 'Redis has been told')
    within(t, one)
  })

  t.test('lost with most left: the nodes go on with a part of it, and what they let through is counted when Redis is back', async (t) => {
    const one = await house()
    t.equal(await busy(one, 150), 18)
    one.cut()
    const alone = await busy(one, 3_000)
    t.ok(alone > 20 && alone <= 72, `${alone} of 72`)
    one.mend()
    const after = await busy(one, 10_000)
    t.equal(18 + alone + after, 90, 'in the end all of the quota was there, and no more')
    within(t, one)
  })

  t.test('flushed: no node, hot or not, refills what was spent', async (t) => {
    const one = await house()
    for (let n = 0; n < 80; n += 1) await one.take(0, charge())
    await one.take(1, charge({ cost: 9 }))
    await one.take(2, charge())
    await one.advance(2_000)
    await one.flush()
    t.equal(await busy(one, 20_000), 0)
    within(t, one)
  })

  t.test('restored from an old copy: the same', async (t) => {
    const one = await house()
    await busy(one, 100)
    const putBack = await one.copy()
    await busy(one, 3_000)
    one.cut()
    await busy(one, 1_000)
    await one.flush()
    await putBack()
    one.mend()
    t.equal(await busy(one, 20_000), 0)
    within(t, one)
  })

  t.test('a counter that was evicted alone is put right, and the others are left alone', async (t) => {
    const one = await house()
    const other = charge({ key: '{g}:b' })
    for (let n = 0; n < 30; n += 1) {
      await one.take(n, charge())
      await one.take(n, other)
    }
    await client.del(...(await client.keys(`${keyPrefix}${series}:*60000:{g}:a`)))
    await busy(one, 10_000)
    within(t, one)
    let left = 0
    for (let n = 0; n < 100; n += 1) if (await one.take(n, other)) left += 1
    t.equal(left, 60)
  })

  t.test('whatever happens in whatever order, busy nodes stay within the limit', async (t) => {
    const events = fc.array(fc.record({
      what: fc.constantFrom('busy', 'busy', 'busy', 'cut', 'mend', 'flush', 'old copy', 'rest'), ms: fc.integer({ min: 100, max: 4_000 }),
    }), { minLength: 4, maxLength: 14, size: 'max' })
    const limit = fc.constantFrom(charge({ quota: 90, windowMs: 10_000 }), charge({ quota: 300, windowMs: 10_000 }), charge({ quota: 30, windowMs: 3_000 }))
    let worst = -Infinity
    await fc.assert(fc.asyncProperty(limit, events, async (of, sequence) => {
      const one = await house()
      let putBack = async (): Promise<void> => undefined
      for (const { what, ms } of sequence) {
        if (what === 'busy') await busy(one, ms, of)
        else if (what === 'rest') await one.advance(ms)
        else if (what === 'cut') {
          putBack = await one.copy()
          one.cut()
        } else if (what === 'flush') await one.flush()
        else if (what === 'old copy') {
          // a server that comes up with an old copy was down before
          one.cut()
          await busy(one, 100, of)
          await one.flush()
          await putBack()
          one.mend()
          one.wake()
        } else one.mend()
      }
      one.mend()
      await busy(one, 2_000, of)
      worst = Math.max(worst, most(one, of) / of.quota)
      return most(one, of) <= of.quota
    }), {
      numRuns: 60,
      // a counter that was only ever told of, forgotten again when all trust Redis anew
      examples: [[charge({ quota: 30, windowMs: 3_000 }), ['old copy', 'old copy', 'busy', 'busy', 'busy', 'flush'].map((what, at) => ({ what, ms: at === 3 ? 1_851 : 100 }))]],
    })
    t.ok(worst > 0.9, 'the quotas were used')
  })
})

// Nodes that lose Redis, all or one alone, find it empty, or find an old copy of it: what they let through together is held against
// the exact log. One real Redis, whose answers the test cuts off or holds back and whose keys it deletes and puts back; one clock for all.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { LimitCharge } from '../../src/shared-store/shared-store.js'
import { EVERYONE, type House, openHouse, sum } from '../support/limit-house.js'
import { NO_REDIS, ownRedis } from '../support/redis.js'

const charge = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: '{g}:a', quota: 90, windowMs: 60_000, cost: 1, strict: true, ...changes })

t.test('nodes without their Redis', { skip: NO_REDIS }, async (t) => {
  const { client, keyPrefix } = ownRedis(t)
  let series = 0
  const house = (): Promise<House> => openHouse(client, `${keyPrefix}${(series += 1)}:`)
  const within = (t: Test, one: House, of = charge()): void => void t.ok(one.excess(of) <= 1e-3, `${one.most(of)} in a window, the limit is ${of.quota}`)

  t.test('one node alone loses Redis: it lets nothing through until the others leave its share to it', async (t) => {
    const one = await house()
    t.same(await one.busy(50, charge()), [2, 2, 2])
    one.cut([0])
    const [alone = 0, ...others] = await one.busy(5_000, charge())
    t.equal(alone, 0)
    t.equal(sum(others), 84, 'the rest of the quota: a node that was heard of within 3 s is not deciding alone')
    within(t, one)
    await one.advance(60_000)
    t.same(await one.busy(500, charge()), [20, 20, 20])
    await one.busy(5_000, charge())
    t.same(EVERYONE.map((at) => one.log.slice(90).filter(({ node }) => node === at).length > 0), [true, true, true])
    t.ok(one.log.slice(90).filter(({ node }) => node === 0).length <= 30)
    within(t, one)
    one.mend()
    t.equal(sum(await one.busy(10_000, charge())), 0, 'Redis has been told')
    await one.advance(60_000)
    t.equal(sum(await one.busy(3_000, charge())), 90, 'all of it, to the last')
    within(t, one)
  })

  t.test('a short loss: the leases are spent, the rest waits, and nothing is missing afterwards', async (t) => {
    const one = await house()
    const fast = charge({ quota: 60_000 })
    for (let n = 0; n < 20; n += 1) await one.take(0, fast)
    one.cut([0])
    // the guard finds out by the first command that it needs
    let spent = 0
    while (await one.take(0, fast)) spent += 1
    t.ok(spent > 8, `${spent} from a lease`)
    one.mend()
    await one.advance(300)
    t.equal(await one.take(0, fast), true)
    within(t, one, fast)
  })

  t.test('a hot node has spent all that the others never asked about: they do not start anew without Redis', async (t) => {
    const one = await house()
    for (let n = 0; n < 90; n += 1) await one.take(0, charge())
    one.cut()
    t.equal(sum(await one.busy(5_000, charge())), 0)
    await one.advance(62_000)
    t.equal(sum(await one.busy(1_000, charge())), 90, 'three shares of 30')
    t.equal(sum(await one.busy(5_000, charge())), 0)
    one.mend()
    t.equal(sum(await one.busy(10_000, charge())), 0, 'Redis has been told')
    within(t, one)
  })

  t.test('lost for less than a window: in the end all of the quota was there, and no more', async (t) => {
    const one = await house()
    t.equal(sum(await one.busy(150, charge())), 18)
    one.cut()
    t.equal(sum(await one.busy(3_000, charge())), 0)
    one.mend()
    t.equal(sum(await one.busy(10_000, charge())), 72)
    within(t, one)
  })

  t.test('a question that Redis gets when its sender has given it up is charged, and gives nothing', async (t) => {
    const one = await house()
    one.delay([0])
    t.equal(await one.take(0, charge({ cost: 5 })), false)
    await one.advance(1_000)
    await one.deliver()
    one.mend()
    await one.advance(1_000)
    t.equal(sum(await one.busy(5_000, charge())), 85)
    within(t, one)
  })

  t.test('a promise that arrives late promises nothing: the node that decides alone keeps its share', async (t) => {
    const one = await house()
    const short = charge({ quota: 30, windowMs: 3_000 })
    one.delay([0])
    await one.busy(7_000, short)
    for (let n = 0; n < 8; n += 1) {
      await one.deliver()
      await one.busy(1_000, short)
    }
    t.ok(one.log.some(({ node, at }) => node === 0 && at > 1_000_037_000), 'it did decide alone')
    within(t, one, short)
  })

  t.test('flushed: no node, hot or not, refills what was spent', async (t) => {
    const one = await house()
    for (let n = 0; n < 80; n += 1) await one.take(0, charge())
    await one.take(1, charge({ cost: 9 }))
    await one.take(2, charge())
    await one.advance(2_000)
    await one.flush()
    t.equal(sum(await one.busy(20_000, charge())), 0)
    within(t, one)
  })

  t.test('flushed: who has not spent asks first, and is told nothing before all have been heard', async (t) => {
    const one = await house()
    for (let n = 0; n < 80; n += 1) await one.take(0, charge())
    await one.flush()
    for (let n = 0; n < 20; n += 1) t.equal(await one.take(1, charge()), false)
    await one.advance(1_000)
    t.equal(sum(await one.busy(2_000, charge())), 10, 'the rest')
    within(t, one)
  })

  t.test('flushed: a lease that the new memory knows nothing of is not spent', async (t) => {
    const one = await house()
    const fast = charge({ quota: 6_000 })
    for (let n = 0; n < 20; n += 1) await one.take(0, fast)
    await one.flush()
    one.wake()
    await one.advance(50)
    for (let n = 0; n < 5; n += 1) await one.take(0, fast)
    const counted = await client.hget(`${keyPrefix}${series}:limit:60000:{g}:a`, 'n')
    t.equal(one.log.length, 25)
    t.ok(Number(counted) >= 25, `${counted} counted`)
  })

  t.test('empty, and the node that has spent the quota stays away: nothing until it is back, or a window has passed', async (t) => {
    const one = await house()
    for (let n = 0; n < 80; n += 1) await one.take(0, charge())
    one.cut()
    await one.busy(500, charge())
    await one.flush()
    one.mend([1, 2])
    t.equal(sum(await one.busy(5_000, charge())), 0)
    one.mend()
    t.equal(sum(await one.busy(5_000, charge())), 10)
    within(t, one)

    const two = await house()
    for (let n = 0; n < 80; n += 1) await two.take(0, charge())
    two.cut()
    await two.busy(500, charge())
    await two.flush()
    two.mend([1, 2])
    await two.advance(61_000)
    t.ok(sum(await two.busy(5_000, charge())) >= 60, 'the share of the one that is away is kept for it')
    within(t, two)
  })

  t.test('a node that is cut off again while it tells an empty or an old Redis what it knows tells it all the next time', async (t) => {
    for (const commands of [1, 2, 3]) {
      for (const isOld of [false, true]) {
        const one = await house()
        const putBack = await one.copy()
        for (let n = 0; n < 80; n += 1) await one.take(0, charge())
        await one.advance(2_000)
        one.cut()
        await one.busy(100, charge())
        await one.flush()
        if (isOld) {
          await putBack()
          // the same server after all: only the number gives it away
          await client.hset(`${keyPrefix}${series}:limit-nodes`, 'run', one.run)
        }
        one.mendFor(commands, [0])
        await one.advance(300)
        one.cut([0])
        await one.advance(500)
        // an old copy remembers the others, too
        one.mend(isOld ? [0] : EVERYONE)
        await one.busy(6_000, charge())
        within(t, one)
      }
    }
  })

  t.test('restored from an old copy: the same', async (t) => {
    const one = await house()
    await one.busy(100, charge())
    const putBack = await one.copy()
    await one.busy(3_000, charge())
    one.cut()
    await one.busy(1_000, charge())
    await one.flush()
    await putBack()
    one.mend()
    t.equal(sum(await one.busy(20_000, charge())), 0)
    within(t, one)
  })

  t.test('a node that stops says so, and its share is not kept', async (t) => {
    const one = await house()
    await one.all[0]?.membership.farewell()
    one.cut([0])
    await one.advance(10_000)
    t.same((await one.busy(5_000, charge())).slice(1), [45, 45])
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
    await one.busy(10_000, charge())
    within(t, one)
    let left = 0
    for (let n = 0; n < 100; n += 1) if (await one.take(n, other)) left += 1
    t.equal(left, 60)
  })

  t.test('whatever happens to whichever nodes in whatever order, busy nodes stay within the limit', async (t) => {
    const events = fc.array(fc.record({
      what: fc.constantFrom('busy', 'busy', 'busy', 'cut', 'delay', 'mend', 'mend a little', 'deliver', 'flush', 'old copy', 'rest'),
      ms: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 50, max: 2_000 }) }, { weight: 1, arbitrary: fc.integer({ min: 2_000, max: 8_000 }) }),
      which: fc.subarray([...EVERYONE], { minLength: 1 }),
    }), { minLength: 4, maxLength: 14, size: 'max' })
    const limit = fc.constantFrom(
      charge({ quota: 90, windowMs: 10_000 }), charge({ quota: 300, windowMs: 10_000 }), charge({ quota: 30, windowMs: 3_000 }), charge({ quota: 100, windowMs: 2_000 }),
      charge({ quota: 60, windowMs: 3_000, algorithm: 'gcra', burst: 40 }), charge({ quota: 900, windowMs: 10_000, algorithm: 'gcra', burst: 300 }),
    )
    let [used, alone] = [0, 0]
    await fc.assert(fc.asyncProperty(limit, events, async (of, sequence) => {
      const one = await house()
      let putBack = async (): Promise<void> => undefined
      for (const { what, ms, which } of sequence) {
        if (what === 'busy') await one.busy(ms, of)
        else if (what === 'rest') await one.advance(ms)
        else if (what === 'cut') {
          putBack = await one.copy()
          one.cut(which)
        } else if (what === 'delay') one.delay(which)
        else if (what === 'deliver') await one.deliver()
        else if (what === 'flush') await one.flush()
        else if (what === 'old copy') {
          // a server that comes up with an old copy was down before
          one.cut()
          await one.busy(100, of)
          await one.flush()
          await putBack()
          one.mend(which)
          one.wake()
        } else one.mend(which)
        if (one.all.some(({ up }) => !up) && what === 'busy') alone += one.log.length
      }
      one.mend()
      await one.deliver()
      await one.busy(2_000, of)
      used = Math.max(used, one.log.length)
      return one.excess(of) <= 1e-3
    }), { numRuns: Number(process.env['RUNS'] ?? 60) })
    t.ok(used > 90 && alone > 0, 'the quotas were used')
  })
})

// gcra and calendar against exact logs, and the arithmetic of leases and of limits as people write them.
import fc from 'fast-check'
import t from 'tap'
import { blockExtra, type Period, spanOf } from '../../src/limits/algorithms/calendar.js'
import { admitGcra, createGcra, type Rate, remainingGcra, resetGcraMs, settleGcra, waitGcraMs } from '../../src/limits/algorithms/gcra.js'
import { createDemand, guaranteeOf, LEASE_MS, noteDemand, leasePlanOf, wantOf } from '../../src/limits/stores/lease.js'
import { chargeOf, forRequest, limitMistakes, limitsOfKey, limitsOfOwner, reportOf } from '../../src/limits/limit-rules.js'
import { checkPlan, planOf as planOfRoles } from '../../src/limits/plan.js'
import type { LimitCharge } from '../../src/shared-store/shared-store.js'

const rates = fc.record({ quota: fc.integer({ min: 1, max: 500 }), windowMs: fc.integer({ min: 1, max: 100_000 }), burst: fc.integer({ min: 1, max: 60 }) })
const steps = fc.array(fc.record({ share: fc.double({ min: 0, max: 3, noNaN: true }), cost: fc.integer({ min: 1, max: 5 }) }), { minLength: 1, maxLength: 200, size: 'max' })

/** Runs the steps, whose gaps are shares of the time one unit takes to drain. */
function run(rate: Rate, taken: { share: number; cost: number }[], each?: (now: number, admitted: boolean, cost: number) => void) {
  const gcra = createGcra()
  const log: { at: number; cost: number }[] = []
  let now = 1_000_000_000
  for (const { share, cost } of taken) {
    now += Math.floor(share * cost * rate.windowMs / rate.quota)
    settleGcra(gcra, now)
    const admitted = waitGcraMs(gcra, now, rate, cost) === 0
    each?.(now, admitted, cost)
    if (!admitted) continue
    admitGcra(gcra, now, rate, cost)
    log.push({ at: now, cost })
  }
  return { gcra, log, now }
}

t.test('gcra: no stretch of time ever holds more than the burst and what the rate gives meanwhile', async (t) => {
  fc.assert(fc.property(rates, steps, (rate, taken) => {
    const { log } = run(rate, taken)
    return log.every(({ at: from }, begin) => {
      let sum = 0
      return log.slice(begin).every(({ at, cost }) => {
        sum += cost
        return sum <= rate.burst + (at - from) * rate.quota / rate.windowMs + 1e-3
      })
    })
  }), { numRuns: 300 })
  t.pass('300 runs')
})

t.test('gcra: a refusal is right about an exact meter, and fits exactly after the wait that was told', async (t) => {
  fc.assert(fc.property(rates, steps, (rate, taken) => {
    let [level, last, right] = [0, 1_000_000_000, true]
    const copy = createGcra()
    run(rate, taken, (now, admitted, cost) => {
      level = Math.max(0, level - (now - last) * rate.quota / rate.windowMs)
      last = now
      if (admitted) {
        level += cost
        admitGcra(copy, now, rate, cost)
        return
      }
      if (level + cost <= rate.burst - 1e-3) right = false
      if (cost > rate.burst) return
      const ms = waitGcraMs(copy, now, rate, cost)
      right &&= waitGcraMs(copy, now + ms, rate, cost) === 0 && waitGcraMs(copy, now + ms - 1, rate, cost) > 0
    })
    return right
  }), { numRuns: 300 })
  t.pass('300 runs')
})

t.test('gcra: what is told to be left can be taken, and it is whole again after resetMs', async (t) => {
  fc.assert(fc.property(rates, steps, (rate, taken) => {
    const { gcra, now } = run(rate, taken)
    const left = remainingGcra(gcra, now, rate)
    const fits = left === 0 || waitGcraMs(gcra, now, rate, left) === 0
    const whole = now + resetGcraMs(gcra, now, rate)
    return fits && waitGcraMs(gcra, now, rate, left + 1) > 0 && remainingGcra(gcra, whole, rate) === rate.burst
  }), { numRuns: 300 })
  t.equal(waitGcraMs(createGcra(), 5, { quota: 1, windowMs: 10, burst: 2 }, 3), Infinity)
  t.same(createGcra(), { level: 0, at: 0 })
  t.equal(resetGcraMs({ level: 1, at: 5 }, 5, { quota: 1, windowMs: 2_592_000_000, burst: 1 }), 2_592, 'a millionth takes its time, too')
  t.equal(waitGcraMs({ level: 2_000_000, at: 5 }, 5, { quota: 0, windowMs: 10, burst: 2 }, 1), Infinity)
})

t.test('gcra: asking often takes nothing away from what drains', async (t) => {
  const rate = { quota: 1, windowMs: 2_592_000_000, burst: 1 }
  const gcra = createGcra()
  admitGcra(gcra, 1_000, rate, 1)
  for (let now = 1_000; now < 2_592_000_000; now += 864_000) {
    settleGcra(gcra, now)
    if (waitGcraMs(gcra, now, rate, 1) === 0) t.fail('too early')
  }
  t.equal(waitGcraMs(gcra, 2_592_001_000, rate, 1), 0)
})

t.test('gcra: a clock that goes back refills nothing', async (t) => {
  const rate = { quota: 10, windowMs: 1_000, burst: 2 }
  const gcra = createGcra()
  admitGcra(gcra, 100_000, rate, 2)
  settleGcra(gcra, 50_000)
  t.equal(waitGcraMs(gcra, 50_000, rate, 1), 100)
  t.equal(waitGcraMs(gcra, 50_100, rate, 1), 0)
})

t.test('calendar: periods are of UTC, follow each other without a gap, and hold the moment', async (t) => {
  const iso = (period: Period, at: string): string[] => {
    const { startMs, endMs } = spanOf(period, Date.parse(at))
    return [startMs, endMs].map((ms) => new Date(ms).toISOString())
  }
  t.same(iso('hour', '2031-03-30T01:59:59.999Z'), ['2031-03-30T01:00:00.000Z', '2031-03-30T02:00:00.000Z'])
  t.same(iso('day', '2031-03-30T00:00:00.000Z'), ['2031-03-30T00:00:00.000Z', '2031-03-31T00:00:00.000Z'])
  t.same(iso('month', '2032-02-29T23:59:59.999Z'), ['2032-02-01T00:00:00.000Z', '2032-03-01T00:00:00.000Z'])
  t.same(iso('month', '2031-12-31T23:59:59.999Z'), ['2031-12-01T00:00:00.000Z', '2032-01-01T00:00:00.000Z'])
  fc.assert(fc.property(fc.constantFrom<Period>('hour', 'day', 'month'), fc.integer({ min: 0, max: 4e12 }), (period, at) => {
    const { startMs, endMs } = spanOf(period, at)
    return startMs <= at && at < endMs && spanOf(period, endMs).startMs === endMs && spanOf(period, endMs - 1).startMs === startMs
  }))
})

t.test('blocks: never more than an equal part of half of what is left, nor than is in demand', async (t) => {
  t.equal(blockExtra(100, 2, 1_000), 25)
  t.equal(blockExtra(100, 2, 3), 3)
  t.equal(blockExtra(3, 2, 3), 0)
  t.equal(blockExtra(-1, 1, 3), 0)
  for (const nodes of [1, 0]) t.equal(blockExtra(100, nodes, 1_000), 50, 'a node that knows of none is one')
})

const charge = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: 'k', quota: 100, windowMs: 60_000, cost: 1, ...changes })

t.test('leases: only of fast limits, no longer than a tenth of the window, and never above what they are counted with', async (t) => {
  t.equal(leasePlanOf(charge()).leaseMs, 0, '100 a minute are asked for one by one')
  t.same(leasePlanOf(charge({ quota: 60_000 })), { leaseMs: LEASE_MS, units: 200, windowMs: 60_250, burst: 60_000 })
  t.same(leasePlanOf(charge({ quota: 1_000, windowMs: 1_000 })), { leaseMs: 100, units: 100, windowMs: 1_100, burst: 1_000 })
  t.same(leasePlanOf(charge({ quota: 60_000, algorithm: 'gcra', burst: 10_000 })), { leaseMs: LEASE_MS, units: 200, windowMs: 60_000, burst: 9_750 })
  t.equal(leasePlanOf(charge({ quota: 60_000, algorithm: 'gcra', burst: 100 })).leaseMs, 0, 'a small burst leaves no room for them')
  t.same([599, 600].map((quota) => leasePlanOf(charge({ quota })).units), [0, 2], 'two units are the smallest lease')
  t.same([199, 200, 209].map((windowMs) => leasePlanOf(charge({ quota: 1_000, windowMs })).leaseMs), [0, 20, 20], 'and 20 ms the shortest')
  t.same([2_499, 2_500].map((burst) => leasePlanOf(charge({ quota: 60_000, algorithm: 'gcra', burst })).burst), [2_499, 2_250], 'a tenth of the burst is kept back at most')
  t.equal(leasePlanOf(charge({ quota: 60_001, algorithm: 'gcra', burst: 10_000 })).burst, 9_749, 'what is kept back is rounded up')
  t.equal(guaranteeOf(charge({ quota: 60_001 }), 3).earlyBy, 851, 'and what is told of it')
  t.same(createDemand(), { sinceMs: -Infinity, current: 0, before: 0 })
  t.same(guaranteeOf(charge(), 3), { guarantee: 'exact', earlyBy: 0 })
  t.same(guaranteeOf(charge({ quota: 60_000 }), 3), { guarantee: 'leased', earlyBy: 850 })
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 2_592_000 }), (quota, seconds) => {
    const { leaseMs, units, windowMs } = leasePlanOf(charge({ quota, windowMs: seconds * 1000 }))
    return leaseMs * 10 <= seconds * 1000 && units <= quota / 10 && windowMs === seconds * 1000 + leaseMs
  }))
})

t.test('leases: as large as the demand of the last two periods, none when that was little', async (t) => {
  const plan = leasePlanOf(charge({ quota: 60_000 }))
  const demand = createDemand()
  for (let n = 0; n < 7; n += 1) noteDemand(demand, 1_000, 1)
  t.equal(wantOf(demand, plan), 0)
  noteDemand(demand, 1_000, 1)
  t.equal(wantOf(demand, plan), 8)
  noteDemand(demand, 1_000 + LEASE_MS, 1)
  t.equal(wantOf(demand, plan), 8, 'the period before counts')
  noteDemand(demand, 1_000 + 3 * LEASE_MS, 1)
  t.equal(wantOf(demand, plan), 0, 'an idle period does not')
  noteDemand(demand, 1_000 + 3 * LEASE_MS, 900)
  t.equal(wantOf(demand, plan), 200)
  for (const [afterMs, want] of [[2 * LEASE_MS - 1, 8], [2 * LEASE_MS, 0]] as const) {
    const paused = createDemand()
    noteDemand(paused, 1_000, 8)
    noteDemand(paused, 1_000 + afterMs, 1)
    t.equal(wantOf(paused, plan), want, `what was spent ${afterMs} ms ago`)
  }
})

t.test('limits as written: each mistake has its place', async (t) => {
  const calls = { name: 'calls', quota: 5, windowSeconds: 60 }
  t.same(limitMistakes([calls, { name: 'day', quota: 5, algorithm: 'calendar', period: 'day' }, { ...calls, name: 'even', algorithm: 'gcra', burst: 2 }]), [])
  t.same(limitMistakes([calls, { name: 'day', quota: 5, algorithm: 'calendar' }, calls]), [{ path: '/limits/1', message: 'period is missing' }, { path: '/limits', message: 'must have different names' }])
  t.same(limitMistakes([{ name: 'a', quota: 1 }, { ...calls, burst: 1 }, { ...calls, period: 'day' }, { ...calls, algorithm: 'calendar', period: 'day' }]).map(({ path }) => path), ['/limits/0', '/limits/1', '/limits/2', '/limits/3', '/limits'])
})

t.test('limits as written: a key\'s own, its owner\'s, and those of one request', async (t) => {
  const key = { ownerId: 'o', limitGroupId: 'g', limits: [{ name: 'calls', quota: 5, windowSeconds: 60 }], ownerLimits: [{ name: 'all', quota: 9, algorithm: 'calendar', period: 'day' } as const] }
  const bound = limitsOfKey(key)
  t.same(bound.limits.map(({ name }) => name), ['calls', 'owner:all'])
  t.same(bound.charges.map((one) => one.key), ['key:{o}:g:calls', 'owner:{o}:all'])
  t.equal(forRequest(bound, key, 1), bound, 'the usual request allocates nothing')
  t.same(forRequest(bound, key, 3).charges.map(({ cost }) => cost), [3, 3])
  const named = forRequest(bound, key, 2, [{ name: 'owner:all', quota: 1 }, { name: 'calls', cost: 3, quota: 4 }, { name: 'new', quota: 4, windowSeconds: 1 }])
  t.same(named.charges.map(({ quota, cost }) => [quota, cost]), [[4, 3], [1, 2], [4, 2]])
  t.same(named.charges[1]?.period, 'day')
  const even = limitsOfKey({ ...key, limits: [{ name: 'even', quota: 5, windowSeconds: 60, algorithm: 'gcra', burst: 3 }] })
  for (const [of, override] of [
    [bound, { name: 'calls', quota: 6 }], [bound, { name: 'calls', cost: 0 }], [bound, { name: 'calls', cost: 1 }], [bound, { name: 'owner:all', cost: 0 }], [bound, { name: 'owner:all', quota: 10 }],
    [bound, { name: 'calls', windowSeconds: 61 }], [bound, { name: 'calls', windowSeconds: 59 }], [bound, { name: 'calls', algorithm: 'gcra' }], [bound, { name: 'calls', algorithm: 'calendar', period: 'day' }],
    [bound, { name: 'owner:all', period: 'hour' }], [bound, { name: 'owner:all', windowSeconds: 60 }], [bound, { name: 'calls', burst: 9 }], [bound, { name: 'new', quota: 1, windowSeconds: 1, cost: 0 }],
    [even, { name: 'even', burst: 4 }], [even, { name: 'even', quota: 6 }],
  ] as const) t.throws(() => forRequest(of, key, 2, [override]), { code: 'access.denied' }, JSON.stringify(override))
  t.throws(() => forRequest(bound, key, 2, [{ name: 'calls', cost: 4 }, { name: 'calls', cost: 3 }]), { code: 'access.denied' }, 'nor what was lowered just before')
  t.same(forRequest(even, key, 1, [{ name: 'even', burst: 2, quota: 4 }]).charges[0], { ...even.charges[0], burst: 2, quota: 4 })
  t.throws(() => forRequest(bound, key, 1, [{ name: 'new' }]), { code: 'request.invalid' })
  t.throws(() => forRequest(bound, key, 1, [{ name: 'new', quota: 3 }]), { code: 'request.invalid' })
  t.same(reportOf({ limits: key.limits, charges: [chargeOf('k', { name: 'calls', quota: 5, windowSeconds: 60 })] }, [{ remaining: 2, resetMs: 1_001 }], () => ({ guarantee: 'exact', earlyBy: 0 })),
    [{ name: 'calls', quota: 5, remaining: 2, resetSeconds: 2, guarantee: 'exact', earlyBy: 0, windowSeconds: 60 }])
})

t.test('plans: by name the largest of all roles, the base role\'s among them; what cannot be read denies beside the rest', async (t) => {
  const calls = (quota: number, more: object = {}) => ({ name: 'calls', quota, windowSeconds: 60, ...more })
  t.same(planOfRoles([]), [])
  t.same(planOfRoles([[calls(5)], [calls(50), { name: 'day', quota: 9, algorithm: 'calendar', period: 'day' }], [calls(7)]]), [calls(50), { name: 'day', quota: 9, algorithm: 'calendar', period: 'day' }])
  t.same(planOfRoles([[calls(5, { algorithm: 'gcra', burst: 2 })], [calls(5, { algorithm: 'gcra', burst: 9 })], [calls(5, { algorithm: 'gcra' })]]), [calls(5, { algorithm: 'gcra', burst: 9 })])
  const [slow, sudden] = [calls(9, { algorithm: 'gcra', burst: 1 }), calls(5, { algorithm: 'gcra', burst: 8 })]
  for (const roles of [[[slow], [sudden]], [[sudden], [slow]]]) t.same(planOfRoles(roles), [slow], 'the quota first, the burst between equal ones')
  t.same(planOfRoles([[calls(1)], [calls(2)]]), [calls(2)], 'the smallest is a limit like others')
  t.same(planOfRoles([[calls(5)], [calls(90, { windowSeconds: 61 })]]).map(({ quota }) => quota), [5, 90], 'two kinds of one name, typed by hand: both hold')
  for (const bad of ['none', {}, [null], [{ name: 'calls', quota: 1e99, windowSeconds: 1 }]]) {
    t.ok(planOfRoles([[calls(5, { windowSeconds: 1 })], bad]).some(({ quota }) => quota === 0), JSON.stringify(bad))
  }
  const names = (count: number) => [Array.from({ length: count }, (_, at) => calls(5, { name: `n${at}` }))]
  t.equal(planOfRoles([...names(10), ...names(40).map((list) => list.slice(10, 25)), ...names(40).map((list) => list.slice(25))]).length, 40)
  t.same(planOfRoles(Array.from({ length: 41 }, (_, at) => [calls(5, { name: `n${at}` })])).map(({ quota }) => quota), [0], 'more than can be decided deny')
  const bound = limitsOfOwner({ ownerId: 'o', ownerLimits: [calls(3)], plan: planOfRoles([[calls(5)], [calls(50)]]) })
  t.same(bound.charges.map(({ key, quota }) => [key, quota]), [['owner:{o}:calls', 3], ['plan:{o}:calls', 50]], 'each on a counter of owner and name alone')
  t.same(bound.limits.map(({ name }) => name), ['owner:calls', 'plan:calls'])
})

t.test('plans as written: attempt 72, one name counts alike in all roles; and no role limits what the base role does not', async (t) => {
  const calls = { name: 'calls', quota: 5, windowSeconds: 60 }
  const member = { name: 'member', limits: [calls] }
  const pro = { name: 'pro', limits: [{ ...calls, quota: 500 }] }
  const refuses = (plan: Parameters<typeof checkPlan>[0], roles: Parameters<typeof checkPlan>[1], path = '/limits/0') =>
    t.throws(() => checkPlan(plan, roles, 'member'), { code: 'request.invalid', errors: [{ path }] })
  t.doesNotThrow(() => checkPlan(member, [], 'member'))
  t.doesNotThrow(() => checkPlan(pro, [member], 'member'))
  t.doesNotThrow(() => checkPlan({ ...pro, limits: [] }, [member, pro], 'member'), 'a role without a plan has the base plan')
  for (const other of [{ windowSeconds: 61 }, { algorithm: 'gcra' as const }]) {
    refuses({ name: 'pro', limits: [{ ...calls, ...other }] }, [member])
    refuses({ name: 'member', limits: [{ ...calls, ...other }] }, [member, pro])
  }
  refuses({ name: 'pro', limits: [{ name: 'calls', quota: 5, algorithm: 'calendar', period: 'day' }] }, [member, { name: 'x', limits: [{ name: 'calls', quota: 5, algorithm: 'calendar', period: 'hour' }] }])
  refuses({ name: 'pro', limits: [{ ...calls, name: 'exports' }] }, [member])
  refuses({ name: 'pro', limits: [calls] }, [])
  refuses({ name: 'member', limits: [] }, [member, pro], '/limits')
  t.doesNotThrow(() => checkPlan({ name: 'member', limits: [] }, [member, { ...pro, limits: [] }], 'member'))
  const many = Array.from({ length: 20 }, (_, at) => ({ ...calls, name: `n${at}` }))
  refuses({ name: 'member', limits: [...many, calls] }, [], '/limits')
  t.doesNotThrow(() => checkPlan({ name: 'member', limits: many }, [], 'member'), 'twenty names')
  refuses({ name: 'member', limits: [{ ...calls, name: 'exports' }] }, [member, pro], '/limits')
})

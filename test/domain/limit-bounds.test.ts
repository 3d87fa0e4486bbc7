// The arithmetic of limits at its corners: exact against whole numbers of any size, and the same few operations whatever is asked.
import fc from 'fast-check'
import t from 'tap'
import { admitGcra, createGcra, MOST_LEVEL, type Rate, remainingGcra, resetGcraMs, settleGcra, waitGcraMs } from '../../src/limits/algorithms/gcra.js'
import { createDemand, guaranteeOf, noteDemand, leasePlanOf } from '../../src/limits/stores/lease.js'
import { drainsInTime, isCost, isUnits, isWindowMs, MOST_LIMITS, MOST_MS, MOST_UNITS, MOST_WINDOW_SECONDS } from '../../src/limits/limit-bounds.js'
import { checkLimits, limitMistakes, limitsOfKey, readLimits } from '../../src/limits/limit-rules.js'
import { createMemoryLimitStore } from '../../src/limits/stores/memory-limit-store.js'
import { createSoundLimitStore, isSound } from '../../src/limits/stores/sound-limit-store.js'
import { admit, createWindow, MOST_BUCKETS, advance, waitMs } from '../../src/limits/algorithms/window.js'
import type { LimitCharge, LimitStore } from '../../src/shared-store/shared-store.js'
import { fakeClock } from '../support/clock.js'
import { soundCharges, UNITS, WINDOWS_MS } from '../support/limits.js'

const rates = fc.record({ quota: fc.constantFrom(...UNITS), windowMs: fc.constantFrom(...WINDOWS_MS), burst: fc.constantFrom(...UNITS) })
  .filter((rate) => isSound({ key: 'k', cost: 1, algorithm: 'gcra', ...rate }))
const steps = fc.array(fc.record({ cost: fc.constantFrom(...UNITS), afterMs: fc.constantFrom(0, 1, 2, 999, 2_147_483_648, 2_592_000_000, 999_999_999_999) }), { minLength: 1, maxLength: 12 })

/** What gcra.ts promises, in whole numbers without end. */
function exactly({ quota, windowMs, burst }: Rate) {
  const [q, w, unit] = [BigInt(quota), BigInt(windowMs), 1_000_000n]
  let [level, at] = [0n, 0n]
  const levelAt = (now: bigint): bigint => {
    const left = level - (now - at) * q * unit / w
    return left > 0n ? left : 0n
  }
  const until = (amount: bigint): bigint => (amount * w + q * unit - 1n) / (q * unit)
  const inTime = (ms: bigint): number => Math.min(MOST_MS, Number(ms))
  return {
    remaining: (now: bigint) => Number((BigInt(burst) * unit - levelAt(now)) / unit),
    wait(now: bigint, cost: number) {
      if (levelAt(now) + BigInt(cost) * unit <= BigInt(burst) * unit) return 0
      return cost > burst ? Infinity : inTime(at + until(level + BigInt(cost - burst) * unit) - now)
    },
    reset: (now: bigint) => (levelAt(now) === 0n ? 0 : inTime(at + until(level) - now)),
    admit(now: bigint, cost: number) {
      level = levelAt(now) + BigInt(cost) * unit
      at = now
    },
  }
}

t.test('the bounds are the documented ones, and each holds to the last unit', async (t) => {
  t.same([MOST_UNITS, MOST_WINDOW_SECONDS, MOST_MS, MOST_LIMITS], [1_000_000_000, 2_592_000, 1_000_000_000_000, 40])
  const full = createGcra()
  for (let n = 0; n < 3; n += 1) admitGcra(full, 0, { quota: 1, windowMs: 1_000, burst: MOST_UNITS }, MOST_UNITS)
  t.same([full.level, MOST_LEVEL], [2e15, 2e15], 'two of the largest bursts, and no more')
  for (const [is, least, most] of [[isUnits, 1, 1_000_000_000], [isCost, 0, 1_000_000_000], [isWindowMs, 1, 2_592_000_000]] as const) {
    t.same([least - 1, least, least + 0.5, most, most + 1].map(is), [false, true, false, true, false])
    for (const odd of [NaN, Infinity, '5', null, undefined, 5n, [5]]) t.notOk(is(odd))
  }
  t.ok(drainsInTime({ quota: 1, windowMs: 1_000, burst: 1_000_000_000 }))
  t.notOk(drainsInTime({ quota: 1, windowMs: 1_001, burst: 1_000_000_000 }))
  t.ok(drainsInTime({ quota: 3, windowMs: 2_592_000_000 }), 'without a burst it is the quota')
})

t.test('gcra at its corners: what is left, the wait and the reset are exact, whatever the numbers', async (t) => {
  let decided = 0
  fc.assert(fc.property(rates, steps, (rate, taken) => {
    const [gcra, exact] = [createGcra(), exactly(rate)]
    let now = 1_800_000_000_000
    return taken.every(({ cost, afterMs }) => {
      now += afterMs
      settleGcra(gcra, now)
      decided += 1
      const wait = waitGcraMs(gcra, now, rate, cost)
      const right = wait === exact.wait(BigInt(now), cost)
      if (wait === 0) {
        admitGcra(gcra, now, rate, cost)
        exact.admit(BigInt(now), cost)
      }
      return right && remainingGcra(gcra, now, rate) === exact.remaining(BigInt(now)) && resetGcraMs(gcra, now, rate) === exact.reset(BigInt(now))
    })
  }), { numRuns: 3_000 })
  t.ok(decided > 3_000)
})

t.test('gcra: a meter that was filled under a far higher rate, or told of more than fits, answers a wait that ends', async (t) => {
  const gcra = createGcra()
  for (let n = 0; n < 5; n += 1) admitGcra(gcra, 1_000, { quota: MOST_UNITS, windowMs: 1_000, burst: MOST_UNITS }, MOST_UNITS)
  t.equal(gcra.level, MOST_LEVEL)
  const low = { quota: 1, windowMs: 2_592_000_000, burst: 1 }
  t.equal(waitGcraMs(gcra, 1_000, low, 1), MOST_MS)
  t.equal(resetGcraMs(gcra, 1_000, low), MOST_MS)
  t.equal(remainingGcra(gcra, 1_000, low), 0)
})

t.test('window: at most 60 buckets also where its length changes with every request, and what is counted is never forgotten early', async (t) => {
  const window = createWindow()
  for (let n = 0; n < 1_000; n += 1) {
    const windowMs = n % 2 ? 1_000 : MOST_MS
    advance(window, n * 100, MOST_MS)
    admit(window, n * 100, windowMs, MOST_UNITS)
  }
  t.equal(window.count.length, MOST_BUCKETS)
  t.equal(window.used, 1_000 * MOST_UNITS)
  t.equal(waitMs(window, 100_000, MOST_MS, 1, 1), 99_900 + MOST_MS - 100_000)
})

t.test('leases and demand stay whole numbers within bounds', async (t) => {
  fc.assert(fc.property(soundCharges, (charge) => {
    const { leaseMs, units, windowMs, burst } = leasePlanOf(charge)
    const { earlyBy } = guaranteeOf(charge, 1_000)
    return [leaseMs, units, windowMs, burst, earlyBy].every((value) => Number.isSafeInteger(value) && value >= 0) && earlyBy <= charge.quota
  }), { numRuns: 500 })
  const demand = createDemand()
  for (let n = 0; n < 100; n += 1) noteDemand(demand, 1_000, MOST_UNITS)
  t.equal(demand.current, MOST_UNITS)
})

t.test('every entrance refuses what could not be decided exactly', async (t) => {
  const gcra = { name: 'g', algorithm: 'gcra' as const }
  for (const limit of [
    { ...gcra, quota: 1, windowSeconds: 2_592_000, burst: MOST_UNITS }, { ...gcra, quota: 1, windowSeconds: 2_591_999, burst: MOST_UNITS },
    { ...gcra, quota: 3, windowSeconds: 2_591_992, burst: 1_158 }, { ...gcra, quota: 1, windowSeconds: 2, burst: 2 ** 31 }, { name: 'w', quota: 2 ** 31, windowSeconds: 1 },
    { name: 'w', quota: 1.5, windowSeconds: 1 }, { name: 'w', quota: 1, windowSeconds: 2_592_001 }, { name: 'c', algorithm: 'calendar' as const, period: 'day' as const, quota: 0 },
  ]) {
    t.same(limitMistakes([limit]).map(({ path }) => path), ['/limits/0'], JSON.stringify(limit))
    t.throws(() => checkLimits([limit]), { code: 'request.invalid' })
  }
  t.same(limitMistakes([{ ...gcra, quota: 3, windowSeconds: 2_591_992, burst: 1_157 }, { name: 'w', quota: MOST_UNITS, windowSeconds: 2_592_000 }]), [])
})

t.test('a row that is already stored and cannot be decided denies, with one log line, and counts nothing', async (t) => {
  const good = [{ name: 'calls', quota: 5, windowSeconds: 60 }]
  t.equal(readLimits(good), good, 'a good list is the same list')
  const rows: unknown[] = [
    null, 'none', {}, 7, [null], [[]], [{}], ['x'], [{ name: 'calls', quota: '5', windowSeconds: 60 }], [{ name: 'a"b', quota: 5, windowSeconds: 60 }], [{ ...good[0], quota: -1 }],
    [{ ...good[0], quota: 1e308 }], [{ ...good[0], windowSeconds: 0 }], [{ ...good[0], algorithm: 'none' }], [{ ...good[0], algorithm: 'gcra', quota: 1, burst: MOST_UNITS, windowSeconds: 2_592_000 }],
    [{ name: 'c', quota: 5, algorithm: 'calendar', period: 'year' }], Array.from({ length: 100_000 }, (_, at) => ({ name: `n${at}`, quota: 5, windowSeconds: 60 })),
  ]
  for (const stored of rows) {
    const lines: object[] = []
    const counted: LimitStore = { take: () => t.fail('counted') as never, guarantee: () => t.fail('asked') as never }
    const store = createSoundLimitStore({ counters: counted, clock: fakeClock(), log: { warn: (details) => lines.push(details) } })
    const { charges, limits } = limitsOfKey({ ownerId: 'o', limitGroupId: 'g', limits: good, ownerLimits: stored as never })
    t.match(limits.at(-1)?.name, /^owner:[a-z]+$/)
    for (let n = 0; n < 3; n += 1) t.match(store.take(charges), { allowed: false, retryAfterMs: Infinity })
    t.equal(lines.length, 1, JSON.stringify(stored)?.slice(0, 80))
  }
})

t.test('charges past the bounds are denied wherever they come from; within them the counters decide', async (t) => {
  const clock = fakeClock()
  const store = createSoundLimitStore({ counters: createMemoryLimitStore({ clock }), clock, log: { warn: () => undefined } })
  const charge: LimitCharge = { key: 'k', quota: 5, windowMs: 60_000, cost: 1 }
  for (const change of [{ cost: -1 }, { cost: 0.5 }, { cost: MOST_UNITS + 1 }, { cost: NaN }, { quota: 0 }, { quota: Infinity }, { windowMs: 0 }, { windowMs: 2_592_000_001 }, { windowMs: 0.1 }, { algorithm: 'gcra', burst: 0 }] as const) {
    t.match(store.take([charge, { ...charge, ...change }]), { allowed: false }, JSON.stringify(change))
  }
  t.match(store.take([charge]), { allowed: true, states: [{ remaining: 4 }] })
  t.same(store.guarantee({ ...charge, quota: NaN }), { guarantee: 'exact', earlyBy: 0 })
})

t.test('what is spent stays spent in memory, whatever else is counted: when all counters are in use the new ones are refused', async (t) => {
  for (const algorithm of ['window', 'gcra'] as const) {
    const clock = fakeClock()
    const full: string[] = []
    const store = createMemoryLimitStore({ clock, maxCounters: 100, onFull: (kind) => full.push(kind) })
    const charge = (key: string, changes: Partial<LimitCharge> = {}): LimitCharge => ({ key, quota: 3, windowMs: 60_000, cost: 1, algorithm, ...changes })
    const spent = ['key:{o}:spent', 'public:spent', 'gate:address:{spent}', 'ns:{spent}']
    for (const key of spent) t.equal(store.take([charge(key, { cost: 3 })]).allowed, true)
    t.equal(store.take([charge('key:{o}:light')]).allowed, true)
    const admitted = { key: 0, public: 0, 'gate:address': 0, ns: 0 }
    for (const kind of ['public', 'gate:address', 'ns'] as const) {
      for (let n = 0; n < 1_000; n += 1) {
        clock.advance(1)
        if (store.take([charge(`${kind}:{flood ${n}}`)]).allowed) admitted[kind] += 1
      }
    }
    t.equal(store.take([charge('key:{o}:another')]).allowed, true, 'a flood of strangers and identifiers refuses no customer')
    for (let n = 0; n < 1_000; n += 1) if (store.take([charge(`key:{o}:${n}`)]).allowed) admitted.key += 1
    t.same(admitted, { key: 97, public: 98, 'gate:address': 0, ns: 99 }, 'as many as there was room for')
    t.ok(store.size() <= 300)
    t.ok(full.includes('customers') && full.includes('strangers') && full.includes('named'))
    for (const key of spent) t.equal(store.take([charge(key)]).allowed, false, `${key} is spent`)
    t.match(store.take([charge('key:{o}:light', { cost: 3 })]), { allowed: false, states: [{ remaining: 2 }] })
    t.match(store.take([charge('key:{o}:late')]), { allowed: false, retryAfterMs: 1_000 })
    t.match(store.take([charge('key:{o}:late', { cost: 0 })], true), { allowed: false }, 'nor does a dry run promise what has no room')
    clock.advance(120_000 + 1_000)
    t.equal(store.take([charge('key:{o}:late')]).allowed, true, 'what is over makes room')
    for (let n = 0; n < 1_000; n += 1) store.take([charge(`key:{o}:again ${n}`, { cost: 0 })])
    t.ok(store.size() <= 300, 'a look keeps nothing')
  }
})

t.test('a copy of what Redis counts makes room; without Redis what was forgotten is refused until it is over, never counted anew', async (t) => {
  const clock = fakeClock()
  const store = createMemoryLimitStore({ clock, maxCounters: 100 })
  const charge = (key: string): LimitCharge => ({ key, quota: 1, windowMs: 60_000, cost: 1 })
  for (let n = 0; n < 200; n += 1) store.note([charge(`key:{${n}}`)], store.now())
  t.equal(store.size(), 100)
  const alone = { nodes: 1, outage: { id: 1, sinceMs: store.now() } }
  for (let n = 0; n < 200; n += 1) t.equal(store.takeShare([charge(`key:{${n}}`)], alone).allowed, false)
  clock.advance(60_000)
  t.equal(store.takeShare([charge('key:{0}')], alone).allowed, true)
})

// The sliding window against an exact log of admissions: never above the quota, seldom far below it, and honest about the wait.
import fc from 'fast-check'
import t from 'tap'
import { admit, advance, createWindow, MOST_BUCKETS, refund, resetMs, waitMs, type Window } from '../../src/limits/algorithms/window.js'

interface Step {
  afterMs: number
  cost: number
}

const steps = (longestMs: number) => fc.array(fc.record({ afterMs: fc.nat({ max: longestMs }), cost: fc.integer({ min: 1, max: 4 }) }), { minLength: 1, maxLength: 300, size: 'max' })
const windows = fc.record({ windowMs: fc.integer({ min: 1, max: 100_000 }), quota: fc.integer({ min: 1, max: 40 }) })

/** Runs the steps and returns what was admitted. */
function run(window: Window, { windowMs, quota }: { windowMs: number; quota: number }, taken: Step[], each?: (now: number, admitted: boolean, step: Step) => void) {
  const log: { at: number; cost: number }[] = []
  let now = 1_000_000
  for (const step of taken) {
    now += step.afterMs
    advance(window, now, windowMs)
    const admitted = waitMs(window, now, windowMs, quota, step.cost) === 0
    if (admitted) {
      admit(window, now, windowMs, step.cost)
      log.push({ at: now, cost: step.cost })
    }
    each?.(now, admitted, step)
  }
  return log
}

t.test('no window of that length, ending at any admission, ever holds more than the quota', async (t) => {
  fc.assert(fc.property(windows, fc.tuple(fc.integer({ min: 1, max: 50 }), steps(5_000)), (limit, [divisor, taken]) => {
    const scaled = taken.map(({ afterMs, cost }) => ({ afterMs: Math.floor(afterMs * limit.windowMs / (5_000 * divisor)), cost }))
    const log = run(createWindow(), limit, scaled)
    for (const { at: end } of log) {
      const inside = log.filter(({ at }) => at > end - limit.windowMs && at <= end).reduce((sum, { cost }) => sum + cost, 0)
      if (inside > limit.quota) return false
    }
    return true
  }), { numRuns: 300 })
  t.pass('300 runs')
})

t.test('a refusal is right about the exact log over a window one bucket longer', async (t) => {
  fc.assert(fc.property(windows, steps(3_000), (limit, taken) => {
    const log: { at: number; cost: number }[] = []
    let right = true
    const slack = Math.ceil(limit.windowMs / 59)
    run(createWindow(), limit, taken, (now, admitted, { cost }) => {
      if (admitted) {
        log.push({ at: now, cost })
        return
      }
      const inside = log.filter(({ at }) => at > now - limit.windowMs - slack).reduce((sum, one) => sum + one.cost, 0)
      if (inside + cost <= limit.quota) right = false
    })
    return right
  }), { numRuns: 300 })
  t.pass('300 runs')
})

t.test('never more than 60 buckets, and `used` is their sum', async (t) => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(fc.nat({ max: 200 }), { maxLength: 300, size: 'max' }), (windowMs, gaps) => {
    const window = createWindow()
    let now = 0
    return gaps.every((gap) => {
      now += gap
      advance(window, now, windowMs)
      admit(window, now, windowMs, 1)
      const { first, last, count, used } = window
      return first.length <= 60 && last.length === first.length && count.length === first.length && count.reduce((a, b) => a + b, 0) === used
    })
  }), { numRuns: 300 })
  t.pass('300 runs')
})

t.test('60 buckets at most, at the pace that opens them fastest', async (t) => {
  const windowMs = 590_000
  let most = 0
  for (let gap = 9_000; gap <= 10_100; gap += 20) {
    const window = createWindow()
    for (let now = 0; now < 3 * windowMs; now += gap) {
      advance(window, now, windowMs)
      admit(window, now, windowMs, 1)
      most = Math.max(most, window.count.length)
    }
  }
  t.ok(most === 59 || most === 60, String(most))
})

t.test('what was refused fits exactly after the wait that was told, and not a millisecond sooner', async (t) => {
  fc.assert(fc.property(windows, steps(2_000), (limit, taken) => {
    const window = createWindow()
    let right = true
    run(window, limit, taken, (now, admitted, { cost }) => {
      if (admitted || cost > limit.quota) return
      const ms = waitMs(window, now, limit.windowMs, limit.quota, cost)
      for (const [later, fits] of [[ms - 1, false], [ms, true]] as const) {
        const copy: Window = { first: [...window.first], last: [...window.last], count: [...window.count], used: window.used }
        advance(copy, now + later, limit.windowMs)
        right &&= (copy.used + cost <= limit.quota) === fits
      }
    })
    return right
  }), { numRuns: 300 })
  t.pass('300 runs')
})

t.test('whole again after resetMs, which is never longer than the window', async (t) => {
  const window = createWindow()
  t.equal(resetMs(window, 5, 1_000), 0)
  admit(window, 10, 1_000, 3)
  t.equal(resetMs(window, 10, 1_000), 1_000)
  t.equal(resetMs(window, 400, 1_000), 610)
  advance(window, 1_009, 1_000)
  t.equal(window.used, 3)
  advance(window, 1_010, 1_000)
  t.same([window.used, window.count.length, resetMs(window, 1_010, 1_000)], [0, 0, 0])
})

t.test('a cost above the quota never fits, whatever is left', async (t) => {
  t.equal(waitMs(createWindow(), 0, 1_000, 5, 6), Infinity)
  t.equal(waitMs(createWindow(), 0, 1_000, 0, 1), Infinity)
  t.equal(waitMs(createWindow(), 0, 1_000, 5, 5), 0)
})

t.test('a clock that goes back denies for one window at most, and refills nothing', async (t) => {
  const window = createWindow()
  for (const at of [100_000, 101_000, 102_000]) admit(window, at, 10_000, 1)
  advance(window, 50_000, 10_000)
  t.same(window, { first: [50_000], last: [50_000], count: [3], used: 3 }, 'all of it counts as of now')
  t.equal(waitMs(window, 50_000, 10_000, 3, 1), 10_000)
  advance(window, 60_000, 10_000)
  t.equal(window.used, 0)
  const between = createWindow()
  for (const at of [100_000, 105_000]) admit(between, at, 10_000, 1)
  advance(between, 105_000, 10_000)
  t.equal(between.first.length, 2, 'a clock that stands still has not gone back')
  advance(between, 103_000, 10_000)
  t.equal(waitMs(between, 103_000, 10_000, 2, 1), 10_000, 'also by less than all of it')
})

t.test('what is taken back comes out of the bucket it went into, never more than is in it, and nothing once that has gone', async (t) => {
  const window = createWindow()
  for (const [at, cost] of [[1_000, 1], [1_500, 4], [2_000, 2]] as const) admit(window, at, 10_000, cost)
  refund(window, 1_500, 3)
  t.same([window.count, window.used], [[1, 1, 2], 4])
  refund(window, 1_500, 3)
  t.same([window.count, window.used], [[1, 0, 2], 3])
  for (const gone of [1_500, 1_501, 999]) {
    refund(window, gone, 1)
    t.same([window.count, window.used], [[1, 0, 2], 3])
  }
  t.equal(resetMs(window, 2_500, 10_000), 9_500, 'whole when the newest has gone')
  refund(window, 2_000, 2)
  refund(window, 1_000, 1)
  t.same([window.used, resetMs(window, 2_000, 10_000)], [0, 0], 'nothing is counted: whole at once')
  t.equal(waitMs(window, 2_000, 10_000, 5, 5), 0)
})

t.test('a bucket takes what comes within a fifty-ninth of the window, and the last of sixty takes everything', async (t) => {
  t.equal(MOST_BUCKETS, 60)
  const window = createWindow()
  for (const at of [0, 99, 100, 199, 200]) admit(window, at, 5_900, 1)
  t.same(window, { first: [0, 100, 200], last: [99, 199, 200], count: [2, 2, 1], used: 5 })
  const odd = createWindow()
  for (const at of [0, 100, 101]) admit(odd, at, 5_901, 1)
  t.same(odd.count, [2, 1], 'rounded up where it is no whole number')
  advance(window, 5_998, 5_900)
  t.equal(window.count.length, 3)
  advance(window, 5_999, 5_900)
  t.same(window, { first: [100, 200], last: [199, 200], count: [2, 1], used: 3 }, 'it goes when its last one has left, and takes no other with it')
  t.equal(waitMs(window, 5_999, 5_900, 3, 2), 199 + 5_900 - 5_999)
})

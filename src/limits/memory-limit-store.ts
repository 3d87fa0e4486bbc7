// Limits counted in this process: the whole truth without Redis, this node's share of it while Redis is lost, and beside a
// healthy Redis a record of what this node let through. Bounded: a flood of new keys pushes out expired and light counters first.
import type { Clock } from '../kernel/clock.js'
import type { Guarantee, LimitCharge, LimitDecision, LimitStore } from '../redis/fast.js'
import { admitCounter, type Counter, counterName, counterWaitMs, createCounter, mostAtOnce, settleCounter, stateOf, weight } from './counter.js'

export interface MemoryLimitStore extends LimitStore {
  take: (charges: readonly LimitCharge[], dryRun?: boolean) => LimitDecision
  /** Whole milliseconds of the clock these counters run on. */
  now: () => number
  /** Would `take` allow it? Charges nothing. */
  fits: (charges: readonly LimitCharge[]) => boolean
  /** `take` for one of `nodes` that each get an equal, rounded-down share of every quota. */
  takeShare: (charges: readonly LimitCharge[], nodes: number, dryRun?: boolean) => LimitDecision
  /** Counts charges that were allowed elsewhere at `at` (see `now`). False, and nothing counted, when they do not fit here. */
  record: (charges: readonly LimitCharge[], at: number) => boolean
  /** `record` without the question, right after `fits` said yes. */
  note: (charges: readonly LimitCharge[], at: number) => void
  /** counters held */
  size: () => number
}

const SAMPLE = 16
// A share rounded down may be too small for ever, but the outage is not: worth asking again when Redis may be back.
const SHARE_RETRY_MS = 5_000
export const EXACT: Guarantee = Object.freeze({ guarantee: 'exact', earlyBy: 0 })

export function createMemoryLimitStore({ clock, maxCounters = 50_000 }: { clock: Clock; maxCounters?: number }): MemoryLimitStore {
  // in order of last use: re-inserting a key moves it to the end
  const counters = new Map<string, Counter>()
  const now = (): number => Math.floor(clock.monotonic())

  /** Drops one of the least recently used: an expired counter, else the one that has counted least. The others get another round. */
  function makeRoom(at: number): void {
    const oldest: [string, Counter][] = []
    for (const entry of counters) {
      if (oldest.push(entry) === SAMPLE) break
    }
    for (const [, counter] of oldest) settleCounter(counter, at)
    const [lightest] = oldest.toSorted(([, a], [, b]) => weight(a) - weight(b))
    for (const [name, counter] of oldest) {
      if (weight(counter) === 0 && name !== lightest?.[0]) continue
      counters.delete(name)
      if (name !== lightest?.[0]) counters.set(name, counter)
    }
  }

  function counterOf(charge: LimitCharge, at: number): Counter {
    const name = counterName(charge)
    const known = counters.get(name)
    if (known) {
      // the order matters only when room is short
      if (counters.size * 2 > maxCounters) {
        counters.delete(name)
        counters.set(name, known)
      }
      settleCounter(known, at)
      return known
    }
    if (counters.size >= maxCounters) makeRoom(at)
    const counter = createCounter(charge)
    counters.set(name, counter)
    return counter
  }

  function find(charge: LimitCharge, at: number): Counter | undefined {
    const known = counters.get(counterName(charge))
    if (known) settleCounter(known, at)
    return known
  }

  function takeShare(charges: readonly LimitCharge[], nodes: number, dryRun = false): LimitDecision {
    const at = now()
    let retryAfterMs = 0
    const held = charges.map((charge) => counterOf(charge, at))
    charges.forEach((charge, index) => {
      const counter = held[index]
      if (!counter) return
      counter.pending += charge.cost
      const ms = counterWaitMs(counter, charge, at, nodes, counter.pending)
      const fitsAlone = counter.pending <= mostAtOnce(charge)
      retryAfterMs = Math.max(retryAfterMs, ms === Infinity && fitsAlone ? Math.min(charge.windowMs, SHARE_RETRY_MS) : ms)
    })
    const allowed = retryAfterMs === 0
    charges.forEach((charge, index) => {
      const counter = held[index]
      if (!counter) return
      counter.pending = 0
      if (allowed && !dryRun && charge.cost > 0) admitCounter(counter, charge, at)
    })
    const states = charges.map((charge, index) => {
      const counter = held[index]
      return counter ? stateOf(counter, charge, at, nodes) : { remaining: 0, resetMs: 0 }
    })
    return { allowed, states, retryAfterMs }
  }

  function fits(charges: readonly LimitCharge[]): boolean {
    const at = now()
    for (const charge of charges) {
      const counter = find(charge, at)
      if (counter ? counterWaitMs(counter, charge, at, 1, charge.cost) > 0 : charge.cost > mostAtOnce(charge)) return false
    }
    return true
  }

  function note(charges: readonly LimitCharge[], at: number): void {
    for (const charge of charges) {
      if (charge.cost > 0) admitCounter(counterOf(charge, now()), charge, at)
    }
  }

  return {
    now,
    take: (charges, dryRun) => takeShare(charges, 1, dryRun),
    takeShare,
    fits,
    record(charges, at) {
      if (!fits(charges)) return false
      note(charges, at)
      return true
    },
    note,
    guarantee: () => EXACT,
    size: () => counters.size,
  }
}

// Limits counted in this process: the whole truth without Redis, this node's share of it while Redis is lost, and beside a
// healthy Redis a record of what this node let through. Bounded: a flood of new keys pushes out expired and light counters first.
import type { Clock } from '../kernel/clock.js'
import type { LimitCharge, LimitDecision, LimitStore } from '../redis/fast.js'
import { admit, createWindow, resetMs, settle, waitMs, type Window } from './window.js'

export interface MemoryLimitStore extends LimitStore {
  /** Whole milliseconds of the clock these counters run on. */
  now: () => number
  /** Would `take` allow it? Charges nothing. */
  fits: (charges: readonly LimitCharge[]) => boolean
  /** `take` for one of `nodes` that each get an equal, rounded-down share of every quota. */
  takeShare: (charges: readonly LimitCharge[], nodes: number) => LimitDecision
  /** Counts charges that were allowed elsewhere at `at` (see `now`). False, and nothing counted, when they do not fit here. */
  record: (charges: readonly LimitCharge[], at: number) => boolean
  /** counters held */
  size: () => number
}

interface Counter extends Window {
  windowMs: number
  /** what earlier charges of the decision at hand ask of the same counter */
  pending: number
}

const SAMPLE = 16
// A share rounded down may be too small for ever, but the outage is not: worth asking again when Redis may be back.
const SHARE_RETRY_MS = 5_000

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
    for (const [, counter] of oldest) settle(counter, at, counter.windowMs)
    const [lightest] = oldest.toSorted(([, a], [, b]) => a.used - b.used)
    for (const [name, counter] of oldest) {
      if (counter.used === 0 && name !== lightest?.[0]) continue
      counters.delete(name)
      if (name !== lightest?.[0]) counters.set(name, counter)
    }
  }

  function counterOf({ key, windowMs }: LimitCharge, at: number): Counter {
    const name = `${windowMs}:${key}`
    const known = counters.get(name)
    if (known) {
      counters.delete(name)
      counters.set(name, known)
      settle(known, at, windowMs)
      return known
    }
    if (counters.size >= maxCounters) makeRoom(at)
    const counter = { ...createWindow(), windowMs, pending: 0 }
    counters.set(name, counter)
    return counter
  }

  function find({ key, windowMs }: LimitCharge, at: number): Counter | undefined {
    const known = counters.get(`${windowMs}:${key}`)
    if (known) settle(known, at, windowMs)
    return known
  }

  function takeShare(charges: readonly LimitCharge[], nodes: number): LimitDecision {
    const at = now()
    let retryAfterMs = 0
    const held = charges.map((charge) => counterOf(charge, at))
    charges.forEach(({ quota, windowMs, cost }, index) => {
      const counter = held[index]
      if (!counter) return
      counter.pending += cost
      const share = Math.floor(quota / nodes)
      const ms = waitMs(counter, at, windowMs, share, counter.pending)
      retryAfterMs = Math.max(retryAfterMs, ms === Infinity && counter.pending <= quota ? Math.min(windowMs, SHARE_RETRY_MS) : ms)
    })
    const allowed = retryAfterMs === 0
    charges.forEach(({ windowMs, cost }, index) => {
      const counter = held[index]
      if (!counter) return
      counter.pending = 0
      if (allowed && cost > 0) admit(counter, at, windowMs, cost)
    })
    const states = charges.map(({ quota, windowMs }, index) => {
      const counter = held[index]
      return counter
        ? { remaining: Math.max(0, Math.floor(quota / nodes) - counter.used), resetMs: resetMs(counter, at, windowMs) }
        : { remaining: 0, resetMs: 0 }
    })
    return { allowed, states, retryAfterMs }
  }

  function fits(charges: readonly LimitCharge[]): boolean {
    const at = now()
    for (const charge of charges) {
      if ((find(charge, at)?.used ?? 0) + charge.cost > charge.quota) return false
    }
    return true
  }

  return {
    now,
    take: async (charges) => takeShare(charges, 1),
    takeShare,
    fits,
    record(charges, at) {
      if (!fits(charges)) return false
      for (const charge of charges) {
        if (charge.cost === 0) continue
        const counter = counterOf(charge, now())
        // answers may come back in another order than they were asked in; within one counter time only goes forward
        admit(counter, Math.max(at, counter.last.at(-1) ?? at), charge.windowMs, charge.cost)
      }
      return true
    },
    size: () => counters.size,
  }
}

// Limits counted in this process: the whole truth without Redis, this node's share of it while Redis is lost, and beside a
// healthy Redis a record of what this node let through. Bounded, and what is spent stays spent: see limits/counter-pool.ts.
import type { Clock } from '../../kernel/clock.js'
import type { Guarantee, LimitCharge, LimitDecision, LimitState, LimitStore } from '../../shared-store/shared-store.js'
import { admitCounter, type Counter, counterWaitMs, horizonMs, mostAtOnce, settleCounter, stateOf, weight } from './counter.js'
import { type CounterPoolOptions, createCounterPool } from './counter-pool.js'
import type { Version } from './redis-limit-store.js'

/** A time in which Redis does not count for all nodes; `sinceMs` on the clock of `now`. */
export interface Outage {
  id: number
  sinceMs: number
}

export interface ShareOptions {
  nodes: number
  outage: Outage | null
  dryRun?: boolean
  /** Redis has counted it, too */
  charged?: boolean
  /** ms for which nothing of a charge may be let through; 0 or less: it may */
  closedMs?: (charge: LimitCharge) => number
}

interface Answered {
  states: readonly LimitState[]
  versions: readonly Version[]
}

export interface MemoryLimitStore extends LimitStore {
  take: (charges: readonly LimitCharge[], dryRun?: boolean) => LimitDecision
  /** Whole milliseconds of the clock these counters run on. */
  now: () => number
  /** Would `take` allow it? Charges nothing. */
  fits: (charges: readonly LimitCharge[]) => boolean
  /**
   * `take` for one of `nodes` that each get an equal, rounded-down share of every quota. In an outage less than that, of a
   * counter that others have been spending from: an equal part of half of what Redis last had left, until all of that is over.
   */
  takeShare: (charges: readonly LimitCharge[], options: ShareOptions) => LimitDecision
  /** Counts charges that were allowed elsewhere at `at` (see `now`). False, and nothing counted, when they do not fit here. */
  record: (charges: readonly LimitCharge[], at: number) => boolean
  /** `record` without the question, right after `fits` said yes. */
  note: (charges: readonly LimitCharge[], at: number) => void
  /**
   * Notes what Redis answered to a question of `at`. False: it has forgotten some of these counters since it was last asked.
   * With `trusted` false, as long as not every node has told it what it knows not, only less may be left than was.
   */
  agrees: (charges: readonly LimitCharge[], answer: Answered & { left: readonly number[] }, at: number, trusted: boolean) => boolean
  /** What Redis is now told: all that counts here (of these charges' counters), or only what it has not been told of an outage. */
  owed: (of: 'all' | 'untold' | readonly LimitCharge[]) => LimitCharge[]
  /** Redis counts these from `at` on. */
  noteShared: (charges: readonly LimitCharge[], answer: Answered, at: number) => void
  /** Redis could not be told of these. */
  owe: (charges: readonly LimitCharge[]) => void
  /** counters held */
  size: () => number
}

// A share rounded down may be too small for ever, but the outage is not: worth asking again when Redis may be back.
const SHARE_RETRY_MS = 5_000
// what is closed for a whole window is not when Redis is back; and where there was no room for a new counter some may be soon
const CLOSED_RETRY_MS = 1_000
export const EXACT: Guarantee = Object.freeze({ guarantee: 'exact', earlyBy: 0 })
const ALONE: ShareOptions = { nodes: 1, outage: null }
const ALONE_DRY: ShareOptions = { ...ALONE, dryRun: true }

/** Does the second not know of what the first did? */
function isNewer(seen: Version | null, found: Version | null): boolean {
  return seen !== null && found !== null && (found.born !== seen.born || found.count < seen.count)
}

/** How much of this counter a node may still let through in an outage, and for how long that holds. */
function allowance({ seen, charge, outage: last, spent }: Counter, { nodes, outage }: ShareOptions, now: number): { units: number; forMs: number } {
  const horizon = horizonMs(charge)
  const forMs = outage && seen && nodes > 1 && seen.at + horizon > outage.sinceMs ? outage.sinceMs + horizon - now : 0
  if (!outage || !seen || forMs <= 0) return { units: Infinity, forMs: 0 }
  return { units: Math.floor(seen.remaining / (2 * nodes)) - (last === outage.id ? spent : 0), forMs }
}

/** Ms until what is pending on this counter could pass here: 0 when it does. */
function waitFor(counter: Counter, charge: LimitCharge, options: ShareOptions, at: number): number {
  const closed = options.closedMs?.(charge) ?? 0
  if (closed > 0 && charge.cost > 0 && counter.pending <= mostAtOnce(charge)) return Math.min(closed, CLOSED_RETRY_MS)
  const ms = counterWaitMs(counter, charge, at, options.nodes, counter.pending)
  if (ms === Infinity && counter.pending <= mostAtOnce(charge)) return Math.min(charge.windowMs, SHARE_RETRY_MS)
  const { units, forMs } = allowance(counter, options, at)
  return counter.pending > units ? Math.max(ms, Math.min(forMs, SHARE_RETRY_MS)) : ms
}

function spendHere(counter: Counter, charge: LimitCharge, { nodes, outage, charged }: ShareOptions, at: number): void {
  admitCounter(counter, charge, at, nodes)
  if (!outage) return
  counter.spent = (counter.outage === outage.id ? counter.spent : 0) + charge.cost
  counter.outage = outage.id
  if (!charged) counter.owed += charge.cost
}

export interface MemoryLimitStoreOptions extends Partial<CounterPoolOptions> {
  clock: Clock
}

const MAX_COUNTERS = 200_000

export function createMemoryLimitStore({ clock, maxCounters = MAX_COUNTERS, onFull }: MemoryLimitStoreOptions): MemoryLimitStore {
  const counters = createCounterPool({ maxCounters, onFull })
  const now = (): number => Math.floor(clock.monotonic())
  const find = counters.find

  function takeShare(charges: readonly LimitCharge[], options: ShareOptions): LimitDecision {
    const at = now()
    let retryAfterMs = 0
    const held: (Counter | null)[] = []
    for (const charge of charges) {
      // without Redis a counter that is not here may be one that was forgotten
      const counter = counters.open(charge, at, options.outage !== null)
      held.push(counter)
      if (!counter) {
        retryAfterMs = Math.max(retryAfterMs, charge.cost > mostAtOnce(charge) ? Infinity : CLOSED_RETRY_MS)
        continue
      }
      counter.pending += charge.cost
      retryAfterMs = Math.max(retryAfterMs, waitFor(counter, charge, options, at))
    }
    const allowed = retryAfterMs === 0
    charges.forEach((charge, index) => {
      const counter = held[index]
      if (!counter) return
      counter.pending = 0
      if (allowed && !options.dryRun && charge.cost > 0) spendHere(counter, charge, options, at)
    })
    const states = charges.map((charge, index) => {
      const counter = held[index]
      if (!counter) return { remaining: 0, resetMs: CLOSED_RETRY_MS }
      const state = stateOf(counter, charge, at, options.nodes)
      if ((options.closedMs?.(charge) ?? 0) > 0) state.remaining = 0
      if (options.outage) state.remaining = Math.max(0, Math.min(state.remaining, allowance(counter, options, at).units))
      return state
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
      if (charge.cost > 0) admitCounter(counters.copy(charge, now()), charge, at)
    }
  }

  return {
    now,
    take: (charges, dryRun = false) => takeShare(charges, dryRun ? ALONE_DRY : ALONE),
    takeShare,
    fits,
    record(charges, at) {
      if (!fits(charges)) return false
      note(charges, at)
      return true
    },
    note,
    agrees(charges, { states, left, versions }, at, trusted) {
      let agrees = true
      charges.forEach((charge, index) => {
        const counter = counters.copy(charge, now())
        const { seen } = counter
        const [remaining = 0, version = null] = [left[index], versions[index]]
        const forgot = seen !== null && at < seen.untilMs && isNewer(seen.version, version)
        agrees &&= !forgot
        const less = seen && (forgot || !trusted) ? Math.min(remaining, seen.remaining) : remaining
        counter.seen = { remaining: less, at, version, untilMs: at + (states[index]?.resetMs ?? 0) }
      })
      return agrees
    },
    owed(of) {
      const at = now()
      const named = typeof of === 'string' ? counters.values() : of.flatMap((charge) => find(charge, at) ?? [])
      return [...new Set(named)].flatMap((counter) => {
        settleCounter(counter, at)
        const units = of === 'untold' ? counter.owed : weight(counter)
        counter.owed = 0
        // from here on it may count anew
        if (of !== 'untold' && counter.seen) counter.seen.version = null
        return units > 0 ? [{ ...counter.charge, cost: units }] : []
      })
    },
    noteShared(charges, { states, versions }, at) {
      charges.forEach((charge, index) => {
        const counter = counters.copy(charge, now())
        const answer = { version: versions[index] ?? null, untilMs: at + (states[index]?.resetMs ?? 0) }
        // never asked about: others may be telling it of the same counter now, so nothing is taken to be left until it is asked
        if (counter.seen) Object.assign(counter.seen, answer)
        else counter.seen = { remaining: 0, at, ...answer }
      })
    },
    owe(charges) {
      for (const charge of charges) counters.copy(charge, now()).owed += charge.cost
    },
    guarantee: () => EXACT,
    size: counters.size,
  }
}

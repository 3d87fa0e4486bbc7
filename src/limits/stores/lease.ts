// Leases: units that Redis has charged in advance to one node, to be spent there without asking for a short time. A unit may be
// spent up to LEASE_MS after it was charged, so a limit that is leased counts for as much longer (window) or allows as much
// less at once (gcra): no true window of its length ever holds more than the quota, whoever spends when. Pure.
import type { Guarantee, LimitCharge } from '../../shared-store/shared-store.js'
import { MOST_UNITS } from '../limit-bounds.js'

/** A lease ends this long after it was asked for. */
export const LEASE_MS = 250
/** A lease holds at most what the limit's rate gives in this time. */
const RATE_MS = 200
/** Below this many units in LEASE_MS a node asks each time: leases would save little and leave much unspent. */
const BUSY = 8

export interface Plan {
  /** the longest a lease lives; 0: this limit is never leased */
  leaseMs: number
  /** the largest lease */
  units: number
  /** the window and the burst that Redis counts with */
  windowMs: number
  burst: number
}

/** How a limit is counted where many nodes share it. Slow limits, and those too short or too small for it, are never leased. */
export function leasePlanOf({ quota, windowMs, algorithm, burst = quota }: LimitCharge): Plan {
  const leaseMs = Math.min(LEASE_MS, Math.floor(windowMs / 10))
  const rate = quota / windowMs
  const units = Math.floor(rate * Math.min(RATE_MS, leaseMs))
  const reserve = Math.ceil(rate * leaseMs)
  const isGcra = algorithm === 'gcra'
  if (units < 2 || leaseMs < 20 || (isGcra && burst < 10 * reserve)) return { leaseMs: 0, units: 0, windowMs, burst }
  return isGcra ? { leaseMs, units, windowMs, burst: burst - reserve } : { leaseMs, units, windowMs: windowMs + leaseMs, burst }
}

/** What the API says of a limit that `nodes` share through Redis. */
export function guaranteeOf(charge: LimitCharge, nodes: number): Guarantee {
  const { leaseMs, units } = leasePlanOf(charge)
  if (leaseMs === 0) return { guarantee: 'exact', earlyBy: 0 }
  // the leases that others hold, and what the longer window or the smaller burst keeps back
  return { guarantee: 'leased', earlyBy: Math.min(charge.quota, nodes * units + Math.ceil(charge.quota / charge.windowMs * leaseMs)) }
}

/** How much of a counter one node has spent, by period; what it will need is judged by the last two. */
export interface Demand {
  sinceMs: number
  current: number
  before: number
}

export function createDemand(): Demand {
  return { sinceMs: -Infinity, current: 0, before: 0 }
}

export function noteDemand(demand: Demand, nowMs: number, cost: number, periodMs = LEASE_MS): void {
  const passed = nowMs - demand.sinceMs
  if (passed >= periodMs || passed < 0) {
    demand.before = passed < 2 * periodMs ? demand.current : 0
    demand.current = 0
    demand.sinceMs = nowMs
  }
  demand.current = Math.min(MOST_UNITS, demand.current + cost)
}

/** Units to ask for on top of the cost: as many as were spent lately, none when that was little. */
export function wantOf({ current, before }: Demand, plan: Plan): number {
  const busy = Math.max(current, before)
  return busy < BUSY ? 0 : Math.min(busy, plan.units)
}

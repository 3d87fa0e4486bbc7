// One counter in this process, whatever its algorithm: the pure rules of window.ts and gcra.ts behind one set of questions.
// `nodes` is by how many an outage divides the limit: each gets an equal share, rounded down.
import type { LimitCharge, LimitState } from '../../shared-store/shared-store.js'
import { admitGcra, createGcra, type Gcra, type Rate, remainingGcra, resetGcraMs, settleGcra, waitGcraMs } from '../algorithms/gcra.js'
import { LEASE_MS } from './lease.js'
import { MOST_MS } from '../limit-bounds.js'
import type { Version } from './redis-limit-store.js'
import { admit, createWindow, resetMs, advance, waitMs, type Window } from '../algorithms/window.js'

export interface Counter {
  /** as it was last charged */
  charge: LimitCharge
  /** null: the other */
  window: Window | null
  gcra: Gcra | null
  /** of a meter: what this node let through by its share, draining at the share's rate */
  share: Gcra | null
  /** of a meter: all that this node let through lately. Meters of several nodes drain together faster than one for all, and may not be added up */
  part: Window | null
  windowMs: number
  /** what Redis last had left for all nodes, when it was asked, and the version it must know of until then */
  seen: { remaining: number; at: number; version: Version | null; untilMs: number } | null
  /** what was admitted here since Redis could last be trusted: in which outage, and how much */
  outage: number
  spent: number
  /** what of it Redis has not been told */
  owed: number
  /** what earlier charges of the decision at hand ask of the same counter */
  pending: number
}

/** One key under two windows, or two algorithms, is two counters. */
export function counterName({ key, windowMs, algorithm }: LimitCharge): string {
  return algorithm === 'gcra' ? `g${windowMs}:${key}` : `${windowMs}:${key}`
}

/** A cost above this never fits. */
export function mostAtOnce({ algorithm, quota, burst = quota }: LimitCharge): number {
  return algorithm === 'gcra' ? burst : quota
}

export function createCounter(charge: LimitCharge): Counter {
  const isGcra = charge.algorithm === 'gcra'
  return {
    charge, window: isGcra ? null : createWindow(), gcra: isGcra ? createGcra() : null, share: isGcra ? createGcra() : null,
    part: isGcra ? createWindow() : null,
    windowMs: charge.windowMs, seen: null, outage: 0, spent: 0, owed: 0, pending: 0,
  }
}

/** After this long nothing that was admitted counts any more. */
export function horizonMs({ algorithm, quota, windowMs, burst = quota }: LimitCharge): number {
  return (algorithm === 'gcra' ? Math.min(MOST_MS, Math.ceil(windowMs * burst / quota)) : windowMs) + LEASE_MS
}

/** Nodes tell of a meter one after the other, and what was told drains meanwhile: for the time that takes they look back further. */
const partMs = (charge: LimitCharge): number => 2 * horizonMs(charge)

function rateOf({ quota, windowMs, burst = quota }: LimitCharge, nodes: number): Rate {
  return { quota: Math.floor(quota / nodes), windowMs, burst: Math.floor(burst / nodes) }
}

export function settleCounter({ window, gcra, share, part, charge, windowMs }: Counter, now: number): void {
  if (window) advance(window, now, windowMs)
  if (gcra) settleGcra(gcra, now)
  if (share) settleGcra(share, now)
  if (part) advance(part, now, partMs(charge))
}

/** How much the counter has counted; of a meter at least this node's part of it. */
export function weight({ window, part, charge }: Counter): number {
  return window ? window.used : Math.min(part?.used ?? 0, mostAtOnce(charge))
}

const meterOf = ({ gcra, share }: Counter, nodes: number): Gcra | null => (nodes > 1 ? share : gcra)

/** Ms until `cost` fits: 0 when it fits, Infinity when it never does. */
export function counterWaitMs(counter: Counter, charge: LimitCharge, now: number, nodes: number, cost: number): number {
  const { window } = counter
  if (window) return waitMs(window, now, charge.windowMs, Math.floor(charge.quota / nodes), cost)
  const gcra = meterOf(counter, nodes)
  return gcra ? waitGcraMs(gcra, now, rateOf(charge, nodes), cost) : 0
}

/** Counts what was let through; `nodes` above 1: by an equal share. */
export function admitCounter({ window, gcra, share, part }: Counter, charge: LimitCharge, at: number, nodes = 1): void {
  // answers may come back in another order than they were asked in; within one counter time only goes forward
  if (window) admit(window, Math.max(at, window.last[window.last.length - 1] ?? at), charge.windowMs, charge.cost)
  if (gcra) admitGcra(gcra, Math.max(at, gcra.at), rateOf(charge, 1), charge.cost)
  if (share && nodes > 1) admitGcra(share, Math.max(at, share.at), rateOf(charge, nodes), charge.cost)
  if (part) admit(part, Math.max(at, part.last[part.last.length - 1] ?? at), partMs(charge), charge.cost)
}

export function stateOf(counter: Counter, charge: LimitCharge, now: number, nodes: number): LimitState {
  const { window } = counter
  const gcra = meterOf(counter, nodes)
  if (window) return { remaining: Math.max(0, Math.floor(charge.quota / nodes) - window.used), resetMs: resetMs(window, now, charge.windowMs) }
  const rate = rateOf(charge, nodes)
  return gcra ? { remaining: remainingGcra(gcra, now, rate), resetMs: resetGcraMs(gcra, now, rate) } : { remaining: 0, resetMs: 0 }
}

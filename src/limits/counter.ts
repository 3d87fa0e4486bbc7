// One counter in this process, whatever its algorithm: the pure rules of window.ts and gcra.ts behind one set of questions.
// `nodes` is by how many an outage divides the limit: each gets an equal share, rounded down.
import type { LimitCharge, LimitState } from '../redis/fast.js'
import { admitGcra, createGcra, type Gcra, type Rate, remainingGcra, resetGcraMs, settleGcra, waitGcraMs } from './gcra.js'
import { LEASE_MS } from './lease.js'
import type { Version } from './redis-limit-store.js'
import { admit, createWindow, resetMs, settle, waitMs, type Window } from './window.js'

export interface Counter {
  /** as it was last charged */
  charge: LimitCharge
  /** null: the other */
  window: Window | null
  gcra: Gcra | null
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
    charge, window: isGcra ? null : createWindow(), gcra: isGcra ? createGcra() : null,
    windowMs: charge.windowMs, seen: null, outage: 0, spent: 0, owed: 0, pending: 0,
  }
}

/** After this long nothing that was admitted counts any more. */
export function horizonMs({ algorithm, quota, windowMs, burst = quota }: LimitCharge): number {
  return (algorithm === 'gcra' ? Math.ceil(windowMs * burst / quota) : windowMs) + LEASE_MS
}

function rateOf({ quota, windowMs, burst = quota }: LimitCharge, nodes: number): Rate {
  return { quota: Math.floor(quota / nodes), windowMs, burst: Math.floor(burst / nodes) }
}

export function settleCounter({ window, gcra, windowMs }: Counter, now: number): void {
  if (window) settle(window, now, windowMs)
  if (gcra) settleGcra(gcra, now)
}

/** How much the counter has counted. */
export function weight({ window, gcra }: Counter): number {
  return window ? window.used : (gcra?.level ?? 0) / 1_000_000
}

/** Ms until `cost` fits: 0 when it fits, Infinity when it never does. */
export function counterWaitMs({ window, gcra }: Counter, charge: LimitCharge, now: number, nodes: number, cost: number): number {
  if (window) return waitMs(window, now, charge.windowMs, Math.floor(charge.quota / nodes), cost)
  return gcra ? waitGcraMs(gcra, now, rateOf(charge, nodes), cost) : 0
}

export function admitCounter({ window, gcra }: Counter, charge: LimitCharge, at: number): void {
  // answers may come back in another order than they were asked in; within one counter time only goes forward
  if (window) admit(window, Math.max(at, window.last[window.last.length - 1] ?? at), charge.windowMs, charge.cost)
  else if (gcra) admitGcra(gcra, Math.max(at, gcra.at), rateOf(charge, 1), charge.cost)
}

export function stateOf({ window, gcra }: Counter, charge: LimitCharge, now: number, nodes: number): LimitState {
  if (window) return { remaining: Math.max(0, Math.floor(charge.quota / nodes) - window.used), resetMs: resetMs(window, now, charge.windowMs) }
  const rate = rateOf(charge, nodes)
  return gcra ? { remaining: remainingGcra(gcra, now, rate), resetMs: resetGcraMs(gcra, now, rate) } : { remaining: 0, resetMs: 0 }
}

// One counter in this process, whatever its algorithm: the pure rules of window.ts and gcra.ts behind one set of questions.
// `nodes` is by how many an outage divides the limit: each gets an equal share, rounded down.
import type { LimitCharge, LimitState } from '../redis/fast.js'
import { admitGcra, createGcra, type Gcra, type Rate, remainingGcra, resetGcraMs, settleGcra, waitGcraMs } from './gcra.js'
import { admit, createWindow, resetMs, settle, waitMs, type Window } from './window.js'

export interface Counter {
  /** null: the other */
  window: Window | null
  gcra: Gcra | null
  windowMs: number
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

export function createCounter({ algorithm, windowMs }: LimitCharge): Counter {
  const isGcra = algorithm === 'gcra'
  return { window: isGcra ? null : createWindow(), gcra: isGcra ? createGcra() : null, windowMs, pending: 0 }
}

function rateOf({ quota, windowMs, burst = quota }: LimitCharge, nodes: number): Rate {
  return { quota: Math.floor(quota / nodes), windowMs, burst: Math.floor(burst / nodes) }
}

export function settleCounter({ window, gcra, windowMs }: Counter, now: number): void {
  if (window) settle(window, now, windowMs)
  if (gcra) settleGcra(gcra, now)
}

/** How much the counter has counted; only good for comparing which of two is dearer to lose. */
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

// What was let through, and whether it was too much: the exact log that limits are held against.
import type { LimitCharge } from '../../src/redis/fast.js'

export interface Admission {
  at: number
  cost: number
}

/** The most that any true window of that length held. */
export function mostInWindow(log: readonly Admission[], windowMs: number): number {
  const sorted = log.toSorted((a, b) => a.at - b.at)
  let [most, sum, from] = [0, 0, 0]
  for (const { at, cost } of sorted) {
    sum += cost
    while ((sorted[from]?.at ?? at) <= at - windowMs) sum -= sorted[from++]?.cost ?? 0
    most = Math.max(most, sum)
  }
  return most
}

/** By how much the worst stretch of time exceeded the burst and what the rate gives meanwhile; 0 or less is within it. */
export function worstExcess(log: readonly Admission[], { quota, windowMs, burst = quota }: LimitCharge): number {
  const sorted = log.toSorted((a, b) => a.at - b.at)
  // the meter of limits/gcra.ts, exactly: its level is the worst stretch that ends now
  let [level, last, worst] = [0, sorted[0]?.at ?? 0, -Infinity]
  for (const { at, cost } of sorted) {
    level = Math.max(0, level - (at - last) * quota / windowMs) + cost
    last = at
    worst = Math.max(worst, level - burst)
  }
  return worst
}

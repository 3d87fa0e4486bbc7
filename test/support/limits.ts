// What was let through, and whether it was too much: the exact log that limits are held against.
import fc from 'fast-check'
import { isSound } from '../../src/limits/stores/sound-limit-store.js'
import type { LimitCharge } from '../../src/shared-store/shared-store.js'

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

/** Where arithmetic breaks first: the ends of what may be written, powers of two, and primes beside them. */
export const UNITS = [1, 2, 3, 7, 1_000, 32_767, 32_768, 65_537, 2 ** 30 - 1, 999_999_937, 999_999_999, 1_000_000_000]
export const WINDOWS_MS = [1, 7, 59, 1_000, 59_000, 60_000, 3_600_000, 2_591_992_000, 2_591_999_000, 2_592_000_000]

/** Charges from those corners that a limit may have: cost 1, below, at and above what fits. */
export const soundCharges: fc.Arbitrary<LimitCharge> = fc.record({
  key: fc.constantFrom('{g}:a', '{g}:b'), quota: fc.constantFrom(...UNITS), windowMs: fc.constantFrom(...WINDOWS_MS),
  algorithm: fc.constantFrom('window' as const, 'gcra' as const), burst: fc.constantFrom(...UNITS), part: fc.constantFrom('1', 'below', 'all', 'above', 'most'),
}).map(({ part, burst, ...rest }) => {
  const most = rest.algorithm === 'gcra' ? burst : rest.quota
  const cost = { 1: 1, below: Math.max(0, most - 1), all: most, above: Math.min(1_000_000_000, most + 1), most: 1_000_000_000 }[part] ?? 1
  return { ...rest, cost, ...(rest.algorithm === 'gcra' ? { burst } : {}) }
}).filter(isSound)

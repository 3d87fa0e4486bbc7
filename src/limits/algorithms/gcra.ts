// The smoothing limit of one counter: pure arithmetic. A meter fills by what is admitted and drains at quota per windowMs; what
// would lift it above the burst is refused. This is GCRA (ITU-T I.371, its leaky-bucket form): any time of d ms admits at most
// burst + d * quota / windowMs. limits/take-script.ts says the same in Lua, operation for operation. Every answer is exact and takes a dozen
// operations, whatever the numbers (limits/limit-bounds.ts): products that could pass 2^53 are made in two halves, long division by base 2^15.
import { MOST_MS, MOST_UNITS } from '../limit-bounds.js'

/** The level is in millionths of a unit, a whole number, and stood there at `at` (whole ms). */
export interface Gcra {
  level: number
  at: number
}

/** `quota` units a `windowMs` drain; up to `burst` may be taken at once. */
export interface Rate {
  quota: number
  windowMs: number
  burst: number
}

const UNIT = 1_000_000
const HALF = 32_768
/** Two bursts of the largest kind: what is told of a meter may lift it above its own, and sums stay exact below this. */
export const MOST_LEVEL = 2 * MOST_UNITS * UNIT

export function createGcra(): Gcra {
  return { level: 0, at: 0 }
}

/** Millionths that drain in so many ms, rounded down: elapsedMs * quota * UNIT / windowMs. */
function drained(elapsedMs: number, { quota, windowMs }: Rate): number {
  const rest = elapsedMs % windowMs
  const high = rest * Math.floor(quota / HALF)
  const low = (high % windowMs) * HALF + rest * (quota % HALF)
  const units = Math.floor(elapsedMs / windowMs) * quota + Math.floor(high / windowMs) * HALF + Math.floor(low / windowMs)
  return units * UNIT + Math.floor((low % windowMs) * UNIT / windowMs)
}

/** Ms until at least `amount` millionths have drained, amount * windowMs / (quota * UNIT) rounded up, never above MOST_MS; Infinity for a quota of 0. */
function drainMs(amount: number, { quota, windowMs }: Rate): number {
  if (amount <= 0) return 0
  if (quota <= 0) return Infinity
  const units = Math.floor(amount / UNIT)
  const high = Math.floor(units / HALF) * windowMs
  const low = (high % quota) * HALF + (units % HALF) * windowMs + Math.ceil((amount % UNIT) * windowMs / UNIT)
  return Math.min(MOST_MS, Math.floor(high / quota) * HALF + Math.ceil(low / quota))
}

function levelAt(gcra: Gcra, now: number, rate: Rate): number {
  return Math.max(0, gcra.level - drained(Math.max(0, now - gcra.at), rate))
}

/** A clock that went back drains from where it now stands. To be called before any other question about `now`. */
export function settleGcra(gcra: Gcra, now: number): void {
  if (now < gcra.at) gcra.at = now
}

/** Counts an admission, whatever is left. */
export function admitGcra(gcra: Gcra, now: number, rate: Rate, cost: number): void {
  gcra.level = Math.min(MOST_LEVEL, levelAt(gcra, now, rate) + cost * UNIT)
  gcra.at = now
}

/** Ms until `cost` fits: 0 when it fits, Infinity when it never does. */
export function waitGcraMs(gcra: Gcra, now: number, rate: Rate, cost: number): number {
  const excess = gcra.level + cost * UNIT - rate.burst * UNIT
  if (levelAt(gcra, now, rate) + cost * UNIT <= rate.burst * UNIT) return 0
  if (cost > rate.burst) return Infinity
  return Math.max(1, gcra.at + drainMs(excess, rate) - now)
}

/** Whole units that fit now. */
export function remainingGcra(gcra: Gcra, now: number, rate: Rate): number {
  return Math.max(0, Math.floor((rate.burst * UNIT - levelAt(gcra, now, rate)) / UNIT))
}

/** Ms until the meter is empty. */
export function resetGcraMs(gcra: Gcra, now: number, rate: Rate): number {
  return levelAt(gcra, now, rate) === 0 ? 0 : Math.max(1, gcra.at + drainMs(gcra.level, rate) - now)
}

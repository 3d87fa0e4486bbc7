// The smoothing limit of one counter: pure arithmetic. A meter fills by what is admitted and drains at quota per windowMs; what
// would lift it above the burst is refused. This is GCRA (ITU-T I.371, its leaky-bucket form): any time of d ms admits at most
// burst + d * quota / windowMs. limits/take-script.ts says the same in Lua, operation for operation, so both round alike.

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

export function createGcra(): Gcra {
  return { level: 0, at: 0 }
}

function drained(elapsedMs: number, { quota, windowMs }: Rate): number {
  return Math.floor(elapsedMs * quota * UNIT / windowMs)
}

/** Ms until at least `amount` millionths have drained; Infinity for a quota of 0. */
function drainMs(amount: number, rate: Rate): number {
  if (amount <= 0) return 0
  if (rate.quota <= 0) return Infinity
  let ms = Math.ceil(amount * rate.windowMs / (rate.quota * UNIT))
  while (drained(ms, rate) < amount) ms += 1
  return ms
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
  gcra.level = levelAt(gcra, now, rate) + cost * UNIT
  gcra.at = now
}

/** Ms until `cost` fits: 0 when it fits, Infinity when it never does. */
export function waitGcraMs(gcra: Gcra, now: number, rate: Rate, cost: number): number {
  const excess = gcra.level + cost * UNIT - rate.burst * UNIT
  if (levelAt(gcra, now, rate) + cost * UNIT <= rate.burst * UNIT) return 0
  if (cost > rate.burst) return Infinity
  return gcra.at + drainMs(excess, rate) - now
}

/** Whole units that fit now. */
export function remainingGcra(gcra: Gcra, now: number, rate: Rate): number {
  return Math.max(0, Math.floor((rate.burst * UNIT - levelAt(gcra, now, rate)) / UNIT))
}

/** Ms until the meter is empty. */
export function resetGcraMs(gcra: Gcra, now: number, rate: Rate): number {
  return levelAt(gcra, now, rate) === 0 ? 0 : gcra.at + drainMs(gcra.level, rate) - now
}

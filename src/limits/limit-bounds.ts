// How large a limit may be, so that its arithmetic is exact in doubles and ends at once, wherever the limit comes from: what is written is
// refused above these, and what stands in the database all the same is decided as denied (limits/sound-limit-store.ts). Pure.

/** Of a quota, a burst, a cost. */
export const MOST_UNITS = 1_000_000_000

/** Of a window: 30 days. */
export const MOST_WINDOW_SECONDS = 2_592_000

/** The longest time in which a limit is whole again, burst * window / quota: 31 years. */
export const MOST_MS = 1_000_000_000_000

/** Of a list of limits. Doors take ten; what a key, its owner and a plan add up to stays below this. */
export const MOST_LIMITS = 40

const isWhole = (value: unknown, least: number, most: number): boolean => typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most

/** Is it a whole number of units, 1 or more? */
export const isUnits = (value: unknown): boolean => isWhole(value, 1, MOST_UNITS)

/** 0 looks, and charges nothing. */
export const isCost = (value: unknown): boolean => isWhole(value, 0, MOST_UNITS)

export const isWindowMs = (value: unknown): boolean => isWhole(value, 1, MOST_WINDOW_SECONDS * 1000)

/** Does a meter drain soon enough? Of numbers that are units and a window. */
export function drainsInTime({ quota, windowMs, burst = quota }: { quota: number; windowMs: number; burst?: number | undefined }): boolean {
  return burst * windowMs / quota <= MOST_MS
}

// When work that failed is tried again. Pure.

const FIRST_MS = 10_000
const LONGEST_MS = 3_600_000
/** ten tries are over after about five hours */
export const MOST_ATTEMPTS = 10

/**
 * The wait after the `attempt`-th try: 10 s, doubled each time, an hour at most; a fifth more or less by `chance` (0 to 1), so that what failed
 * together does not come back together.
 */
export function waitMs(attempt: number, chance: number): number {
  const doublings = Math.min(Math.max(attempt - 1, 0), 20)
  return Math.round(Math.min(FIRST_MS * 2 ** doublings, LONGEST_MS) * (0.8 + 0.4 * chance))
}

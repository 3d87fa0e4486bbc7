// Telling two kinds of times apart without saying how long anything may take: by rank.

export const ROUNDS = 80
// 80 against 80 that are alike differ by this much once in a hundred thousand
export const MOST_APART = 0.2

/** How often a value of the first is above one of the second: a half when nothing tells them apart (Mann and Whitney's U over all pairs). */
export function aboveOf(first: readonly number[], second: readonly number[]): number {
  const wins = first.reduce((sum, one) => sum + second.reduce((part, other) => part + (one > other ? 1 : one === other ? 0.5 : 0), 0), 0)
  return wins / (first.length * second.length)
}

/** The one in the middle; 0 of none. */
export const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0

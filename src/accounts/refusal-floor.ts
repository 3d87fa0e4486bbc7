// How long it takes at least before a wrong password is refused, where hashes of other systems are about: what is worked off after one of those is as
// long as another one but for a few in a hundred, which many tries would tell (docs/imports.md). So all wait for the slowest of the latest ones. Pure.

export interface RefusalFloor {
  /** How many milliseconds are to be waited after a refusal that took so long; notes it as well. */
  restOf: (tookMs: number) => number
}

// enough for a quantile, few enough to follow the load
const MOST_SAMPLES = 64
const FEWEST_SAMPLES = 8
/** what is slower than the floor shows: a twentieth of all, and these are slow for other reasons than their scheme */
const QUANTILE = 0.95
// and some for what is a little slower than all that were seen
const MARGIN = 1.05

export function createRefusalFloor(): RefusalFloor {
  let samples: number[] = []
  return {
    restOf(tookMs) {
      const floorMs = samples.length < FEWEST_SAMPLES ? 0 : MARGIN * (samples.toSorted((a, b) => a - b)[Math.floor((samples.length - 1) * QUANTILE)] ?? 0)
      samples = [...samples.slice(1 - MOST_SAMPLES), tookMs]
      return Math.max(0, floorMs - tookMs)
    },
  }
}

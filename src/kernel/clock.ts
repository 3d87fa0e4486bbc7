// The only source of time in src/: tests pass a fake one.
import { performance } from 'node:perf_hooks' // the global of that name is looked up anew at each reading

export interface Clock {
  /** wall time, milliseconds since 1970 */
  now: () => number
  /** milliseconds from an arbitrary start, never going back */
  monotonic: () => number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

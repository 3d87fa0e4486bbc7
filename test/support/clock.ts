// A clock that moves only when a test says so.
import type { Clock } from '../../src/kernel/clock.js'

export interface FakeClock extends Clock {
  /** moves wall and monotonic time forward */
  advance: (ms: number) => void
}

/** Starts at a time that is not now, so that code which reads the system's clock is found out. */
export function fakeClock(startMs: number = Date.UTC(2031, 0, 1)): FakeClock {
  let passedMs = 0
  return {
    now: () => startMs + passedMs,
    monotonic: () => 1_000 + passedMs,
    advance(ms) {
      passedMs += ms
    },
  }
}

/** The system's clock, which a test moves forward besides: for clients that have no clock but the system's. */
export function liveClock(): FakeClock {
  let passedMs = 0
  return {
    now: () => Date.now() + passedMs,
    monotonic: () => performance.now() + passedMs,
    advance(ms) {
      passedMs += ms
    },
  }
}

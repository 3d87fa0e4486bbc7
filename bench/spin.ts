// Keeps the event loop of a process that makes load turning, and says for which part of the time there was work. A loop that
// waits lets its core sleep, and whoever sends to it pays for waking that core: in a virtual machine several microseconds an
// answer, paid by the server, and only by one that is slower than the generator. That is no cost of either server.
import { performance } from 'node:perf_hooks'

export interface Spin {
  /** Answers were handled in this turn of the loop. */
  worked: () => void
  /** Lets the loop wait again. Part of the time that went by in turns with work, 0 to 1. */
  stop: () => number
}

export function startSpin(): Spin {
  const startedMs = performance.now()
  let lastMs = startedMs
  let busyMs = 0
  let hasWorked = false
  let isStopped = false

  function turn(): void {
    const now = performance.now()
    if (hasWorked) busyMs += now - lastMs
    hasWorked = false
    lastMs = now
    if (!isStopped) setImmediate(turn)
  }
  setImmediate(turn)

  return {
    worked() {
      hasWorked = true
    },
    stop() {
      isStopped = true
      return lastMs === startedMs ? 0 : busyMs / (lastMs - startedMs)
    },
  }
}

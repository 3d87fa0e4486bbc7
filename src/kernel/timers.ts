// Waiting and repeating, as the services that take them from outside see it: tests pass their own.
import { problem } from './errors.js'

/** Calls back every `ms` until the function it returns is called. */
export type Every = (ms: number, work: () => void) => () => void

/** `Every` on the system's timers; never keeps the process alive. */
export const systemTimer: Every = (ms, work) => {
  const timer = setInterval(work, ms).unref()
  return () => clearInterval(timer)
}

/** Calls back once, after `ms`, unless the function it returns is called before; never keeps the process alive. */
export function after(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms).unref()
  return () => clearTimeout(timer)
}

/** Resolves after `ms`; never keeps the process alive. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void after(ms, resolve))
}

/** What `work` comes to, if it does within `ms`. Throws database.unavailable when it does not; the work itself goes on. */
export async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(problem('database.unavailable', { retryAfterSeconds: 1 })), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

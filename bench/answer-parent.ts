// The way of a benchmark's server that is a process of its own: it is told a route, serves it, says where, and ends with its parent.
import type { BareReady } from './protocol.js'

/** `serve` listens, and resolves to its origin. A route that cannot be served ends the process with 1. */
export function answerParent<Route>(serve: (route: Route) => Promise<string>): void {
  async function start(route: Route): Promise<void> {
    try {
      const ready: BareReady = { origin: await serve(route) }
      process.send?.(ready)
    } catch (error) {
      console.error(error)
      process.exit(1)
    }
  }
  process.on('message', (route: Route) => void start(route))
  process.on('disconnect', () => process.exit(0))
}

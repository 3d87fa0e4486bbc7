// Stands in for async-hook-domain, by which tap finds the test that an uncaught error belongs to. That follows every promise with
// async hooks, which more than doubles what asynchronous code costs. A lane runs one test at a time, so the innermost test that has
// begun and not ended is the one.
import { executionAsyncResource } from 'node:async_hooks'

const domains = new Set()

function report(error, origin) {
  const found = [...domains].findLast(({ test }) => test?.started) ?? [...domains][0]
  if (!found) {
    console.error(error)
    process.exit(1)
  }
  found.onerror(error, origin === 'unhandledRejection' ? origin : 'uncaughtException')
}
process.on('uncaughtException', report) // an unhandled rejection arrives here, too, with its origin

export class Domain {
  constructor(onerror) {
    this.onerror = onerror
    this.test = executionAsyncResource()?.test // tap makes it in the scope of its TapWrap
    domains.add(this)
  }

  destroy() {
    domains.delete(this)
  }
}

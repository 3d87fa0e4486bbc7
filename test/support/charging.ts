// Nodes that charge limits while something happens to their Redis.
import { setTimeout as wait } from 'node:timers/promises'
import type { LimitCharge, SharedStore } from '../../src/shared-store/shared-store.js'
import { eventually } from './redis.js'

const SETTLED_MS = 20_000

/** What a request with a key costs: a limit of the key, of its owner and of a namespace, under tags of their own. */
export function charges(name: string, quota: number): LimitCharge[] {
  return ['key', 'owner', 'ns'].map((tag, at) => ({ key: `${tag}:{${tag}-${name}}:a`, quota: quota + 100 * at, windowMs: 600_000, cost: 1, strict: true }))
}

/** Charges on every node in turn until it is told to stop. */
export function chargeAll(nodes: SharedStore[], all: LimitCharge[]) {
  const counted = { admitted: 0, slowestMs: 0 }
  const over = new AbortController()
  const done = (async () => {
    while (!over.signal.aborted) {
      for (const node of nodes) {
        const from = performance.now()
        const { allowed } = await node.limits.take(all)
        counted.slowestMs = Math.max(counted.slowestMs, performance.now() - from)
        if (allowed) counted.admitted += 1
      }
      await wait(5)
    }
  })()
  return {
    counted,
    /** until nothing more is admitted */
    async rests() {
      let before = -1
      await eventually(async () => {
        const rests = before === counted.admitted
        before = counted.admitted
        if (!rests) await wait(200)
        return rests
      }, SETTLED_MS)
    },
    async stop() {
      over.abort()
      await done
    },
  }
}

/** How many all nodes admit, asked until `wished` have passed, and then some more. */
export async function admittedByAll(nodes: SharedStore[], all: LimitCharge[], wished: number): Promise<number> {
  let sum = 0
  async function each(): Promise<void> {
    const decisions = await Promise.all(nodes.map((node) => node.limits.take(all)))
    sum += decisions.filter(({ allowed }) => allowed).length
  }
  await eventually(async () => {
    await each()
    return sum >= wished
  }, SETTLED_MS)
  await each()
  await each()
  return sum
}

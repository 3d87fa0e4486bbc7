// Several nodes that share limits through one real Redis, on one clock that the test moves. Each node can be cut off from Redis, alone or
// with others; what it sends can be held back and arrive when its sender has long given up. What was let through is the exact log.
import type { Redis } from 'ioredis'
import { createFailoverLimitStore, type FailoverLimitStore } from '../../src/limits/stores/failover-limit-store.js'
import { createLeaseLimitStore } from '../../src/limits/stores/lease-limit-store.js'
import { createMembership, type Membership, presenceKey } from '../../src/limits/stores/membership.js'
import { createMemoryLimitStore } from '../../src/limits/stores/memory-limit-store.js'
import { createRedisLimitStore } from '../../src/limits/stores/redis-limit-store.js'
import type { LimitCharge } from '../../src/shared-store/shared-store.js'
import { type Admission, mostInWindow, worstExcess } from './limits.js'

export const NODES = 3
export const EVERYONE: readonly number[] = [0, 1, 2]

/** `cut`: nothing gets through. `late`: what is sent arrives when the wire is mended, its answer never. */
type Wire = 'sound' | 'cut' | 'late'

interface Node {
  limits: FailoverLimitStore
  membership: Membership
  wire: Wire
  /** so many more commands get through before the wire is cut */
  commandsLeft: number
  up: boolean
  probedAt: number
}

export type House = Awaited<ReturnType<typeof openHouse>>

/** The nodes, all of them members for half a minute. */
export async function openHouse(client: Redis, prefix: string) {
  let now = 1_000_000_000
  const clock = { now: () => now, monotonic: () => now }
  const withheld: (() => Promise<unknown>)[] = []
  const log: (Admission & { key: string; node: number })[] = []

  function open(): Node {
    const local = createMemoryLimitStore({ clock })
    const isUp = (): boolean => node.up && node.membership.isMember()
    // the guard opens at the first command that fails
    async function run<T>(command: () => Promise<T>): Promise<T> {
      if (node.wire === 'sound' && node.commandsLeft > 0) {
        node.commandsLeft -= 1
        return command()
      }
      if (node.wire === 'sound') node.wire = 'cut'
      if (node.wire === 'late') withheld.push(command)
      node.up = false
      node.limits.lost()
      throw new Error('no answer')
    }
    const membership = createMembership({ client, keyPrefix: prefix, now: local.now, redisNow: () => now, run })
    const redis = createRedisLimitStore({ client, keyPrefix: prefix, now: () => now, run, ticket: membership.ticket })
    const shared = createLeaseLimitStore({ store: redis, clock, liveNodes: () => NODES, isUp, every: () => () => undefined })
    const limits = createFailoverLimitStore({
      shared, local, membership, charge: redis.charge, isUp: () => node.up, wake: () => void (node.probedAt = -Infinity),
      alarm: (what) => all.forEach((one) => one.limits.alarmed(what)), mostNodes: () => NODES,
    })
    const node: Node = { limits, membership, wire: 'sound', commandsLeft: Infinity, up: true, probedAt: -Infinity }
    return node
  }
  const all: Node[] = EVERYONE.map(open)

  /** What redis/guard.ts does: a look at Redis once a second, or four times while it is lost. */
  async function probe(): Promise<void> {
    for (const node of all) {
      if (now - node.probedAt < (node.up ? 1_000 : 250)) continue
      node.probedAt = now
      try {
        await node.limits.restore()
        node.up = true
      } catch {
        node.up = false
        node.limits.lost()
      }
    }
  }
  async function take(at: number, of: LimitCharge): Promise<boolean> {
    const which = at % NODES
    const { allowed } = (await all[which]?.limits.take([of])) ?? { allowed: false }
    if (allowed) log.push({ at: now, cost: of.cost, key: of.key, node: which })
    return allowed
  }
  async function advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      now += Math.min(50, left)
      await probe()
    }
  }
  const set = (wire: Wire, which: readonly number[]): void => which.forEach((at) => {
    const node = all[at]
    if (node) Object.assign(node, { wire, commandsLeft: Infinity })
  })
  const of = ({ key }: LimitCharge): typeof log => log.filter((one) => one.key === key)

  await probe()
  all.forEach((node, at) => void (node.probedAt -= at * 70))
  await advance(30_000)
  const run = (await client.hget(presenceKey(prefix), 'run')) ?? ''
  return {
    all, log, take, advance,
    /** id of the real server */
    run,
    cut: (which = EVERYONE) => set('cut', which),
    delay: (which = EVERYONE) => set('late', which),
    mend: (which = EVERYONE) => set('sound', which),
    /** Sound again, for so many commands: then it is cut. */
    mendFor: (commands: number, which = EVERYONE) => which.forEach((at) => {
      const node = all[at]
      if (node) Object.assign(node, { wire: 'sound', commandsLeft: commands })
    }),
    /** Redis gets what was held back, all of it. */
    deliver: async () => {
      for (const command of withheld.splice(0)) await command()
    },
    /** a connection that broke and came back makes each node look */
    wake: () => all.forEach((node) => void (node.probedAt = -Infinity)),
    flush: async () => void (await client.del(`${prefix}nothing`, ...(await client.keys(`${prefix}*`)))),
    /** what Redis holds, as a function that puts it back: in another server, as it were, for none goes back to an older state by itself */
    async copy() {
      const saved = await Promise.all((await client.keys(`${prefix}*`)).map(async (key) => [key, await client.dumpBuffer(key)] as const))
      return async () => {
        for (const [key, value] of saved) if (value) await client.restore(key, 100_000, value, 'REPLACE')
        await client.hset(presenceKey(prefix), 'run', 'another server')
      }
    },
    /** Every node takes what it gets, as a busy API would, for some time. Returns how many each let through. */
    async busy(ms: number, charge: LimitCharge): Promise<number[]> {
      const admitted = EVERYONE.map(() => 0)
      for (let passed = 0; passed < ms; passed += 50) {
        for (let n = 0; n < 2 * NODES; n += 1) if (await take(n, charge)) admitted[n % NODES] = (admitted[n % NODES] ?? 0) + 1
        await advance(50)
      }
      return admitted
    },
    most: (charge: LimitCharge) => mostInWindow(of(charge), charge.windowMs),
    /** by how much the worst time exceeded the limit; 0 or less: it never did */
    excess: (charge: LimitCharge) => (charge.algorithm === 'gcra' ? worstExcess(of(charge), charge) : mostInWindow(of(charge), charge.windowMs) - charge.quota),
  }
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

// Limits counted in Redis, for all nodes together: one script a decision, one round trip, Redis's own clock. It throws when
// Redis does not answer; limits/failover-limit-store.ts decides what then.
import type { Redis } from 'ioredis'
import { newId } from '../kernel/ids.js'
import type { LimitCharge, LimitDecision, LimitState } from '../redis/fast.js'
import { counterName } from './counter.js'
import { ANSWERED, TAKE_SCRIPT } from './take-script.js'

interface Commands {
  gatehouseTake: (keyCount: number, ...keysAndArguments: (string | number)[]) => Promise<number[]>
  gatehouseEpoch: (key: string, id: string) => Promise<[string, number]>
}

const EPOCH_SCRIPT = `
local id = redis.call('HGET', KEYS[1], 'id')
if not id then
  id = ARGV[1]
  redis.call('HSET', KEYS[1], 'id', id)
end
redis.call('PEXPIRE', KEYS[1], 86400000)
return { id, redis.call('HINCRBY', KEYS[1], 'seq', 1) }
`

// more than any quota, and still exact
const WHATEVER = 1e12

export interface RedisLimitStoreOptions {
  client: Redis
  keyPrefix: string
  /** wraps every command; the breaker */
  run: <T>(command: () => Promise<T>) => Promise<T>
  /** whole ms; only tests pass it, else Redis's own clock counts, which is the same for all nodes */
  now?: () => number
}

/** Where in a window's counter units were charged, so that they can be taken back. */
export interface Slot {
  number: number
  first: number
}

/** One charge as Redis is to count it; see limits/lease.ts for how these differ from the charge's own. */
export interface Ask {
  charge: LimitCharge
  windowMs: number
  burst: number
  /** units wanted on top of the cost, as a lease */
  want: number
  /** units charged earlier and not used */
  refund: { slot: Slot; units: number } | null
}

/** Of a counter: when Redis began to count, and a number that grows with all that it counts. Both betray a Redis that has forgotten. */
export interface Version {
  born: number
  count: number
}

export interface Granted extends LimitDecision {
  /** one for each charge, in order */
  leases: { units: number; slot: Slot }[]
  versions: Version[]
}

export interface Epoch {
  id: string
  seq: number
}

export interface RedisLimitStore {
  /** Charges nothing when denied, and no lease is given then. `nodes` share what is left for leases. */
  ask: (asks: readonly Ask[], options: { nodes: number; dryRun: boolean }) => Promise<Granted>
  /** The charges as they are, without leases. */
  take: (charges: readonly LimitCharge[]) => Promise<LimitDecision>
  /** Counts these, whatever is left. */
  charge: (asks: readonly Ask[]) => Promise<Granted>
  /** Who Redis is: another id, or a number that does not grow, is a Redis that has forgotten. Writes, as a decision does. */
  epoch: () => Promise<Epoch>
}

function decisionOf(answer: readonly number[], count: number): Granted {
  const states: LimitState[] = []
  const leases: Granted['leases'] = []
  const versions: Version[] = []
  for (let at = 2; at < 2 + count * ANSWERED; at += ANSWERED) {
    states.push({ remaining: answer[at] ?? 0, resetMs: answer[at + 1] ?? 0 })
    leases.push({ units: answer[at + 2] ?? 0, slot: { number: answer[at + 3] ?? 0, first: answer[at + 4] ?? 0 } })
    versions.push({ born: answer[at + 5] ?? 0, count: answer[at + 6] ?? 0 })
  }
  const retryAfterMs = answer[1] ?? 0
  return { allowed: answer[0] === 1, states, retryAfterMs: retryAfterMs < 0 ? Infinity : retryAfterMs, leases, versions }
}

/**
 * The window is part of the counter's name: one key under two windows is two counters. Keys that are charged together should
 * hold the same `{tag}`, which keeps them on one server where keys are spread over several.
 */
export function createRedisLimitStore({ client, keyPrefix, run, now }: RedisLimitStoreOptions): RedisLimitStore {
  client.defineCommand('gatehouseTake', { lua: TAKE_SCRIPT })
  client.defineCommand('gatehouseEpoch', { lua: EPOCH_SCRIPT, numberOfKeys: 1 })
  const commands = client as Redis & Commands

  async function ask(asks: readonly Ask[], { nodes, dryRun }: { nodes: number; dryRun: boolean }): Promise<Granted> {
    const count = asks.length
    if (count === 0) return { allowed: true, states: [], retryAfterMs: 0, leases: [], versions: [] }
    const sent: (string | number)[] = []
    for (const { charge } of asks) sent.push(`${keyPrefix}limit:${counterName(charge)}`)
    sent.push(now ? now() : '', nodes, dryRun ? 1 : 0)
    for (const { charge: { algorithm, quota, cost }, windowMs, burst, want, refund } of asks) {
      sent.push(algorithm === 'gcra' ? 'g' : 'w', windowMs, quota, burst, cost, want, refund?.slot.number ?? 0, refund?.slot.first ?? 0, refund?.units ?? 0)
    }
    return decisionOf(await run(() => commands.gatehouseTake(count, ...sent)), count)
  }

  return {
    ask,
    charge(asks) {
      const forced = asks.map((one) => (one.charge.algorithm === 'gcra' ? { ...one, burst: WHATEVER } : { ...one, charge: { ...one.charge, quota: WHATEVER } }))
      return ask(forced, { nodes: 1, dryRun: false })
    },
    async epoch() {
      const [id, seq] = await run(() => commands.gatehouseEpoch(`${keyPrefix}limit-epoch`, newId()))
      return { id, seq }
    },
    async take(charges) {
      const asks = charges.map((charge) => ({ charge, windowMs: charge.windowMs, burst: charge.burst ?? charge.quota, want: 0, refund: null }))
      const { allowed, states, retryAfterMs } = await ask(asks, { nodes: 1, dryRun: false })
      return { allowed, states, retryAfterMs }
    },
  }
}

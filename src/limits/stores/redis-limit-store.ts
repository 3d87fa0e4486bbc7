// Limits counted in Redis, for all nodes together: one script a decision, one round trip, Redis's own clock. It throws when
// Redis does not answer; limits/failover-limit-store.ts decides what then.
import type { Redis } from 'ioredis'
import type { LimitCharge, LimitDecision, LimitState } from '../../shared-store/shared-store.js'
import { counterName } from './counter.js'
import { ForgottenError, presenceKey, type Ticket } from './membership.js'
import { ANSWERED, TAKE_SCRIPT } from './take-script.js'

interface Commands {
  gatehouseTake: (keyCount: number, ...keysAndArguments: (string | number)[]) => Promise<number[]>
}

// for `want`: counted whatever is left
const WHATEVER = -1

export interface RedisLimitStoreOptions {
  client: Redis
  keyPrefix: string
  /** wraps every command; the breaker */
  run: <T>(command: () => Promise<T>) => Promise<T>
  /** whole ms; only tests pass it, else Redis's own clock counts, which is the same for all nodes */
  now?: () => number
  /** what questions carry; null: none may be asked now. Without it Redis answers whatever it remembers */
  ticket?: () => Ticket | null
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

export interface RedisLimitStore {
  /** Charges nothing when denied, and no lease is given then. `nodes` share the limits. Rejects with ForgottenError. */
  ask: (asks: readonly Ask[], options: { nodes: number; dryRun: boolean }) => Promise<Granted>
  /** The charges as they are, without leases. */
  take: (charges: readonly LimitCharge[]) => Promise<LimitDecision>
  /** Counts these, whatever is left. */
  charge: (asks: readonly Ask[]) => Promise<Granted>
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
 * The window is part of the counter's name: one key under two windows is two counters. In a cluster `keyPrefix` is a
 * hash tag, which keeps all of them on one server.
 */
export function createRedisLimitStore({ client, keyPrefix, run, now, ticket }: RedisLimitStoreOptions): RedisLimitStore {
  client.defineCommand('gatehouseTake', { lua: TAKE_SCRIPT })
  const commands = client as Redis & Commands

  async function send(asks: readonly Ask[], { nodes, dryRun, as }: { nodes: number; dryRun: boolean; as: Ticket | null }): Promise<Granted> {
    const count = asks.length
    if (count === 0) return { allowed: true, states: [], retryAfterMs: 0, leases: [], versions: [] }
    const keys = asks.map(({ charge }) => `${keyPrefix}limit:${counterName(charge)}`)
    const values: (string | number)[] = [nodes, dryRun ? 1 : 0, as?.id ?? '', as?.seq ?? '', as?.node ?? '']
    for (const { charge: { algorithm, strict, quota, cost }, windowMs, burst, want, refund } of asks) {
      values.push(algorithm === 'gcra' ? 'g' : 'w', strict === true ? 1 : 0, windowMs, quota, burst, cost, want, refund?.slot.number ?? 0, refund?.slot.first ?? 0, refund?.units ?? 0)
    }
    const answer = await run(() => commands.gatehouseTake(count + 1, ...keys, presenceKey(keyPrefix), now ? now() : '', ...values))
    if (answer[0] === -1) throw new ForgottenError()
    return decisionOf(answer, count)
  }

  async function ask(asks: readonly Ask[], options: { nodes: number; dryRun: boolean }): Promise<Granted> {
    const as = ticket ? ticket() : null
    if (ticket && !as) throw new ForgottenError()
    return send(asks, { ...options, as })
  }

  return {
    ask,
    charge(asks) {
      return send(asks.map((one) => ({ ...one, want: WHATEVER })), { nodes: 1, dryRun: false, as: null })
    },
    async take(charges) {
      const asks = charges.map((charge) => ({ charge, windowMs: charge.windowMs, burst: charge.burst ?? charge.quota, want: 0, refund: null }))
      const { allowed, states, retryAfterMs } = await ask(asks, { nodes: 1, dryRun: false })
      return { allowed, states, retryAfterMs }
    },
  }
}

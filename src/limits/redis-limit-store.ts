// Limits counted in Redis, for all nodes together: one script a decision, one round trip, Redis's own clock. It throws when
// Redis does not answer; limits/failover-limit-store.ts decides what then.
import type { Redis } from 'ioredis'
import type { LimitCharge, LimitDecision, LimitState, LimitStore } from '../redis/fast.js'
import { TAKE_SCRIPT } from './take-script.js'

interface TakeCommand {
  gatehouseTake: (keyCount: number, ...keysAndArguments: (string | number)[]) => Promise<number[]>
}

export interface RedisLimitStoreOptions {
  client: Redis
  keyPrefix: string
  /** wraps every command; the breaker */
  run: <T>(command: () => Promise<T>) => Promise<T>
  /** whole ms; only tests pass it, else Redis's own clock counts, which is the same for all nodes */
  now?: () => number
}

function decisionOf(answer: readonly number[], count: number): LimitDecision {
  const states: LimitState[] = []
  for (let at = 0; at < count; at += 1) states.push({ remaining: answer[2 + at * 2] ?? 0, resetMs: answer[3 + at * 2] ?? 0 })
  const retryAfterMs = answer[1] ?? 0
  return { allowed: answer[0] === 1, states, retryAfterMs: retryAfterMs < 0 ? Infinity : retryAfterMs }
}

/**
 * The window is part of the counter's name: one key under two windows is two counters. Keys that are charged together should
 * hold the same `{tag}`, which keeps them on one server where keys are spread over several.
 */
export function createRedisLimitStore({ client, keyPrefix, run, now }: RedisLimitStoreOptions): LimitStore {
  client.defineCommand('gatehouseTake', { lua: TAKE_SCRIPT })
  const commands = client as Redis & TakeCommand
  return {
    async take(charges: readonly LimitCharge[]) {
      const count = charges.length
      if (count === 0) return { allowed: true, states: [], retryAfterMs: 0 }
      const sent: (string | number)[] = []
      for (const { key, windowMs } of charges) sent.push(`${keyPrefix}limit:${windowMs}:${key}`)
      sent.push(now ? now() : '')
      for (const { windowMs, quota, cost } of charges) sent.push(windowMs, quota, cost)
      return decisionOf(await run(() => commands.gatehouseTake(count, ...sent)), count)
    },
  }
}

// What a request costs who makes it. Each route that asks for a credential has a price (1 for reading, 2 for changing, unless it says
// otherwise; 0 for deciding about others' requests), each user and each key a budget of its own, and the keys of one owner four
// times that together. Charged before the route's access is looked at: refusals cost as much.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../../src/kernel/principal.js'
import { problem } from '../../src/kernel/errors.js'
import type { LimitCharge, LimitDecision } from '../../src/shared-store/shared-store.js'

const WINDOW_MS = 60_000
const OWNERS_SHARE = 4

/** Charges a request to its principal and tells what is left. Throws rate.limited, or rejects with it when the answer is not at hand. */
export type ChargeRequest = (request: FastifyRequest, reply: FastifyReply, principal: Principal) => undefined | Promise<undefined>

function chargesOf({ keyId, id, act }: Principal, quota: number, cost: number): LimitCharge[] {
  // whoever acts for somebody spends their own
  if (keyId === undefined) return [{ key: `requests:{user:${act?.sub ?? id}}`, quota, windowMs: WINDOW_MS, cost }]
  return [
    { key: `requests:{key:${keyId}}`, quota, windowMs: WINDOW_MS, cost },
    { key: `requests:{keys-of:${id}}`, quota: quota * OWNERS_SHARE, windowMs: WINDOW_MS, cost },
  ]
}

export function createChargeRequest({ sharedStore, config }: Pick<FastifyInstance, 'sharedStore' | 'config'>): ChargeRequest {
  const quota = config.requestsPerMinute

  function tell(reply: FastifyReply, { allowed, states, retryAfterMs }: LimitDecision): undefined {
    const [own] = states
    if (own) {
      const { remaining, resetMs } = own
      void reply.rateLimits([{
        name: 'requests', quota, remaining, resetSeconds: Math.ceil(resetMs / 1000), windowSeconds: WINDOW_MS / 1000, guarantee: 'leased', earlyBy: 0,
      }])
    }
    if (!allowed) throw problem('rate.limited', { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)) })
    return undefined
  }

  return (request, reply, principal) => {
    const { price = 0 } = request.declared
    if (price === 0) return undefined
    const decision = sharedStore.limits.take(chargesOf(principal, quota, price))
    return decision instanceof Promise ? decision.then((one) => tell(reply, one)) : tell(reply, decision)
  }
}

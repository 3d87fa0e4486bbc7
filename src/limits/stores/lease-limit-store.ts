// Limits shared through Redis, most decisions without asking it: this node spends what Redis has charged to it in advance
// (limits/lease.ts), asks when that is used up, and hands back what it did not need. All charges of a decision are covered by
// leases or asked for in one script; what was set aside for a decision that Redis denies goes back to its lease.
import type { Clock } from '../../kernel/clock.js'
import type { LimitCharge, LimitDecision, LimitState, LimitStore } from '../../shared-store/shared-store.js'
import { counterName } from './counter.js'
import { createDemand, type Demand, guaranteeOf, LEASE_MS, noteDemand, type Plan, leasePlanOf, wantOf } from './lease.js'
import type { Ask, RedisLimitStore, Slot, Version } from './redis-limit-store.js'
import { type Every, systemTimer } from '../../kernel/timers.js'

interface Lease {
  left: number
  quota: number
  /** both clocks when it was asked for: either one's time ends it, and so does a wall clock set back */
  monotonicMs: number
  wallMs: number
  slot: Slot
}

interface Counter {
  charge: LimitCharge
  plan: Plan
  demand: Demand
  lease: Lease | null
  /** what Redis had left when it last answered, and when it was to be whole again on this node's clock */
  remaining: number
  resetAtMs: number
  /** until then a cost this high under a quota this low is denied without asking */
  denied: { untilMs: number; retryAtMs: number; cost: number; quota: number } | null
  asking: Promise<unknown> | null
}

export interface LeaseOptions {
  store: RedisLimitStore
  clock: Clock
  liveNodes: () => number
  isUp: () => boolean
  /** calls back every `ms` until the function it returns is called; the default never keeps the process alive */
  every?: Every
}

/** `left`: what Redis itself has left, without this node's leases; only when it was asked. */
export interface SharedDecision extends LimitDecision {
  asked?: { left: readonly number[]; versions: readonly Version[] }
}

export interface LeaseLimitStore extends LimitStore {
  take: (charges: readonly LimitCharge[], dryRun?: boolean) => SharedDecision | Promise<SharedDecision>
  /** From leases alone, also while Redis is lost: Redis has counted them. Null when they do not cover it. */
  held: (charges: readonly LimitCharge[]) => LimitDecision | null
  /** Hands unspent units of ended leases back to Redis, and forgets counters that are idle. Never rejects. */
  sweep: () => Promise<void>
  /** Forgets all leases, and what Redis had left. */
  reset: () => void
  close: () => void
}

const MAX_COUNTERS = 50_000
const DENIED_MS = 100
// a lease is spent for a little less than it is counted for, as clocks do not run alike
const SPENT_FOR = 0.95

/** Throws as Redis does; limits/failover-limit-store.ts decides what then. */
export function createLeaseLimitStore({ store, clock, liveNodes, isUp, every = systemTimer }: LeaseOptions): LeaseLimitStore {
  const counters = new Map<string, Counter>()

  function counterOf(charge: LimitCharge): Counter {
    const name = counterName(charge)
    let counter = counters.get(name)
    if (!counter) {
      counter = { charge, plan: leasePlanOf(charge), demand: createDemand(), lease: null, remaining: 0, resetAtMs: 0, denied: null, asking: null }
      // beyond the bound a counter is not remembered, and so never leased
      if (counters.size < MAX_COUNTERS) counters.set(name, counter)
    } else if (counter.charge !== charge && (counter.charge.quota !== charge.quota || counter.charge.burst !== charge.burst)) {
      counter.charge = charge
      counter.plan = leasePlanOf(charge)
    }
    return counter
  }

  function isAlive({ monotonicMs, wallMs }: Lease, { leaseMs }: Plan): boolean {
    const spentFor = leaseMs * SPENT_FOR
    const wall = clock.now() - wallMs
    return clock.monotonic() - monotonicMs < spentFor && wall < spentFor && wall >= 0
  }

  /** Sets `cost` units of the lease aside. */
  function spend(counter: Counter, { cost, quota }: LimitCharge): boolean {
    const { lease } = counter
    // a lease given under a higher quota says nothing about a lower one
    if (!lease || lease.left < cost || lease.quota > quota || !isAlive(lease, counter.plan)) return false
    lease.left -= cost
    return true
  }

  function stateOf({ remaining, resetAtMs, lease }: Counter): LimitState {
    return { remaining: remaining + (lease?.left ?? 0), resetMs: Math.max(0, Math.ceil(resetAtMs - clock.monotonic())) }
  }

  function deniedMs({ denied }: Counter, { cost, quota }: LimitCharge): number {
    if (!denied || cost < denied.cost || quota !== denied.quota) return 0
    const now = clock.monotonic()
    return now < denied.untilMs ? Math.ceil(denied.retryAtMs - now) : 0
  }

  /** Everything by leases, or denied from memory; null when Redis must be asked. Charges all or none. */
  function decideHere(charges: readonly LimitCharge[], used: Counter[]): LimitDecision | null {
    for (let at = 0; at < charges.length; at += 1) {
      const [charge, counter] = [charges[at], used[at]]
      if (!charge || !counter) continue
      const retryAfterMs = charges.length === 1 ? deniedMs(counter, charge) : 0
      if (retryAfterMs > 0) return { allowed: false, states: [stateOf(counter)], retryAfterMs }
      if (!spend(counter, charge)) {
        giveBack(charges, used, at)
        return null
      }
    }
    return { allowed: true, states: used.map(stateOf), retryAfterMs: 0 }
  }

  function giveBack(charges: readonly LimitCharge[], used: Counter[], count: number): void {
    for (let at = 0; at < count; at += 1) {
      const lease = used[at]?.lease
      if (lease) lease.left += charges[at]?.cost ?? 0
    }
  }

  function handBack(counter: Counter): Ask['refund'] {
    const { lease } = counter
    counter.lease = null
    return lease && lease.left > 0 && lease.slot.number > 0 ? { slot: lease.slot, units: lease.left } : null
  }

  async function askRedis(charges: readonly LimitCharge[], used: Counter[], dryRun: boolean): Promise<SharedDecision> {
    // before sending: Redis charges later than this, so the lease ends here first
    const [monotonicMs, wallMs] = [clock.monotonic(), clock.now()]
    // where one charge must be asked for each time, leases of the others would save nothing
    const leases = !dryRun && used.every(({ plan }) => plan.leaseMs > 0)
    const asks = charges.map((charge, at): Ask => {
      const counter = used[at]
      const plan = counter?.plan ?? leasePlanOf(charge)
      // one charge of a counter hands back and leases, if the request names it twice
      const first = counter !== undefined && used.indexOf(counter) === at
      const want = first && leases && !counter.asking ? wantOf(counter.demand, plan) : 0
      return { charge, windowMs: plan.windowMs, burst: plan.burst, want, refund: first && !dryRun ? handBack(counter) : null }
    })
    const { allowed, states, retryAfterMs, leases: granted, versions } = await store.ask(asks, { nodes: Math.max(1, liveNodes()), dryRun })
    const now = clock.monotonic()
    const left = states.map(({ remaining }) => remaining)
    charges.forEach((charge, at) => {
      const [counter, state, lease] = [used[at], states[at], granted[at]]
      if (!counter || !state || !lease) return
      counter.remaining = state.remaining
      counter.resetAtMs = now + state.resetMs
      if (lease.units > 0) counter.lease = { left: lease.units, quota: charge.quota, monotonicMs, wallMs, slot: lease.slot }
      const remembers = charges.length === 1 && !allowed && Number.isFinite(retryAfterMs)
      const untilMs = monotonicMs + Math.min(DENIED_MS, retryAfterMs)
      counter.denied = remembers ? { untilMs, retryAtMs: monotonicMs + retryAfterMs, cost: charge.cost, quota: charge.quota } : null
      if (lease.units > 0) state.remaining += lease.units
    })
    return { allowed, states, retryAfterMs, asked: { left, versions } }
  }

  /** Of many requests that miss one lease, the first asks and the rest wait for what it brings, once. */
  async function ask(charges: readonly LimitCharge[], used: Counter[]): Promise<SharedDecision> {
    const pending = used.find((counter) => counter.asking !== null)?.asking
    if (pending) {
      await pending.catch(() => undefined)
      const decision = decideHere(charges, used)
      if (decision) return decision
    }
    const asked = askRedis(charges, used, false)
    const leased = used.filter((counter) => counter.plan.leaseMs > 0 && !counter.asking)
    for (const counter of leased) counter.asking = asked
    try {
      return await asked
    } finally {
      for (const counter of leased) {
        if (counter.asking === asked) counter.asking = null
      }
    }
  }

  async function sweep(): Promise<void> {
    const now = clock.monotonic()
    const returned: Ask[] = []
    for (const [name, counter] of counters) {
      const { lease, plan, charge, demand, denied, asking } = counter
      if (lease && !isAlive(lease, plan)) {
        const refund = handBack(counter)
        if (refund) returned.push({ charge: { ...charge, cost: 0 }, windowMs: plan.windowMs, burst: plan.burst, want: 0, refund })
      }
      if (!counter.lease && !asking && now - demand.sinceMs > 4 * LEASE_MS && (denied?.untilMs ?? 0) < now) counters.delete(name)
    }
    if (!isUp()) return
    // one script each: they need not share a slot. What is lost on the way stays counted until its window has passed
    await Promise.all(returned.map((one) => store.ask([one], { nodes: 1, dryRun: true }).catch(() => undefined)))
  }

  const stop = every(LEASE_MS, () => void sweep())
  return {
    take(charges, dryRun = false) {
      const used = charges.map(counterOf)
      if (dryRun) return askRedis(charges, used, true)
      const now = clock.monotonic()
      charges.forEach(({ cost }, at) => {
        const counter = used[at]
        if (counter) noteDemand(counter.demand, now, cost)
      })
      return decideHere(charges, used) ?? ask(charges, used)
    },
    held(charges) {
      const used = charges.map((charge) => counters.get(counterName(charge)))
      if (!used.every((counter) => counter?.lease)) return null
      const decision = decideHere(charges, used.filter((counter) => counter !== undefined))
      return decision?.allowed === true ? decision : null
    },
    guarantee: (charge) => guaranteeOf(charge, Math.max(1, liveNodes())),
    sweep,
    reset: () => counters.clear(),
    close: stop,
  }
}

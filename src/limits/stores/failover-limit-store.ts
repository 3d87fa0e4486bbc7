// Which counters decide. Redis does while this node is a member of those that share limits through it (limits/membership.ts). A node
// that has lost Redis cannot know whether the others have, too: it spends the leases it holds, and nothing else until its promise not to decide
// alone is over and all that was admitted without regard to it has left the window. From then on it has an equal share of every quota, rounded
// down, which the others leave to it. Before it is a member again it tells Redis what it let through: all of it to a Redis that has forgotten.
import type { Guarantee, LimitCharge, LimitDecision, LimitStore } from '../../shared-store/shared-store.js'
import { horizonMs } from './counter.js'
import type { LeaseLimitStore, SharedDecision } from './lease-limit-store.js'
import { ForgottenError, type Membership } from './membership.js'
import type { MemoryLimitStore, Outage } from './memory-limit-store.js'
import { NODES_KNOWN_MS } from './presence-script.js'
import type { Ask, Granted } from './redis-limit-store.js'
import { createTelling } from './telling.js'

/** `forgotten`: look at Redis. `doubted`: and decide only what you both agree on for a while. */
export type Alarm = 'forgotten' | 'doubted'

export interface FailoverOptions {
  shared: Pick<LeaseLimitStore, 'take' | 'held' | 'guarantee' | 'reset'>
  local: MemoryLimitStore
  membership: Membership
  /** counts in Redis whatever is left, also while it is taken for lost; rejects when it could not */
  charge: (asks: readonly Ask[]) => Promise<Granted>
  isUp: () => boolean
  /** has Redis looked at soon */
  wake: () => void
  /** tells the other nodes */
  alarm: (what: Alarm) => void
  /** the most nodes that shared the limits at once within so many ms, this one included */
  mostNodes: (withinMs: number) => number
}

export interface FailoverLimitStore extends LimitStore {
  take: LimitStore['take']
  /** Redis does not answer. */
  lost: () => void
  /** Another node has found that Redis has forgotten. */
  alarmed: (what: Alarm) => void
  /** Redis answers: tells it what it does not know. Rejects when that fails, and then Redis is still lost. */
  restore: () => Promise<void>
}

/** Every node looks at Redis once a second while it is up, and four times a second while it is not. */
const HOLD_MS = 2_500
const SUSPECTS = 1_000

/** A LimitStore that never throws. */
export function createFailoverLimitStore({ shared, local, membership, charge, isUp, wake, alarm, mostNodes }: FailoverOptions): FailoverLimitStore {
  const startedMs = local.now()
  let outage: Outage | null = null
  let outages = 0
  /** until then Redis and this node must agree */
  let heldUntilMs = -Infinity
  let suspects: LimitCharge[] = []

  const usable = (): boolean => isUp() && membership.isMember()
  const nodesFor = (charges: readonly LimitCharge[]): number => mostNodes(Math.max(NODES_KNOWN_MS, ...charges.map(horizonMs)))

  function begin(): void {
    if (outage) return
    outages += 1
    outage = { id: outages, sinceMs: local.now() }
  }
  // until it has been heard of for the first time
  begin()

  /** The outage that still matters, if any. */
  function current(): Outage | null {
    if (outage && usable() && local.now() >= heldUntilMs) outage = null
    return outage
  }

  /** Ms until nothing counts that was admitted elsewhere without regard to this node's share. */
  function closedMs(of: LimitCharge): number {
    if (of.strict !== true) return 0
    return Math.max(membership.quietUntilMs(), startedMs + NODES_KNOWN_MS) + horizonMs(of) - local.now()
  }

  function alone(charges: readonly LimitCharge[], dryRun = false): LimitDecision {
    const nodes = nodesFor(charges)
    // what the only node has let through is all there is
    return local.takeShare(charges, nodes === 1 ? { nodes, outage: current(), dryRun } : { nodes, outage: current(), dryRun, closedMs })
  }

  function agreed(charges: readonly LimitCharge[], { dryRun }: { dryRun: boolean }): LimitDecision {
    return local.takeShare(charges, { nodes: nodesFor(charges), outage: current(), dryRun, charged: true })
  }

  function withoutRedis(charges: readonly LimitCharge[], dryRun: boolean): LimitDecision {
    const leased = !dryRun && local.fits(charges) ? shared.held(charges) : null
    if (!leased) return alone(charges, dryRun)
    local.note(charges, local.now())
    return leased
  }

  function forgotten(): void {
    membership.leave()
    begin()
    shared.reset()
  }

  const telling = createTelling({ local, membership, charge, forgotten, alarm: () => alarm('forgotten') })

  /** Redis has forgotten some counters: it has a look taken at it here and elsewhere, and what we count decides, too. */
  function doubt(charges: readonly LimitCharge[]): void {
    if (suspects.length < SUSPECTS) suspects.push(...charges)
    if (!current()) alarm('doubted')
    hold()
    wake()
  }

  function hold(): void {
    begin()
    heldUntilMs = local.now() + HOLD_MS
    shared.reset()
  }

  async function ask(asked: SharedDecision | Promise<SharedDecision>, charges: readonly LimitCharge[], at: number): Promise<LimitDecision> {
    try {
      const { allowed, states, retryAfterMs, asked: answer } = await asked
      const trusted = current() === null
      if (answer && !local.agrees(charges, { states, ...answer }, at, trusted)) doubt(charges)
      if (local.now() < heldUntilMs) return allowed ? agreed(charges, { dryRun: false }) : { allowed, states, retryAfterMs }
      return allowed && !local.record(charges, at) ? local.takeShare(charges, { nodes: 1, outage: null }) : { allowed, states, retryAfterMs }
    } catch (error) {
      if (error instanceof ForgottenError) {
        forgotten()
        wake()
      }
      // else the guard has logged it and may have opened
      return alone(charges)
    }
  }

  async function look(charges: readonly LimitCharge[]): Promise<LimitDecision> {
    const here = current() ? agreed(charges, { dryRun: true }) : null
    if (here && !here.allowed) return here
    if (!here && !local.fits(charges)) return local.take(charges, true)
    try {
      const { allowed, states, retryAfterMs } = await shared.take(charges, true)
      return { allowed, states, retryAfterMs }
    } catch {
      return alone(charges, true)
    }
  }

  return {
    take(charges, dryRun = false) {
      if (!usable()) return withoutRedis(charges, dryRun)
      if (dryRun) return look(charges)
      const held = current()
      if (held) {
        const here = agreed(charges, { dryRun: true })
        if (!here.allowed) return here
      } else if (!local.fits(charges)) return local.takeShare(charges, { nodes: 1, outage: null })
      // noted before asking: our copy of a charge must not outlive Redis's
      const at = local.now()
      const decision = shared.take(charges)
      if (held || decision instanceof Promise) return ask(decision, charges, at)
      if (decision.allowed) local.note(charges, at)
      return decision
    },
    guarantee(of): Guarantee {
      if (usable() && !outage) return shared.guarantee(of)
      const nodes = nodesFor([of])
      if (nodes === 1) return local.guarantee(of)
      return { guarantee: 'leased', earlyBy: of.strict === true ? of.quota : of.quota - Math.floor(of.quota / (2 * nodes)) }
    },
    lost() {
      membership.leave()
      begin()
    },
    alarmed(what) {
      if (what === 'doubted') hold()
      wake()
    },
    async restore() {
      const named = suspects
      suspects = []
      await telling.restore(named)
      // others may have had no time yet to tell what they counted
      if (named.length > 0) heldUntilMs = local.now() + HOLD_MS
    },
  }
}

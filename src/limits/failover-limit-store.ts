// Which counters decide. Redis does while it answers and knows what was let through. While it does not answer, this node alone
// decides, by an equal share of every quota (rounded down, so that all nodes together stay within it) and by less of what others
// may have spent before. When Redis is back, or is found to have forgotten (flushed, restarted, an old copy), each node first
// tells it what it let through itself; until all have had the time for that, both must agree.
import type { Guarantee, LimitCharge, LimitDecision, LimitStore } from '../redis/fast.js'
import { planOf } from './lease.js'
import type { LeaseLimitStore, SharedDecision } from './lease-limit-store.js'
import type { MemoryLimitStore, Outage } from './memory-limit-store.js'
import type { Ask, Epoch, Granted } from './redis-limit-store.js'

export interface FailoverOptions {
  shared: Pick<LeaseLimitStore, 'take' | 'guarantee' | 'reset'>
  local: MemoryLimitStore
  /** counts in Redis whatever is left, also while it is taken for lost; rejects when it could not */
  charge: (asks: readonly Ask[]) => Promise<Granted>
  isUp: () => boolean
  /** has Redis looked at soon */
  wake: () => void
  /** tells the other nodes that Redis has forgotten */
  alarm: () => void
  liveNodes: () => number
}

export interface FailoverLimitStore extends LimitStore {
  take: LimitStore['take']
  /** Redis does not answer. */
  lost: () => void
  /** Another node has found that Redis has forgotten. */
  alarmed: () => void
  /** Redis answers: tells it what it does not know. Rejects when that fails, and then Redis is still lost. */
  restore: (epoch: Epoch) => Promise<void>
}

/** Every node looks at Redis once a second while it is up, and four times a second while it is not. */
const HOLD_MS = 2_500
const CHARGES_A_SCRIPT = 100
const SUSPECTS = 1_000

function asTold(charge: LimitCharge): Ask {
  const { windowMs, burst } = planOf(charge)
  return { charge, windowMs, burst, want: 0, refund: null }
}

/** A LimitStore that never throws. */
export function createFailoverLimitStore({ shared, local, charge, isUp, wake, alarm, liveNodes }: FailoverOptions): FailoverLimitStore {
  let outage: Outage | null = null
  let outages = 0
  /** when Redis alone decides again; Infinity while it is lost */
  let heldUntilMs = 0
  let known: Epoch | null = null
  let suspects: LimitCharge[] = []

  const nodes = (): number => Math.max(1, liveNodes())

  function begin(): Outage {
    outages += 1
    return { id: outages, sinceMs: local.now() }
  }

  /** From now on what this node counts decides, too; what it counts in the meantime adds up until all is well. */
  function distrust(untilMs: number): void {
    const before = current()
    heldUntilMs = before ? Math.max(heldUntilMs, untilMs) : untilMs
    outage = before ?? begin()
    shared.reset()
  }

  /** The outage that still matters, if any. */
  function current(): Outage | null {
    if (outage && isUp() && local.now() >= heldUntilMs) outage = null
    return outage
  }

  function alone(charges: readonly LimitCharge[], { dryRun = false, charged = false } = {}): LimitDecision {
    return local.takeShare(charges, { nodes: nodes(), outage: current(), dryRun, charged })
  }

  async function report(owed: readonly LimitCharge[]): Promise<void> {
    for (let at = 0; at < owed.length; at += CHARGES_A_SCRIPT) {
      const chunk = owed.slice(at, at + CHARGES_A_SCRIPT)
      const sentAt = local.now()
      try {
        local.told(chunk, await charge(chunk.map(asTold)), sentAt)
      } catch (error) {
        // what may have arrived all the same is counted twice then, never too little
        local.owe(owed.slice(at))
        throw error
      }
    }
  }

  /** Redis has forgotten: it has a look taken at it here and elsewhere, and what we count decides, too. */
  function doubt(charges: readonly LimitCharge[]): void {
    if (suspects.length < SUSPECTS) suspects.push(...charges)
    if (!current()) alarm()
    distrust(local.now() + HOLD_MS)
    wake()
  }

  async function ask(asked: SharedDecision | Promise<SharedDecision>, charges: readonly LimitCharge[], at: number): Promise<LimitDecision> {
    try {
      const { allowed, states, retryAfterMs, asked: answer } = await asked
      const trusted = current() === null
      if (answer && !local.agrees(charges, { states, ...answer }, at, trusted)) doubt(charges)
      if (current()) return allowed ? alone(charges, { charged: true }) : { allowed, states, retryAfterMs }
      return allowed && !local.record(charges, at) ? local.takeShare(charges, { nodes: 1, outage: null }) : { allowed, states, retryAfterMs }
    } catch {
      // the guard has logged it and may have opened; this node decides alone
      return alone(charges)
    }
  }

  async function look(charges: readonly LimitCharge[]): Promise<LimitDecision> {
    const here = current() ? alone(charges, { dryRun: true }) : local.take(charges, true)
    if (!here.allowed) return here
    try {
      const { allowed, states, retryAfterMs } = await shared.take(charges, true)
      return { allowed, states, retryAfterMs }
    } catch {
      return alone(charges, { dryRun: true })
    }
  }

  return {
    take(charges, dryRun = false) {
      if (!isUp()) return alone(charges, { dryRun })
      if (dryRun) return look(charges)
      const held = current()
      if (held) {
        const here = alone(charges, { dryRun: true })
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
      if (isUp() && !outage) return shared.guarantee(of)
      return { guarantee: 'leased', earlyBy: of.quota - Math.floor(of.quota / (2 * nodes())) }
    },
    lost: () => distrust(Infinity),
    alarmed() {
      distrust(local.now() + HOLD_MS)
      wake()
    },
    async restore(epoch) {
      const forgot = known !== null && (epoch.id !== known.id || epoch.seq <= known.seq)
      const wasLost = heldUntilMs === Infinity
      if (forgot || wasLost || suspects.length > 0) {
        known = epoch
        if (forgot) {
          distrust(local.now() + HOLD_MS)
          alarm()
        }
        const named = suspects
        suspects = []
        await report(local.owed(forgot ? 'all' : named))
        // what was let through while it was told, too
        if (wasLost) for (let owed = local.owed('untold'); owed.length > 0; owed = local.owed('untold')) await report(owed)
        // others may have had no time yet to tell it what they let through
        heldUntilMs = local.now() + HOLD_MS
      }
      known = epoch
    },
  }
}

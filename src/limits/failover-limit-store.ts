// Which counters decide. Redis does while it answers; while it does not, this node alone, with the floor of an equal share of
// every quota, so that all nodes together stay within it (a share that rounds down to 0 denies: safe before available).
// What this node let through is also counted here all along: neither losing nor flushing Redis refills what it has spent.
import type { Guarantee, LimitCharge, LimitDecision, LimitStore } from '../redis/fast.js'
import type { MemoryLimitStore } from './memory-limit-store.js'

export interface FailoverOptions {
  shared: LimitStore
  local: MemoryLimitStore
  isUp: () => boolean
  liveNodes: () => number
}

/** A LimitStore that never throws. */
export function createFailoverLimitStore({ shared, local, isUp, liveNodes }: FailoverOptions): LimitStore {
  const nodes = (): number => Math.max(1, liveNodes())

  async function shareUnless(asked: Promise<LimitDecision>, charges: readonly LimitCharge[], at: number): Promise<LimitDecision> {
    try {
      const decision = await asked
      // Redis forgot what we let through: had it not, the two would agree
      return decision.allowed && !local.record(charges, at) ? local.takeShare(charges, 1) : decision
    } catch {
      // the guard has logged it and may have opened; this node decides alone
      return local.takeShare(charges, nodes())
    }
  }

  return {
    take(charges, dryRun = false) {
      if (!isUp()) return local.takeShare(charges, nodes(), dryRun)
      if (!local.fits(charges)) return local.takeShare(charges, 1, dryRun)
      // noted before asking: our copy of a charge must not outlive Redis's
      const at = local.now()
      const decision = shared.take(charges, dryRun)
      if (dryRun) return decision instanceof Promise ? decision.catch(() => local.takeShare(charges, nodes(), true)) : decision
      if (decision instanceof Promise) return shareUnless(decision, charges, at)
      if (decision.allowed) local.note(charges, at)
      return decision
    },
    guarantee(charge): Guarantee {
      if (isUp()) return shared.guarantee(charge)
      return { guarantee: 'leased', earlyBy: charge.quota - Math.floor(charge.quota / nodes()) }
    },
  }
}

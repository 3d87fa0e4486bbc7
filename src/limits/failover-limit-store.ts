// Which counters decide. Redis does while it answers; while it does not, this node alone, with the floor of an equal share of
// every quota, so that all nodes together stay within it (a share that rounds down to 0 denies: safe before available).
// What this node let through is also counted here all along: neither losing nor flushing Redis refills what it has spent.
import type { LimitCharge, LimitStore } from '../redis/fast.js'
import type { MemoryLimitStore } from './memory-limit-store.js'

export interface FailoverOptions {
  shared: LimitStore
  local: MemoryLimitStore
  isUp: () => boolean
  liveNodes: () => number
}

/** A LimitStore that never throws. */
export function createFailoverLimitStore({ shared, local, isUp, liveNodes }: FailoverOptions): LimitStore {
  return {
    async take(charges: readonly LimitCharge[]) {
      if (isUp()) {
        if (!local.fits(charges)) return local.takeShare(charges, 1)
        // noted before asking: our copy of a charge must not outlive Redis's
        const at = local.now()
        try {
          const decision = await shared.take(charges)
          // Redis forgot what we let through: had it not, the two would agree
          if (decision.allowed && !local.record(charges, at)) return local.takeShare(charges, 1)
          return decision
        } catch {
          // the guard has logged it and may have opened; this node decides alone
        }
      }
      return local.takeShare(charges, Math.max(1, liveNodes()))
    },
  }
}

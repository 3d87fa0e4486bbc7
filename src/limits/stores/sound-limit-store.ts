// The last check before counting: a charge whose numbers no counter could decide exactly, and at once, is denied without being counted. What
// people write is refused long before (limits/limit-rules.ts), so this is a row that was written by hand or by an older version: it is told to
// the operator in one line, and never stands for "unlimited".
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../kernel/clock.js'
import type { Guarantee, LimitCharge, LimitDecision, LimitStore } from '../../shared-store/shared-store.js'
import { PERIODS } from '../algorithms/calendar.js'
import { drainsInTime, isCost, isUnits, isWindowMs } from '../limit-bounds.js'

export interface SoundLimitStoreOptions {
  counters: LimitStore
  clock: Clock
  log: { warn: (details: object, message: string) => void }
}

// it refuses everything, and nothing early
const NOTHING_FITS: Guarantee = Object.freeze({ guarantee: 'exact', earlyBy: 0 })
const TOLD = 1_000
const TELL_AGAIN_MS = 3_600_000

/** Can it be decided? See limits/limit-bounds.ts. */
export function isSound({ algorithm = 'window', quota, windowMs, cost, burst, period = 'day' }: LimitCharge): boolean {
  if (!isUnits(quota) || !isCost(cost)) return false
  if (algorithm === 'calendar') return PERIODS.includes(period)
  if (!isWindowMs(windowMs)) return false
  if (algorithm === 'window') return true
  return algorithm === 'gcra' && (burst === undefined || isUnits(burst)) && drainsInTime({ quota, windowMs, burst })
}

/** `counters`, for charges from anywhere. Each counter that cannot be decided is logged once an hour. */
export function createSoundLimitStore({ counters, clock, log }: SoundLimitStoreOptions): LimitStore {
  const reported = new LRUCache<string, true>({ max: TOLD, ttl: TELL_AGAIN_MS, perf: { now: clock.monotonic }, ttlResolution: 0 })

  function refuse(charges: readonly LimitCharge[]): LimitDecision {
    for (const charge of charges) {
      if (isSound(charge) || reported.has(charge.key)) continue
      reported.set(charge.key, true)
      log.warn({ limit: charge }, 'a limit cannot be decided, so whatever it counts is denied: set it anew')
    }
    return { allowed: false, states: charges.map(() => ({ remaining: 0, resetMs: 0 })), retryAfterMs: Infinity }
  }

  return {
    take: (charges, dryRun) => (charges.every(isSound) ? counters.take(charges, dryRun) : refuse(charges)),
    guarantee: (charge) => (isSound(charge) ? counters.guarantee(charge) : NOTHING_FITS),
  }
}

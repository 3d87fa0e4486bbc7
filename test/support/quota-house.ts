// One node's quota blocks on rows in memory, with a clock that the test moves and answers that come when it says so.
import { blockExtra } from '../../src/limits/algorithms/calendar.js'
import { createQuotaBlocks, type Hold, isHold, type Refusal } from '../../src/limits/quota/quota-blocks.js'
import type { QuotaCounterStore } from '../../src/limits/quota/quota-counter-store.js'
import type { LimitCharge } from '../../src/shared-store/shared-store.js'

export const DAY_MS = 86_400_000
export const MIDNIGHT = Date.UTC(2031, 0, 31)
export const NOON = MIDNIGHT + DAY_MS / 2

/** One node on rows in memory. While they are slow, what was asked is done at once and answered when a test says so. */
export function house({ nodes = 1, startMs = NOON }: { nodes?: number; startMs?: number } = {}) {
  const times = { wallMs: startMs, monotonicMs: 10_000 }
  const used = new Map<string, number>()
  const reserved: { cost: number; extra: number; quota: number; nodes: number }[] = []
  const returned: number[] = []
  const pending: ((error?: Error) => void)[] = []
  const mood = { slow: false, broken: false }
  const answer = async <T>(value: T): Promise<T> => {
    if (mood.broken) throw new Error('cut off')
    if (!mood.slow) return value
    return new Promise<T>((resolve, reject) => pending.push((error) => (error ? reject(error) : resolve(value))))
  }
  const nameOf = (key: string, span: { startMs: number; endMs: number }): string => `${key} ${span.startMs} ${span.endMs}`
  const store: QuotaCounterStore = {
    async reserve(key, span, wanted) {
      reserved.push(wanted)
      const before = used.get(nameOf(key, span)) ?? 0
      if (mood.broken || before + wanted.cost > wanted.quota) return answer(null)
      const granted = wanted.cost + blockExtra(wanted.quota - before - wanted.cost, wanted.nodes, wanted.extra)
      used.set(nameOf(key, span), before + granted)
      return answer({ used: before + granted, granted })
    },
    async giveBack(key, span, units) {
      returned.push(units)
      if (!mood.broken) used.set(nameOf(key, span), (used.get(nameOf(key, span)) ?? 0) - units)
      return answer(undefined)
    },
    used: async (key, span) => answer(used.get(nameOf(key, span)) ?? 0),
  }
  const blocks = createQuotaBlocks({ store, clock: { now: () => times.wallMs, monotonic: () => times.monotonicMs }, liveNodes: () => nodes })
  return {
    blocks, reserved, returned, mood, times, store,
    /** all that is counted, of every period */
    used: () => [...used.values()].reduce((sum, one) => sum + one, 0),
    /** Answers a question, the oldest unless said, and lets what waited for it go on. */
    answers: async (error?: Error, at = 0): Promise<void> => {
      pending.splice(at, 1)[0]?.(error)
      await settle()
    },
    waiting: () => pending.length,
    advance: (ms: number): void => {
      times.wallMs += ms
      times.monotonicMs += ms
    },
    take: async (charge: LimitCharge): Promise<Hold | Refusal> => blocks.holdHere(charge) ?? blocks.hold(charge),
    /** How many of these charges the block covers without asking. */
    covers: (charge: LimitCharge, most = 1_000): number => {
      let count = 0
      while (count < most) {
        const answer = blocks.holdHere(charge)
        if (!answer || !isHold(answer)) break
        count += 1
      }
      return count
    },
  }
}

export const settle = async (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
export const of = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: 'k', quota: 100, windowMs: 0, cost: 1, algorithm: 'calendar', period: 'day', ...changes })

export async function holdOf(answer: Hold | Refusal | null | Promise<Hold | Refusal | null>): Promise<Hold> {
  const hold = await answer
  if (!hold || !isHold(hold)) throw new Error('was refused')
  return hold
}

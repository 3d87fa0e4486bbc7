// Tells of limits that ran out, as events: noted where a decision was made, in memory and without a wait, and written each second. Each limit of a key or
// an owner is told of once a window, an hour at the least, by all nodes together; what is more than can be written is told of when it refuses again.
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import { newId } from '../kernel/ids.js'
import type { LimitReport } from '../limits/index.js'

/** The name of the job that writes them: a test runs it. */
export const TELLING_LIMITS = 'telling of limits that ran out'
const EVERY_MS = 1_000
const LEAST_MS = 3_600_000
const MOST_NOTED = 10_000
const MOST_AT_ONCE = 500

/** Whose limits were charged. */
export interface ChargedSubject {
  /** null: a session */
  keyId: string | null
  ownerType: 'user' | 'organization'
  ownerId: string
}

export interface Exhaustion {
  id: string
  subjectType: 'key' | 'user' | 'organization'
  subjectId: string
  name: string
  until: Date
  details: Record<string, string | number | null>
}

export interface ExhaustionStore {
  /** Writes an event for each that was not told of in its time; the others stay untold. */
  tell: (exhaustions: readonly Exhaustion[], now: Date) => Promise<void>
}

export interface ExhaustedLimits {
  /** Of a decision that was refused: which of the limits kept with the key or session were in its way. Never waits, never throws. */
  note: (subject: ChargedSubject, reports: readonly LimitReport[], cost: number) => void
  job: Job
}

const isOwners = (name: string): boolean => name.startsWith('owner:') || name.startsWith('plan:')

export function createExhaustedLimits({ store, clock }: { store: ExhaustionStore; clock: Clock }): ExhaustedLimits {
  /** by subject and name, until when it is not told of again */
  const noted = new Map<string, number>()
  let waiting: Exhaustion[] = []

  async function write(): Promise<void> {
    const nowMs = clock.now()
    for (const [name, untilMs] of noted) if (untilMs <= nowMs) noted.delete(name)
    const batch = waiting.splice(0, MOST_AT_ONCE)
    if (batch.length === 0) return
    await store.tell(batch, new Date(nowMs)).catch((error: unknown) => {
      waiting = [...batch, ...waiting].slice(0, MOST_NOTED)
      throw error
    })
  }

  return {
    note({ keyId, ownerType, ownerId }, reports, cost) {
      const nowMs = clock.now()
      for (const { name, quota, remaining, resetSeconds, windowSeconds } of reports) {
        // a cost above the quota is refused however little was used
        if (remaining >= cost || cost > quota) continue
        const subjectId = keyId === null || isOwners(name) ? ownerId : keyId
        const notedAs = `${subjectId} ${name}`
        if ((noted.get(notedAs) ?? 0) > nowMs || noted.size >= MOST_NOTED) continue
        const untilMs = nowMs + Math.max(LEAST_MS, (windowSeconds ?? resetSeconds) * 1_000)
        noted.set(notedAs, untilMs)
        waiting.push({
          id: newId(), subjectType: subjectId === keyId ? 'key' : ownerType, subjectId, name, until: new Date(untilMs), details: { limit: name, quota, windowSeconds, resetSeconds, keyId, ownerId },
        })
      }
    },
    job: { name: TELLING_LIMITS, everyMs: EVERY_MS, work: write },
  }
}

// Of a batch, the decisions that wait for counters kept elsewhere: those about other counters go on meanwhile, one about the same takes its turn,
// so that the answers are those of questions asked one after the other. Pure.
import type { LimitCharge } from '../shared-store/shared-store.js'

type Counters = readonly Pick<LimitCharge, 'key'>[]

/** Of all batches of this process: how many decisions wait at once. More would fill the queue to Redis until it seems not to answer. */
export interface Room {
  /** Resolves when one of them is through, and somebody else may be quicker; undefined at once when there is room. Never rejects. */
  full: () => Promise<unknown> | undefined
  take: (decision: Promise<unknown>) => void
}

export interface PendingDecisions {
  /** Resolves when no decision about one of these counters waits; undefined at once when none does. Never rejects. */
  about: (counters: Counters) => Promise<unknown> | undefined
  /** The same, of whatever counters. */
  all: () => Promise<unknown> | undefined
  add: (counters: Counters, decision: Promise<unknown>) => void
}

const together = (decisions: readonly Promise<unknown>[]): Promise<unknown> | undefined => (decisions.length === 0 ? undefined : Promise.all(decisions))

async function settled(decision: Promise<unknown>, forget: () => void): Promise<void> {
  await decision.catch(() => undefined)
  forget()
}

export function createPendingDecisions(): PendingDecisions {
  const byCounter = new Map<string, Promise<unknown>>()
  const pending = new Set<Promise<unknown>>()
  return {
    about: (counters) => (byCounter.size === 0 ? undefined : together(counters.flatMap(({ key }) => byCounter.get(key) ?? []))),
    all: () => together([...pending]),
    add(counters, decision) {
      const done = settled(decision, () => {
        pending.delete(done)
        for (const { key } of counters) if (byCounter.get(key) === done) byCounter.delete(key)
      })
      pending.add(done)
      for (const { key } of counters) byCounter.set(key, done)
    },
  }
}

export function createRoom(most: number): Room {
  const pending = new Set<Promise<unknown>>()
  return {
    full: () => (pending.size < most ? undefined : Promise.race(pending)),
    take(decision) {
      const done = settled(decision, () => pending.delete(done))
      pending.add(done)
    },
  }
}

// Credentials known to have ended, as `session:<id>` and `key:<id>`: told by other nodes or by this one. It can only deny,
// at once and without a read; what it has forgotten or never heard of, PostgreSQL still denies.
import type { Bus } from '../redis/fast.js'

/** The bus channel on which ended credentials are told, after their change has committed. */
export const ENDED_CHANNEL = 'ended'

export interface EndedSet {
  add: (tag: string) => void
  has: (tag: string) => boolean
}

/** Listens to the bus until that closes. Keeps the last `capacity` tags; the oldest is forgotten first. */
export function createEndedSet({ bus, capacity = 100_000 }: { bus: Bus; capacity?: number }): EndedSet {
  const tags = new Set<string>()
  const add = (tag: string): void => {
    tags.add(tag)
    if (tags.size <= capacity) return
    const [oldest] = tags // a Set keeps the order of insertion
    if (oldest !== undefined) tags.delete(oldest)
  }
  // a bus that cannot be heard costs nothing but time: what it would have told is in PostgreSQL
  bus.subscribe(ENDED_CHANNEL, add).catch(() => undefined)
  return { add, has: (tag) => tags.has(tag) }
}

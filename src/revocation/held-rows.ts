// Rows that decisions rest on, kept in memory under the rules of docs/decision-engine.md (R3 and R4): used while the lease lasts and no revocation has met
// them, read anew otherwise, once for all who ask at that moment. What there is not is never kept.
import { LRUCache } from 'lru-cache'
import { problem } from '../kernel/errors.js'
import { withDeadline } from '../kernel/timers.js'
import type { Reading, Revocations } from './revocations.js'

/** A row with the last revocation that its snapshot held, and what stands behind the colon of the tags it hangs on. */
export interface FoundRow<T> {
  row: T
  ids: readonly string[]
  asOf: number
}

export interface HeldRows<T> {
  /** The row of a name. A promise only when it has to be read. Throws database.unavailable. */
  find: (name: string) => (T | null) | Promise<T | null>
}

export interface HeldRowsDeps<T> {
  revocations: Revocations
  read: (name: string) => Promise<FoundRow<T> | null>
  most: number
  /** Bytes of a row, about, and how many all of them may have: whoever may write long rows does not fill the memory. */
  sizeOf?: (row: T) => number
  mostBytes?: number
  deadline?: <R>(work: Promise<R>, ms: number) => Promise<R>
}

const ATTEMPTS = 3
const DEADLINE_MS = 2_000

interface Held<T> extends Reading {
  row: T
  epoch: number
}

export function createHeldRows<T extends object>({ revocations, read, most, sizeOf, mostBytes, deadline = withDeadline }: HeldRowsDeps<T>): HeldRows<T> {
  const held = new LRUCache<string, Held<T>>({ max: most, ...(sizeOf && mostBytes !== undefined ? { maxSize: mostBytes, sizeCalculation: ({ row }) => sizeOf(row) } : {}) })
  const reading = new Map<string, Promise<T | null>>()
  revocations.onForget(() => held.clear())

  function usable(name: string): T | null {
    const known = held.get(name)
    if (known === undefined) return null
    const at = revocations.now()
    if (!revocations.isLeased(at)) return null
    if (known.epoch === revocations.epoch() && revocations.isCurrent(known, at)) return known.row
    held.delete(name)
    return null
  }

  async function load(name: string): Promise<T | null> {
    let wasOutdated = false
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const { steadyMs, wallMs } = revocations.now()
      const epoch = revocations.epoch()
      const found = await read(name)
      const reading: Reading = { ids: found?.ids ?? [], asOf: found?.asOf ?? 0, steadyMs, wallMs, checkedVersion: -1 }
      if (!revocations.isFresh(reading)) continue
      if (!found) return null
      const isOutdated = revocations.epoch() !== epoch || revocations.isOutdated(reading)
      if (isOutdated && !wasOutdated) {
        wasOutdated = true
        continue
      }
      // asked after the change was known and still older than it: proof for now, as any fresh reading, but not to be kept
      if (!isOutdated) held.set(name, { ...reading, row: found.row, epoch })
      return found.row
    }
    throw problem('database.unavailable', { retryAfterSeconds: 1 })
  }

  return {
    find(name) {
      const known = usable(name)
      if (known !== null) return known
      let started = reading.get(name)
      if (!started) {
        started = load(name).finally(() => reading.delete(name))
        reading.set(name, started)
      }
      return deadline(started, DEADLINE_MS)
    },
  }
}

// The cache without Redis: a bounded map of this process, the least recently used entry leaves first.
import type { Clock } from '../kernel/clock.js'
import type { Cache } from './fast.js'

interface Entry {
  value: string
  /** by clock.monotonic */
  endsAtMs: number
}

export function createMemoryCache({ clock, maxEntries = 20_000 }: { clock: Clock; maxEntries?: number }): Cache {
  const entries = new Map<string, Entry>()
  return {
    async get(key) {
      const entry = entries.get(key)
      if (!entry) return null
      entries.delete(key)
      if (entry.endsAtMs <= clock.monotonic()) return null
      // re-inserted at the end: the map's order is the order of use
      entries.set(key, entry)
      return entry.value
    },
    async set(key, value, ttlMs) {
      entries.delete(key)
      if (ttlMs <= 0) return
      const [oldest] = entries.size >= maxEntries ? entries.keys() : []
      if (oldest !== undefined) entries.delete(oldest)
      entries.set(key, { value, endsAtMs: clock.monotonic() + ttlMs })
    },
    async delete(key) {
      entries.delete(key)
    },
  }
}

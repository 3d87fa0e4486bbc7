// The cache without Redis: a bounded map of this process, the least recently used entry leaves first.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../kernel/clock.js'
import type { Cache } from './shared-store.js'

export function createMemoryCache({ clock, maxEntries = 20_000 }: { clock: Clock; maxEntries?: number }): Cache {
  // ttlResolution 0: the injected clock is asked every time
  const entries = new LRUCache<string, string>({ max: maxEntries, perf: { now: clock.monotonic }, ttlResolution: 0, ttlAutopurge: false })
  return {
    get: async (key) => entries.get(key) ?? null,
    async set(key, value, ttlMs) {
      if (ttlMs > 0) entries.set(key, value, { ttl: Math.ceil(ttlMs) })
      else entries.delete(key)
    },
    async delete(key) {
      entries.delete(key)
    },
  }
}

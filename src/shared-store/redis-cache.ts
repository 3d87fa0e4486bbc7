// The cache in Redis. A failure is an empty cache; the guard logs it.
import type { Redis } from 'ioredis'
import type { Cache } from './shared-store.js'
import type { Guard } from './guard.js'

export function createRedisCache({ client, keyPrefix, guard }: { client: Redis; keyPrefix: string; guard: Guard }): Cache {
  const nameOf = (key: string): string => `${keyPrefix}cache:${key}`
  async function remove(key: string): Promise<void> {
    await guard.run(() => client.del(nameOf(key))).catch(() => undefined)
  }
  return {
    get: (key) => guard.run(() => client.get(nameOf(key))).catch(() => null),
    async set(key, value, ttlMs) {
      if (ttlMs <= 0) return remove(key)
      await guard.run(() => client.set(nameOf(key), value, 'PX', Math.ceil(ttlMs))).catch(() => undefined)
    },
    delete: remove,
  }
}

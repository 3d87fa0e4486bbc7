// How this program talks to Redis: never waits in a queue, never longer than 100 ms for an answer, reconnects for ever.
// Connections are opened by createFast; a Redis that is down at the start is one that comes back later.
import { randomInt } from 'node:crypto'
import { Redis, type RedisOptions } from 'ioredis'
import { watchFailures } from './failure-reason.js'

export const COMMAND_TIMEOUT_MS = 100
export const DEFAULT_PREFIX = 'gatehouse:'

const OPTIONS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: 1_000,
  // a peer that vanished without a word: the connection is given up when nothing comes back for this long
  socketTimeout: 2_000,
  // a command whose caller has gone on without it must not run later
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times - 1, 6), 1_000) + randomInt(100),
  // redis/redis-bus.ts does it, for there a failure is handled
  autoResubscribe: false,
  connectionName: 'gatehouse',
} satisfies RedisOptions

export interface RedisConnection {
  client: Redis
  /** first part of every key and channel */
  keyPrefix: string
  /** why the last attempt to connect failed, in a fixed phrase; null while connected, and before the first */
  failure: () => string | null
}

/** A client for REDIS_URL, not connected yet. `?keyPrefix=NAME:` sets two installations on one Redis apart. */
export function openRedis(redisUrl: string): RedisConnection {
  const url = new URL(redisUrl)
  const keyPrefix = url.searchParams.get('keyPrefix') ?? DEFAULT_PREFIX
  url.searchParams.delete('keyPrefix')
  const client = new Redis(url.href, OPTIONS)
  return { client, keyPrefix, failure: watchFailures(client) }
}

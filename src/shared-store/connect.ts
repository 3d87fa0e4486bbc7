// How this program talks to Redis: never waits in a queue, never longer than 100 ms for an answer, reconnects for ever.
// Connections are opened by createFast; a Redis that is down at the start is one that comes back later.
import { randomInt } from 'node:crypto'
import { Redis, type RedisOptions } from 'ioredis'
import { watchFailures } from './failure-reason.js'
import { slotConnector } from './slot-connector.js'
import { type ClusterPlace, type Endpoint, readRedisUrl, type RedisPlace, type SentinelPlace } from '../kernel/redis-url.js'

export const COMMAND_TIMEOUT_MS = 100
export const DEFAULT_PREFIX = 'gatehouse:'

const OPTIONS = {
  lazyConnect: true,
  enableReadyCheck: false,
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
  // CLIENT SETINFO is one more command that a user would have to be allowed
  disableClientInfo: true,
} satisfies RedisOptions

export interface RedisConnection {
  client: Redis
  /** first part of every key and channel */
  keyPrefix: string
  /** why the last attempt to connect failed, in a fixed phrase; null while connected, and before the first */
  failure: () => string | null
}

// a master that was made a replica: the sentinels know the new one
const isReplica = (error: Error): boolean => error.message.includes('READONLY')

// and so do the servers of a cluster, where a slot has moved, or a master has lost the others
const isNotHome = (error: Error): boolean => /\b(MOVED|CLUSTERDOWN|READONLY)\b/.test(error.message)

type Credentials = Record<'username' | 'password', string | null>

function given({ username, password }: Credentials) {
  return { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }) }
}

function behindSentinels({ tls, sentinels, name, db, sentinelUsername, sentinelPassword, ...credentials }: SentinelPlace) {
  return {
    sentinels, name, db, ...given(credentials), sentinelCommandTimeout: 1_000, reconnectOnError: isReplica,
    ...(sentinelUsername === null ? {} : { sentinelUsername }), ...(sentinelPassword === null ? {} : { sentinelPassword }),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  }
}

function inCluster(place: ClusterPlace, keyPrefix: string) {
  const own = { ...given(place), ...(place.tls ? { tls: {} } : {}) }
  const open = (endpoint: Endpoint): Redis => new Redis({ ...OPTIONS, ...own, ...endpoint, retryStrategy: null, commandTimeout: 1_000 })
  return { ...own, reconnectOnError: isNotHome, Connector: slotConnector(place, { key: `${keyPrefix}home`, open }) }
}

function clientOf(place: RedisPlace, keyPrefix: string): Redis {
  if (place.kind === 'cluster') return new Redis({ ...OPTIONS, ...inCluster(place, keyPrefix) })
  // The ready check asks INFO, which a user may not be allowed, and the guard's probe finds out more. But until it is over a connection whose database was not selected can be cut
  const options = { ...OPTIONS, enableReadyCheck: place.db !== 0 }
  return place.kind === 'server' ? new Redis(place.url, options) : new Redis({ ...options, ...behindSentinels(place) })
}

/**
 * A client for REDIS_URL, not connected yet. `?keyPrefix=NAME:` sets two installations on one Redis apart. In a cluster it is the hash tag: a decision
 * takes what it counts and who shares the limits in one script, so all of it must be on one master.
 */
export function openRedis(redisUrl: string): RedisConnection {
  const place = readRedisUrl(redisUrl)
  const prefix = place.keyPrefix ?? DEFAULT_PREFIX
  const keyPrefix = place.kind === 'cluster' ? `{${prefix}}` : prefix
  const client = clientOf(place, keyPrefix)
  return { client, keyPrefix, failure: watchFailures(client) }
}

/**
 * Runs `register` while a client that does not connect yet calls itself ready. @fastify/redis makes a ready client a decorator at once; for any other
 * it waits until Redis answers, holds the start up for 10 s, and ends the client at the first refusal. We start degraded instead.
 */
export async function whileCalledReady(client: Redis, register: () => PromiseLike<unknown>): Promise<void> {
  const { status } = client
  client.status = 'ready'
  try {
    await register()
  } finally {
    client.status = status
  }
}

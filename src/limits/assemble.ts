// Puts the shared store together: this process alone, or Redis with this process to fall back on. Starting while Redis is
// down gives a degraded store that recovers by itself, never an error.
import { once } from 'node:events'
import type { Redis } from 'ioredis'
import type { Clock } from '../kernel/clock.js'
import { type Alarm, createFailoverLimitStore, type FailoverLimitStore } from './stores/failover-limit-store.js'
import { createLeaseLimitStore } from './stores/lease-limit-store.js'
import { createMembership } from './stores/membership.js'
import { createMemoryLimitStore } from './stores/memory-limit-store.js'
import { createRedisLimitStore } from './stores/redis-limit-store.js'
import { createMostNodes } from '../cluster/most-nodes.js'
import type { SharedStore, LimitCharge, LimitStore } from '../shared-store/shared-store.js'
import { createGuard, type StoreLog, type Guard } from '../shared-store/guard.js'
import { createMemoryBus } from '../shared-store/memory-bus.js'
import { createMemoryCache } from '../shared-store/memory-cache.js'
import { createRedisBus } from '../shared-store/redis-bus.js'
import { createRedisCache } from '../shared-store/redis-cache.js'

export interface SharedStoreOptions {
  /** null: no Redis */
  redisUrl: string | null
  /** instead of the URL's */
  keyPrefix?: string
  /** instead of a client made from redisUrl; closed with the Fast */
  client?: Redis
  /** what openRedis says of that client's attempts to connect */
  failure?: () => string | null
  /** nodes that share the limits, this one included */
  liveNodes: () => number
  /** what strict limits do while this node has lost Redis; default: refuse */
  withoutRedis?: 'refuse' | 'share'
  clock: Clock
  log: StoreLog
}

const ALARM = 'limits-alarm'
const COMPLAIN_EVERY_MS = 60_000
const START_WAIT_MS = 1_500

/** Until connected, or refused, or 1.5 s have passed; the client goes on trying. */
async function connect(client: Redis): Promise<void> {
  if (client.status === 'wait') client.connect().catch(() => undefined)
  if (client.status !== 'ready') await once(client, 'ready', { signal: AbortSignal.timeout(START_WAIT_MS) }).catch(() => undefined)
}

const eased = (charge: LimitCharge): LimitCharge => ({ ...charge, strict: false })

/** The same store for an operator who would rather exceed a limit than refuse while Redis is lost: no charge is strict. */
function withoutStrictness(limits: LimitStore): LimitStore {
  return { take: (charges, dryRun) => limits.take(charges.map(eased), dryRun), guarantee: (charge) => limits.guarantee(eased(charge)) }
}

/** The shared store, ready: with Redis within 1.5 s, degraded when it has not answered by then. Never rejects for Redis's sake. */
export async function createSharedStore({ redisUrl, keyPrefix, client, failure, liveNodes, withoutRedis = 'refuse', clock, log }: SharedStoreOptions): Promise<SharedStore> {
  let complainedAt = -Infinity
  const local = createMemoryLimitStore({
    clock,
    onFull(kind) {
      if (clock.monotonic() - complainedAt < COMPLAIN_EVERY_MS) return
      complainedAt = clock.monotonic()
      log.warn({ kind }, 'every limit counter of this kind is in use: what has none yet is refused until one is over')
    },
  })
  if (redisUrl === null) {
    return { cache: createMemoryCache({ clock }), bus: createMemoryBus({ log }), limits: local, state: () => 'memory', reason: () => null, close: async () => undefined }
  }
  // the client's library is loaded where there is a Redis alone
  const { DEFAULT_PREFIX, openRedis } = await import('../shared-store/connect.js')
  const opened = client ? { client, keyPrefix: DEFAULT_PREFIX, failure: failure ?? (() => null) } : openRedis(redisUrl)
  const redis = opened.client
  const prefix = keyPrefix ?? opened.keyPrefix

  let connections = 0
  redis.on('close', () => void (connections += 1))
  const membership = createMembership({ client: redis, keyPrefix: prefix, now: local.now, connections: () => connections })
  const unguarded = createRedisLimitStore({ client: redis, keyPrefix: prefix, run: (command) => command() })
  const mostNodes = createMostNodes({ liveNodes, now: local.now })
  // it writes and runs a script, as a decision does; and Redis is up only once it knows again what this node let through
  const guard: Guard = createGuard({
    clock, log, onLost: () => limits.lost(),
    async probe() {
      mostNodes(0)
      await limits.restore()
    },
  })
  const counted = createRedisLimitStore({ client: redis, keyPrefix: prefix, run: guard.run, ticket: membership.ticket })
  const isUp = (): boolean => guard.isUp() && membership.isMember()
  const leases = createLeaseLimitStore({ store: counted, clock, liveNodes, isUp })
  const wake = (): void => void guard.wake()
  const limits: FailoverLimitStore = createFailoverLimitStore({
    shared: leases, local, membership, charge: unguarded.charge, isUp: guard.isUp, wake, alarm: (what) => void bus.publish(ALARM, what), mostNodes,
  })
  // the probe names what is wrong; the client's own words for it would repeat at every attempt to reconnect
  redis.on('error', () => undefined)
  redis.on('ready', wake)
  redis.on('close', wake)
  const subscriber = redis.duplicate({ connectionName: 'gatehouse-bus' })
  const bus = createRedisBus({ client: redis, subscriber, keyPrefix: prefix, guard, log })
  await Promise.all([connect(redis), connect(subscriber)])
  await bus.subscribe(ALARM, (what) => limits.alarmed(what as Alarm))
  await guard.wake()

  return {
    cache: createRedisCache({ client: redis, keyPrefix: prefix, guard }),
    bus,
    limits: withoutRedis === 'share' ? withoutStrictness(limits) : limits,
    state: () => (isUp() && bus.isListening() ? 'up' : 'degraded'),
    reason: () => (isUp() && bus.isListening() ? null : (opened.failure() ?? guard.reason() ?? bus.reason())),
    async close() {
      leases.close()
      guard.stop()
      if (isUp()) await membership.farewell()
      bus.close()
      redis.disconnect()
    },
  }
}

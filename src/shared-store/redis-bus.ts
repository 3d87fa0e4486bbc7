// The bus over Redis pub/sub, on a connection of its own. This node hears itself directly, so its own messages arrive even
// while Redis is lost; other nodes' messages of that time are lost, which the bus promises no more than.
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { systemTimer } from '../kernel/timers.js'
import { failureReason } from './failure-reason.js'
import type { Bus } from './shared-store.js'
import type { StoreLog, Guard } from './guard.js'
import { createMemoryBus } from './memory-bus.js'

export interface RedisBus extends Bus {
  /** connected, and subscribed to all that was asked for */
  isListening: () => boolean
  /** why it could not subscribe, in a fixed phrase; null when it could */
  reason: () => string | null
  close: () => void
}

const CHECK_EVERY_MS = 1_000
const ORIGIN_LENGTH = 12

export interface RedisBusOptions {
  client: Redis
  /** a connection that does nothing else; the bus listens on it and closes it */
  subscriber: Redis
  keyPrefix: string
  guard: Guard
  log: StoreLog
}

export function createRedisBus({ client, subscriber, keyPrefix, guard, log }: RedisBusOptions): RedisBus {
  const origin = randomBytes(9).toString('base64url')
  const local = createMemoryBus({ log })
  const prefix = `${keyPrefix}bus:`
  const subscribed = new Set<string>()
  let closed = false
  let why: string | null = null

  const missing = (): string[] => local.channels().filter((channel) => !subscribed.has(channel))

  /** Subscribes to what is not yet, or notices a connection that died in silence; the client reconnects by itself. */
  async function check(): Promise<void> {
    if (subscriber.status !== 'ready') return
    const channels = missing()
    try {
      if (channels.length === 0) {
        await subscriber.ping()
        return
      }
      await subscriber.subscribe(...channels.map((channel) => prefix + channel))
      for (const channel of channels) subscribed.add(channel)
      why = null
    } catch (error) {
      why = failureReason(error)
      // a time-out: the next check asks again, and after socketTimeout the client reconnects
    }
  }

  subscriber.on('error', () => undefined) // the command connection sees the same trouble and logs it
  subscriber.on('close', () => subscribed.clear())
  subscriber.on('ready', () => void check())
  subscriber.on('message', (name: string, payload: string) => {
    if (!payload.startsWith(origin)) local.deliver(name.slice(prefix.length), payload.slice(ORIGIN_LENGTH))
  })
  const stopChecking = systemTimer(CHECK_EVERY_MS, () => void check())

  return {
    async publish(channel, message) {
      local.deliver(channel, message)
      await guard.run(() => client.publish(prefix + channel, origin + message)).catch(() => undefined)
    },
    async subscribe(channel, listener) {
      await local.subscribe(channel, listener)
      await check()
    },
    isListening: () => !closed && subscriber.status === 'ready' && missing().length === 0,
    reason: () => why,
    close() {
      closed = true
      stopChecking()
      subscriber.disconnect()
    },
  }
}

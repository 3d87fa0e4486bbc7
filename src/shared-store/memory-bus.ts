// The bus within this process. Listeners run before publish resolves; one that throws is logged and stops nobody else.
import type { Bus } from './shared-store.js'
import type { StoreLog } from './guard.js'

export interface MemoryBus extends Bus {
  deliver: (channel: string, message: string) => void
  channels: () => string[]
}

export function createMemoryBus({ log }: { log: StoreLog }): MemoryBus {
  const listeners = new Map<string, ((message: string) => void)[]>()
  function deliver(channel: string, message: string): void {
    for (const listener of listeners.get(channel) ?? []) {
      try {
        listener(message)
      } catch (error) {
        log.warn({ err: error, channel }, 'a listener failed')
      }
    }
  }
  return {
    deliver,
    channels: () => [...listeners.keys()],
    async publish(channel, message) {
      deliver(channel, message)
    },
    async subscribe(channel, listener) {
      listeners.set(channel, [...(listeners.get(channel) ?? []), listener])
    },
  }
}

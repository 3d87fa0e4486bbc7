// How many nodes share the work: each writes a heartbeat to the database and counts the others'. Used for a node's share of
// a limit while Redis is lost, so a database that fails too leaves the last count standing.
import { systemTimer } from '../kernel/timers.js'
import type { StoreLog } from '../shared-store/guard.js'

export interface NodeStore {
  /** Notes that this node lives. Returns how many do, itself included: those seen within `aliveMs`. */
  beat: (id: string, aliveMs: number) => Promise<number>
  delete: (id: string) => Promise<void>
}

export interface NodeRegistry {
  id: string
  /** nodes seen within 15 s, this one included; at least 1 */
  liveNodes: () => number
  /** heartbeats that failed since the start */
  failures: () => number
  /** One heartbeat, now. Never rejects. */
  beat: () => Promise<void>
  /** The first heartbeat, then one every 5 s. */
  start: () => Promise<void>
  /** Stops, and strikes this node off the list if the database allows. */
  stop: () => Promise<void>
}

const EVERY_MS = 5_000
const ALIVE_MS = 15_000

export function createNodeRegistry({ store, id, log }: { store: NodeStore; id: string; log: StoreLog }): NodeRegistry {
  let live = 1
  let failures = 0
  let stop: (() => void) | undefined
  let beating: Promise<void> | undefined

  async function attempt(): Promise<void> {
    try {
      live = await store.beat(id, ALIVE_MS)
    } catch (error) {
      failures += 1
      log.warn({ err: error }, 'the heartbeat failed; it is tried again')
    } finally {
      beating = undefined
    }
  }
  // one at a time: a slow database must not collect heartbeats
  const beat = (): Promise<void> => (beating ??= attempt())

  return {
    id,
    liveNodes: () => live,
    failures: () => failures,
    beat,
    async start() {
      await beat()
      stop = systemTimer(EVERY_MS, () => void beat())
    },
    async stop() {
      stop?.()
      await beating
      await store.delete(id).catch(() => undefined)
    },
  }
}

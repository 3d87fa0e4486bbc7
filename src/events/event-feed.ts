// What this node knows of the newest events: it has them numbered, hears of those that other nodes numbered, and keeps the last thousand in
// memory for all its readers together. The bus only wakes: what has happened is asked of PostgreSQL, ten times a second at the latest.
import type { Job } from '../jobs/index.js'
import type { Bus } from '../shared-store/shared-store.js'
import { type PlacedRow, type Point, pointAfter } from './event-rules.js'
import type { EventPage, EventStore, Head } from './event-store.js'

/** The name of the job that numbers events: a test runs it. */
export const NUMBERING = 'numbering events'
const EVERY_MS = 100
const CHANNEL = 'events'
const MOST_AT_ONCE = 1_000
const MOST_KEPT = 1_000

export interface EventFeed {
  /** The newest place that this node knows of. */
  head: () => Head
  /** What came after a position, from memory; null: it is not there any more, ask the store. */
  since: (position: number) => EventPage | null
  /** The place at a position; null where this node does not remember it. */
  pointAt: (position: number) => Point | null
  /** Calls back when the head has moved; rows are kept in memory as long as somebody listens who wants them. Returns how it is ended. */
  follow: (listener: () => void, wantsRows?: boolean) => () => void
  /** Numbers what has committed, and learns of what others numbered. */
  look: () => Promise<void>
}

export interface EventFeedDeps {
  store: EventStore
  bus: Bus
  log: { warn: (details: object, message: string) => void; info: (details: object, message: string) => void }
}

export function createEventFeed({ store, bus, log }: EventFeedDeps): { feed: EventFeed; job: Job } {
  const listeners = new Map<() => void, boolean>()
  let head: Head = { position: 0, id: '' }
  /** one after the other, from after `keptFrom` up to the head; empty while nobody wants them */
  let kept: PlacedRow[] = []
  let keptFrom = 0
  let looking: Promise<void> | null = null
  let lookAgain = false
  let isDown = false

  const isWanted = (): boolean => [...listeners.values()].includes(true)

  /** Reads the rows up to a new head, where somebody wants them. */
  async function advance(next: Head): Promise<void> {
    if (next.position === head.position && next.id === head.id) return
    // a backup that was restored: what is remembered is of another history
    if (next.position < head.position || !isWanted() || next.position - head.position > MOST_AT_ONCE) {
      kept = []
      keptFrom = next.position
    } else {
      const { rows } = await store.page(Math.max(head.position, keptFrom), next.position, { types: null, subject: null }, MOST_AT_ONCE)
      kept.push(...rows)
      const over = kept.length - MOST_KEPT
      if (over > 0) keptFrom = kept.splice(0, over).at(-1)?.position ?? keptFrom
    }
    head = next
    for (const listener of listeners.keys()) listener()
  }

  async function lookOnce(): Promise<void> {
    do {
      lookAgain = false
      const { numbered, ...next } = await store.number(MOST_AT_ONCE)
      await advance(next)
      if (numbered > 0) await bus.publish(CHANNEL, String(next.position)).catch(() => undefined)
      if (numbered === MOST_AT_ONCE) lookAgain = true
    } while (lookAgain)
    if (isDown) log.info({}, 'events are told again')
    isDown = false
  }

  function look(): Promise<void> {
    if (looking) lookAgain = true
    looking ??= lookOnce().catch((error: unknown) => {
      if (!isDown) log.warn({ err: error }, 'events cannot be numbered; they wait, and it is tried again')
      isDown = true
    }).finally(() => { looking = null })
    return looking
  }

  // Redis is not trusted: what it tells can only make us look
  bus.subscribe(CHANNEL, (message) => {
    if (listeners.size > 0 && Number(message) !== head.position) void look()
  }).catch(() => undefined)

  return {
    feed: {
      head: () => head,
      since(position) {
        if (position >= head.position) return { rows: [], end: position }
        return position < keptFrom ? null : { rows: kept.slice(position - keptFrom), end: head.position }
      },
      pointAt(position) {
        if (position === head.position) return pointAfter(head)
        const row = kept[position - keptFrom - 1]
        return row ? pointAfter(row) : null
      },
      follow(listener, wantsRows = false) {
        if (wantsRows && !isWanted()) {
          kept = []
          keptFrom = head.position
        }
        listeners.set(listener, wantsRows)
        return () => void listeners.delete(listener)
      },
      look,
    },
    job: { name: NUMBERING, everyMs: EVERY_MS, work: look },
  }
}

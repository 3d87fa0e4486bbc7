// Keeps what this node knows of revocations up to date: polls the log four times a second (which alone renews the lease),
// hears of them sooner over the bus, and tells other nodes of this one's. See docs/decision-engine.md.
import { type Every, sleep, systemTimer } from '../kernel/timers.js'
import type { Bus } from '../shared-store/shared-store.js'
import type { LoggedRevocation, Revocations } from './revocations.js'
import type { RevocationStore } from './revocation-store.js'

export interface RevocationPoller {
  /** what this node knows */
  state: Revocations
  /** The first poll, then one every 250 ms. Never rejects. */
  start: () => Promise<void>
  /** Polls now, after whatever has committed before the call, and tells the other nodes what is new. Never rejects. */
  pollNow: () => Promise<void>
  /** One poll for all who wait for the lease; resolves within half a second, whatever comes of it. */
  restore: () => Promise<void>
  /** Resolves when every live node has learnt of all that has committed before the call, or their leases have run out. */
  waitForNodes: () => Promise<void>
  /** No node accepts what was revoked later than this, in ms. */
  effectiveWithinMs: () => number
  /** polls that failed since the start */
  failures: () => number
  /** Deletes old rows of the log; how many. */
  prune: () => Promise<number>
  close: () => Promise<void>
}

/** Real time for pauses; tests pass their own. */
export interface Timers {
  every: Every
  sleep: (ms: number) => Promise<void>
}

export interface RevocationPollerDeps {
  store: Pick<RevocationStore, 'poll' | 'noteCursor' | 'slowestCursor' | 'prune' | 'close'>
  revocations: Revocations
  bus: Bus
  log: { warn: (details: object, message: string) => void; info: (details: object, message: string) => void }
  timers?: Timers
}

/** The bus channel of revocations: JSON of [seq, tag] pairs. */
export const REVOKED_CHANNEL = 'revoked'

const POLL_EVERY_MS = 250
const RESTORE_WITHIN_MS = 500
const ASK_NODES_EVERY_MS = 20
const NODE_ALIVE_MS = 15_000
const MAX_UNPUBLISHED = 1_000

const systemTimers: Timers = { every: systemTimer, sleep }

/** A message of the bus; what is no revocation is left out. Redis is not trusted: what it tells can only make us read anew. */
function readMessage(message: string): LoggedRevocation[] {
  try {
    const parsed: unknown = JSON.parse(message)
    if (!Array.isArray(parsed)) return []
    return parsed.flatMap((pair: unknown) => {
      if (!Array.isArray(pair)) return []
      const [seq, tag] = pair as unknown[]
      return Number.isSafeInteger(seq) && typeof tag === 'string' && tag.length <= 200 ? [{ seq: seq as number, tag }] : []
    })
  } catch {
    return []
  }
}

export function createRevocationPoller({ store, revocations, bus, log, timers = systemTimers }: RevocationPollerDeps): RevocationPoller {
  const everyMs = Math.min(POLL_EVERY_MS, Math.floor(revocations.leaseMs / 4))
  /** learnt from the log and not yet heard on the bus: somebody may still have to tell them */
  let unpublished: LoggedRevocation[] = []
  let polling: Promise<void> | null = null
  let following: Promise<void> | null = null
  let restoring: Promise<void> | null = null
  let noted = -1
  let noting: Promise<void> | null = null
  let failures = 0
  let isDown = false
  let stop: (() => void) | null = null
  let closed = false

  function failed(error: unknown): void {
    failures += 1
    if (!isDown && !closed) log.warn({ err: error }, 'the revocation log cannot be read; decisions stop when the lease is over')
    isDown = true
  }

  async function pollOnce(): Promise<void> {
    const startedAt = revocations.now()
    try {
      const { server, head, rows } = await store.poll(revocations.cursor())
      revocations.applyPoll({ startedAt, server, head, rows })
      unpublished = [...unpublished, ...rows].slice(-MAX_UNPUBLISHED)
      if (isDown) log.info({}, 'the revocation log can be read again')
      isDown = false
      if (head !== noted) note()
    } catch (error) {
      failed(error)
    } finally {
      polling = null
    }
  }

  /** The poll that is under way, or a new one. */
  const poll = (): Promise<void> => (polling ??= pollOnce())

  /** A poll that is sent after this call. */
  function pollAfresh(): Promise<void> {
    if (!polling) return poll()
    following ??= polling.then(() => {
      following = null
      return poll()
    })
    return following
  }

  async function noteCursor(cursor: number): Promise<void> {
    try {
      await store.noteCursor(cursor)
      noted = cursor
    } catch {
      // the next poll that moves tries again; until then who waits for this node waits for its lease
    }
  }

  /** Tells the nodes' table how far we are; one statement at a time, and the latest number wins. */
  function note(): void {
    if (noting || closed) return
    noting = noteCursor(revocations.cursor()).finally(() => { noting = null })
  }

  function hear(message: string): void {
    const heard = readMessage(message)
    for (const revocation of heard) revocations.apply(revocation)
    if (unpublished.length === 0) return
    const heardSeqs = new Set(heard.map(({ seq }) => seq))
    unpublished = unpublished.filter(({ seq }) => !heardSeqs.has(seq))
  }

  // a bus that cannot be heard costs nothing but time
  bus.subscribe(REVOKED_CHANNEL, hear).catch(() => undefined)

  const poller: RevocationPoller = {
    state: revocations,

    async start() {
      await pollAfresh()
      let turns = 0
      stop = timers.every(everyMs, () => {
        // what waited for a whole lease has been polled by everybody
        if ((turns += 1) % 8 === 0) unpublished = []
        if (!polling) void poll()
      })
    },

    async pollNow() {
      await pollAfresh()
      const news = unpublished
      unpublished = []
      if (news.length === 0) return
      await bus.publish(REVOKED_CHANNEL, JSON.stringify(news.map(({ seq, tag }) => [seq, tag]))).catch(() => undefined)
    },

    restore: () => (restoring ??= Promise.race([poll(), timers.sleep(RESTORE_WITHIN_MS)]).finally(() => { restoring = null })),

    async waitForNodes() {
      const { steadyMs } = revocations.now()
      await poller.pollNow()
      const target = revocations.cursor()
      // a wall clock that jumps must not end it early, nor a steady one that stands still (a machine asleep, a test) keep it up
      for (let waitedMs = 0; waitedMs <= revocations.leaseMs && revocations.now().steadyMs - steadyMs < revocations.leaseMs; waitedMs += ASK_NODES_EVERY_MS) {
        const slowest = await store.slowestCursor(NODE_ALIVE_MS).catch(() => -1)
        if (slowest >= target) return
        await timers.sleep(ASK_NODES_EVERY_MS)
      }
    },

    effectiveWithinMs: () => revocations.leaseMs,
    failures: () => failures,
    prune: store.prune,

    async close() {
      closed = true
      stop?.()
      await polling
      await noting
      await store.close()
    },
  }
  return poller
}

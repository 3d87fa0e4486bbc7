// What this node knows of revocations, and for how long it may trust what it knows (rules R1 to R7 of docs/decision-engine.md).
// A state machine over an injected clock: no timers, no I/O. It never admits anybody; it says whether what was read may still be used.
import type { Clock } from '../kernel/clock.js'

/** A moment on both clocks: the steady one stands still while a machine sleeps, the wall's may be set. */
export interface Moment {
  steadyMs: number
  wallMs: number
}

/** What a reading of the database rests on. */
export interface Reading {
  /** what stands behind the colon of its tags. Ids are enough: should two kinds share one, more is read anew than needed, never less */
  ids: readonly string[]
  /** the last revocation that the reading's snapshot held */
  asOf: number
  /** when the reading was asked for */
  steadyMs: number
  wallMs: number
  /** the state in which they were last found untouched; -1: never checked */
  checkedVersion: number
}

export interface LoggedRevocation {
  seq: number
  tag: string
}

/** One answer of the log: everything after the cursor that was asked for, up to `head`, in order. */
export interface Poll {
  /** before the question was sent */
  startedAt: Moment
  /** which run of which server answered: an older copy may have caught up with our numbers, and means something else by them */
  server: string
  head: number
  rows: readonly LoggedRevocation[]
}

/** Tests switch a rule off to see that it is needed. */
export interface Rules {
  /** a reading older than a revocation of one of its ids is not used */
  guard: boolean
  /** nothing is used but for the lease's time after a poll */
  lease: boolean
  /** the lease counts from when the poll was sent, not from when it was answered */
  leaseFromSending: boolean
  /** an answer that took longer than the lease is not used */
  readingAge: boolean
  /** where the log cannot be followed without a gap, everything is forgotten */
  gaps: boolean
}

export interface Revocations {
  now: () => Moment
  leaseMs: number
  /** the last number that was polled */
  cursor: () => number
  /** grows when everything that was read before must be forgotten */
  epoch: () => number
  /** ms of the lease that are left; 0 when it has lapsed */
  leaseLeftMs: () => number
  /** Learns from a poll. Polls come one after the other. */
  applyPoll: (poll: Poll) => void
  /** Learns of one revocation from elsewhere, in any order and any number of times. Moves neither cursor nor lease. */
  apply: (revocation: LoggedRevocation) => void
  /** Has the node heard from the log within the lease? */
  isLeased: (at: Moment) => boolean
  /** Was something under its ids revoked since the reading? */
  isOutdated: (reading: Reading) => boolean
  /** May a reading from the cache be used, while the lease lasts: not outdated, and younger than five minutes? */
  isCurrent: (reading: Reading, at: Moment) => boolean
  /** Is a reading that was asked for at that moment younger than the lease, and so proof by itself? */
  isFresh: (askedAt: Moment) => boolean
  /** Called whenever the epoch grows. */
  onForget: (listener: () => void) => void
  /** ids remembered */
  size: () => number
}

export const EVERYTHING = '*'
const MAX_AGE_MS = 300_000
// twice the age of the oldest reading that may be used: nothing that is forgotten could still refuse one
const REMEMBERED_MS = 600_000
const MAX_IDS = 200_000
const ALL_RULES: Rules = { guard: true, lease: true, leaseFromSending: true, readingAge: true, gaps: true }

export interface RevocationsOptions {
  clock: Clock
  leaseMs: number
  maxIds?: number
  rules?: Partial<Rules>
}

export function createRevocations({ clock, leaseMs, maxIds = MAX_IDS, rules: changed }: RevocationsOptions): Revocations {
  const rules: Rules = { ...ALL_RULES, ...changed }
  /** id -> its last revocation, in the order of arrival */
  const revoked = new Map<string, { seq: number; steadyMs: number }>()
  const listeners: (() => void)[] = []
  let cursor = -1
  let server = ''
  let epoch = 0
  let version = 0
  let leasedFrom: Moment | null = null
  let lastWallMs = -Infinity

  const now = (): Moment => ({ steadyMs: clock.monotonic(), wallMs: clock.now() })

  /** The larger of the two differences; a wall clock that went back has none that can be trusted. */
  function passedMs(since: { steadyMs: number; wallMs: number }, at: Moment): number {
    const wallMs = at.wallMs - since.wallMs
    return wallMs < 0 ? Infinity : Math.max(at.steadyMs - since.steadyMs, wallMs)
  }

  function forget(): void {
    revoked.clear()
    epoch += 1
    version += 1
    for (const listener of listeners) listener()
  }

  function prune(steadyMs: number): void {
    for (const [id, known] of revoked) {
      if (steadyMs - known.steadyMs < REMEMBERED_MS) return
      revoked.delete(id)
    }
  }

  function learn({ seq, tag }: LoggedRevocation): void {
    const id = tag.slice(tag.indexOf(':') + 1)
    const known = revoked.get(id)
    if (known && known.seq >= seq) return
    if (tag === EVERYTHING) forget()
    const steadyMs = clock.monotonic()
    revoked.delete(id) // so that it goes to the end
    revoked.set(id, { seq, steadyMs })
    version += 1
    prune(steadyMs)
    if (revoked.size > maxIds) forget()
  }

  /** Do the rows lead from the cursor to the head without a gap? A transaction may have several rows of one number. */
  function isComplete({ head, rows, server: answering }: Poll): boolean {
    if (answering !== server) return false
    let at = cursor
    for (const { seq } of rows) {
      if (seq !== at && seq !== at + 1) return false
      at = seq
    }
    return at === head
  }

  function isLeased(at: Moment): boolean {
    if (!rules.lease) return true
    if (at.wallMs < lastWallMs) leasedFrom = null
    lastWallMs = at.wallMs
    return leasedFrom !== null && passedMs(leasedFrom, at) < leaseMs
  }

  function isOutdated({ ids, asOf }: Reading): boolean {
    if (!rules.guard) return false
    for (const id of ids) {
      const known = revoked.get(id)
      if (known !== undefined && known.seq > asOf) return true
    }
    return false
  }

  return {
    now,
    leaseMs,
    cursor: () => cursor,
    epoch: () => epoch,
    size: () => revoked.size,
    onForget: (listener) => void listeners.push(listener),

    leaseLeftMs() {
      const at = now()
      return isLeased(at) && leasedFrom ? leaseMs - passedMs(leasedFrom, at) : 0
    },

    applyPoll(poll) {
      // the first poll, a gap (a part of the log was lost or is too long), another server, or numbers that go back (an older copy)
      if (rules.gaps && !isComplete(poll)) forget()
      for (const row of poll.rows) learn(row)
      cursor = poll.head
      server = poll.server
      prune(clock.monotonic())
      const from = rules.leaseFromSending ? poll.startedAt : now()
      if (leasedFrom === null || from.steadyMs >= leasedFrom.steadyMs) leasedFrom = from
    },

    apply: learn,
    isLeased,
    isOutdated,

    isCurrent(reading, at) {
      if (passedMs(reading, at) >= MAX_AGE_MS) return false
      if (reading.checkedVersion === version) return true
      if (isOutdated(reading)) return false
      reading.checkedVersion = version
      return true
    },

    isFresh: (askedAt) => !rules.readingAge || passedMs(askedAt, now()) < leaseMs,
  }
}

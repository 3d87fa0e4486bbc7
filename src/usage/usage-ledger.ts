// Counts decisions about keys, by minute, and writes the counts every second in numbered batches. A batch that was sealed
// never changes and is sent again under its number until the store confirms it, so each decision is counted exactly once
// whatever acknowledgement is lost. Nothing waits for it; a crash loses what was not yet confirmed, a second's worth.
import type { Clock } from '../kernel/clock.js'
import { OUTCOMES, STEP_MS, type UsageOutcome } from './usage-counts.js'
import { type Every, systemTimer } from '../kernel/timers.js'

const FLUSH_EVERY_MS = 1_000
// a statement of this size costs the event loop a quarter of a millisecond, and lets reads in between on a small server
const ROWS_A_BATCH = 250

/** The counts of one key, as they stand since they were last written. */
export type Tally = Record<UsageOutcome, number> & { keyId: string; ownerUserId: string; cost: number; waits: boolean }

/** Counts of one minute; `number` rises by one from batch to batch of a writer. */
export interface UsageBatch {
  writerId: string
  number: number
  /** where the minute begins, ms since 1970 */
  minuteMs: number
  /** one a key, by key id: writers that lock the same rows must do so in one order */
  rows: readonly Readonly<Tally>[]
}

export interface UsageLedger {
  /** Counts one answered decision about a known key; `cost` counts when it was allowed. Synchronous. */
  record: (keyId: string, ownerUserId: string, outcome: UsageOutcome, cost: number) => void
  /** Writes what has been counted. Never throws: false when some of it still waits. */
  flush: () => Promise<boolean>
  /** Stops the timer and flushes. */
  close: () => Promise<void>
  /** decisions counted here since the start, by outcome */
  decided: () => Readonly<Record<UsageOutcome, number>>
  /** decisions counted here less those the store says it has of this writer */
  drift: () => number
}

export interface UsageLedgerDeps {
  /** resolves to all decisions the store has of this writer, once the batch is among them, be it by this call or an earlier one */
  store: { append: (batch: UsageBatch) => Promise<number> }
  /** an id never used before: batches are numbered from 1 */
  writerId: string
  clock: Clock
  log: { error: (details: object, message: string) => void }
  /** calls back every `ms` until the function it returns is called; the default never keeps the process alive */
  every?: Every
}

function noCounts(): Record<UsageOutcome, number> {
  return { allowed: 0, revoked: 0, expired: 0, owner_suspended: 0, forbidden: 0, rate_limited: 0 }
}

function emptied(tally: Tally): void {
  for (const outcome of OUTCOMES) tally[outcome] = 0
  tally.cost = 0
  tally.waits = false
}

/** The tallies of the minute that runs, and those that wait to be written. */
function createTallies(clock: Clock) {
  let minuteMs = 0
  let tallies = new Map<string, Tally>()
  let changed: Tally[] = []
  const waiting: { minuteMs: number; tallies: Tally[]; taken: number }[] = []

  function setAside(): void {
    if (changed.length === 0) return
    waiting.push({ minuteMs, tallies: changed, taken: 0 })
    changed = []
  }

  return {
    setAside,
    of(keyId: string, ownerUserId: string): Tally {
      const nowMs = clock.now()
      // also when the clock was set back: the counts then go to the minute it tells
      if (nowMs - minuteMs >= STEP_MS.minute || nowMs < minuteMs) {
        setAside()
        tallies = new Map()
        minuteMs = Math.floor(nowMs / STEP_MS.minute) * STEP_MS.minute
      }
      let tally = tallies.get(keyId)
      if (!tally) {
        tally = { keyId, ownerUserId, ...noCounts(), cost: 0, waits: false }
        tallies.set(keyId, tally)
      }
      if (!tally.waits) {
        tally.waits = true
        changed.push(tally)
      }
      return tally
    },
    /** Takes up to `most` rows of one minute out, oldest first; null when nothing was set aside. */
    take(most: number): { minuteMs: number; rows: Tally[] } | null {
      const [first] = waiting
      if (!first) return null
      const due = first.tallies.slice(first.taken, first.taken + most)
      first.taken += due.length
      if (first.taken >= first.tallies.length) waiting.shift()
      const rows = due.map((tally) => {
        const row = { ...tally }
        emptied(tally) // it stays the key's tally for the rest of its minute
        return row
      })
      return { minuteMs: first.minuteMs, rows: rows.toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1)) }
    },
  }
}

export function createUsageLedger({ store, writerId, clock, log, every = systemTimer }: UsageLedgerDeps): UsageLedger {
  const tallies = createTallies(clock)
  const decided = noCounts()
  let sealed: UsageBatch | null = null
  let written = 0
  let batches = 0
  let failing = false
  let writing: Promise<boolean> = Promise.resolve(true)
  let asked = 0

  function seal(): UsageBatch | null {
    const taken = tallies.take(ROWS_A_BATCH)
    if (!taken) return null
    batches += 1
    return { writerId, number: batches, ...taken }
  }

  async function write(): Promise<boolean> {
    tallies.setAside()
    try {
      // one after the other: the store knows a repeat by its number being at or below the last
      for (;;) {
        sealed ??= seal()
        if (!sealed) break
        written = await store.append(sealed)
        sealed = null
      }
      failing = false
      return true
    } catch (error) {
      if (!failing) log.error({ err: error }, 'usage was not written; it is kept and tried again every second')
      failing = true
      return false
    }
  }
  // one after the other, also when asked twice at once: batches must arrive in their order
  function flush(): Promise<boolean> {
    asked += 1
    writing = writing.then(write).finally(() => { asked -= 1 })
    return writing
  }

  function drift(): number {
    return OUTCOMES.reduce((sum, outcome) => sum + decided[outcome], 0) - written
  }

  const stop = every(FLUSH_EVERY_MS, () => {
    if (asked === 0) void flush() // a slow database is not asked twice
  })
  return {
    record(keyId, ownerUserId, outcome, cost) {
      const tally = tallies.of(keyId, ownerUserId)
      tally[outcome] += 1
      if (outcome === 'allowed') tally.cost += cost
      decided[outcome] += 1
    },
    flush,
    async close() {
      stop()
      // the second try is for a connection that was found broken by the first
      if (!(await flush()) && !(await flush())) log.error({ decisions: drift() }, 'usage is lost: it could not be written before the end')
    },
    decided: () => decided,
    drift,
  }
}

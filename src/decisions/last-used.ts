// When keys and sessions were last used, noted in batches: at most one write a minute for each, one statement a second, of so many
// rows that neither it nor its making keeps a decision waiting. Where more are in use, their notes come late. A note may be
// lost (a crash, a locked row); nothing that admits anybody waits for it.
import type { Clock } from '../kernel/clock.js'
import { type Every, systemTimer } from '../kernel/timers.js'

const NOTE_EVERY_MS = 60_000
const FLUSH_EVERY_MS = 1_000
const REMEMBERED = 200_000
const ROWS_A_STATEMENT = 250
const MOST_DUE = 50_000

/** id -> when it was last used, ms since 1970 */
export interface Uses {
  keys: ReadonlyMap<string, number>
  sessions: ReadonlyMap<string, number>
}

export interface LastUsed {
  /** `nowMs`: the wall clock, just read */
  key: (id: string, nowMs: number) => void
  session: (id: string, nowMs: number) => void
  /** Writes all that is due. Never throws: a failure is logged, and those uses are noted again at the next one. */
  flush: () => Promise<void>
  /** Stops the timer and flushes. */
  close: () => Promise<void>
}

export interface LastUsedDeps {
  store: { noteUses: (uses: Uses) => Promise<void> }
  clock: Clock
  log: { error: (details: object, message: string) => void }
  /** calls back every `ms` until the function it returns is called; the default never keeps the process alive */
  every?: Every
}

/** Uses of one kind: what was noted within the last minute, oldest first, and what waits to be written. */
function createNotes(clock: Clock) {
  const recent = new Map<string, number>()
  const due = new Map<string, number>()
  return {
    touch(id: string, nowMs: number): void {
      const noted = recent.get(id)
      // a clock set back must not silence a key until it has caught up
      if (noted !== undefined && Math.abs(nowMs - noted) < NOTE_EVERY_MS) return
      if (due.size >= MOST_DUE && !due.has(id)) return // a later use is noted
      if (recent.size >= REMEMBERED) recent.clear()
      recent.delete(id) // so that it goes to the end
      recent.set(id, nowMs)
      due.set(id, nowMs)
    },
    take(): Map<string, number> {
      const taken = new Map<string, number>()
      for (const [id, at] of due) {
        taken.set(id, at)
        due.delete(id)
        if (taken.size === ROWS_A_STATEMENT) break
      }
      const nowMs = clock.now()
      for (const [id, at] of recent) {
        if (Math.abs(nowMs - at) < NOTE_EVERY_MS) break
        recent.delete(id)
      }
      return taken
    },
    hasDue: () => due.size > 0,
    forget(uses: ReadonlyMap<string, number>): void {
      for (const id of uses.keys()) recent.delete(id)
    },
  }
}

export function createLastUsed({ store, clock, log, every = systemTimer }: LastUsedDeps): LastUsed {
  const keys = createNotes(clock)
  const sessions = createNotes(clock)
  let writing: Promise<boolean> | null = null

  /** One statement of what is due; false when it failed. */
  async function write(): Promise<boolean> {
    const uses = { keys: keys.take(), sessions: sessions.take() }
    if (uses.keys.size === 0 && uses.sessions.size === 0) return true
    try {
      await store.noteUses(uses)
      return true
    } catch (error) {
      keys.forget(uses.keys)
      sessions.forget(uses.sessions)
      log.error({ err: error }, 'times of last use were not written')
      return false
    }
  }
  /** One statement at a time: a slow database must not be asked twice. */
  function writeNext(): Promise<boolean> {
    writing ??= write().finally(() => { writing = null })
    return writing
  }
  async function flush(): Promise<void> {
    await writing
    do {
      if (!await writeNext()) return
    } while (keys.hasDue() || sessions.hasDue())
  }

  const stop = every(FLUSH_EVERY_MS, () => void writeNext())
  return {
    key: (id, nowMs) => keys.touch(id, nowMs),
    session: (id, nowMs) => sessions.touch(id, nowMs),
    flush,
    async close() {
      stop()
      await flush()
    },
  }
}

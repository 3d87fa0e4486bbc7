// Failed sign-ins by the minute, in PostgreSQL: the copy that counts, kept across restarts and shared by all nodes.
// A row is one counter's minute; it counts until 15 minutes after its last failure, so no failure is forgotten early.
import type pg from 'pg'
import { together } from '../database/along.js'
import { Prisma } from '../database/generated/client.js'
import { prepared } from '../database/prepared.js'
import type { Along, Tx } from '../database/transaction.js'

const MINUTE_MS = 60_000

export interface CountedMinute {
  counter: string
  count: number
  expiresAt: Date
}

/** Which counters get back the failure that was counted at `countedAtMs`, and which forget all that still count. */
export interface Forgiven {
  takenBack: readonly string[]
  cleared: readonly string[]
  countedAtMs: number
  nowMs: number
  windowMs: number
}

export interface LoginCounterStore {
  /**
   * Counts one failure for each counter when each has had fewer than its limit; or counts nothing and gives the minutes that still count, oldest
   * first. Waits for transactions over the same counters. It commits by itself, whatever transaction is open.
   */
  reserve: (limits: readonly { counter: string; limit: number }[], nowMs: number, windowMs: number) => Promise<CountedMinute[]>
  /** The order in which everybody locks counters; `sign_in_lock` and `login_reserve` take them as they come. */
  inLockOrder: (counters: readonly string[]) => string[]
  /** Makes transactions over the same counters wait for one another; taken in one order, so never in a circle. */
  lock: (tx: Tx, counters: readonly string[]) => Promise<void>
  /** Changes locked counters: see `forgiving`. */
  forgive: (tx: Tx, forgiven: Forgiven) => Promise<void>
  /** The same along with another statement, before which the counters were locked. */
  forgiving: (forgiven: Forgiven) => Along
  /** Notes the counter's lock-out until that time; false when one is noted already. */
  insertLockout: (tx: Tx, counter: string, nowMs: number, untilMs: number) => Promise<boolean>
}

const keyOf = (counter: string, minute: number): string => `${counter}@${minute}`

/** The rows a window can still count, and one more: another node's clock may be ahead. */
function keysOf(counters: readonly string[], nowMs: number, windowMs: number): string[] {
  const first = Math.floor((nowMs - windowMs) / MINUTE_MS)
  const last = Math.floor(nowMs / MINUTE_MS) + 1
  return counters.flatMap((counter) => Array.from({ length: last - first + 1 }, (_, at) => keyOf(counter, first + at)))
}

const inLockOrder = (counters: readonly string[]): string[] => counters.toSorted()

function forgiving({ takenBack, cleared, countedAtMs, nowMs, windowMs }: Forgiven): Along {
  const minute = Math.floor(countedAtMs / MINUTE_MS)
  const gone = [...keysOf(cleared, nowMs, windowMs), ...cleared.map((counter) => `lockout:${counter}`)]
  return (when) => ({
    ...(takenBack.length === 0 ? {} : {
      guess_taken_back: Prisma.sql`
        UPDATE login_counters SET count = count - 1 WHERE key = ANY(${takenBack.map((counter) => keyOf(counter, minute))}::text[]) AND count > 0 AND EXISTS (SELECT FROM ${when})`,
    }),
    ...(cleared.length === 0 ? {} : {
      guesses_forgotten: Prisma.sql`DELETE FROM login_counters WHERE key = ANY(${gone}::text[]) AND EXISTS (SELECT FROM ${when})`,
    }),
  })
}

export function createLoginCounterStore({ pool }: { pool: pg.Pool }): LoginCounterStore {
  return {
    async reserve(limits, nowMs, windowMs) {
      const byCounter = new Map(limits.map(({ counter, limit }) => [counter, limit]))
      const counters = inLockOrder([...byCounter.keys()])
      const counted = counters.map((counter) => keyOf(counter, Math.floor(nowMs / MINUTE_MS)))
      const { rows } = await pool.query<{ key: string; count: number; expires_at: Date }>(prepared(
        'login-reserve', 'SELECT key, count, expires_at FROM login_reserve($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz, $6::timestamptz)',
        [counters, counters.map((counter) => byCounter.get(counter)), keysOf(counters, nowMs, windowMs), counted, new Date(nowMs).toISOString(), new Date(nowMs + windowMs).toISOString()],
      ))
      return rows.map(({ key, count, expires_at: expiresAt }) => ({ counter: key.slice(0, key.lastIndexOf('@')), count, expiresAt }))
    },
    inLockOrder,
    async lock(tx, counters) {
      // unnest gives them in the order of the array, and each row's lock is taken before the next row is read
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(counter, 0)) FROM unnest(${inLockOrder(counters)}::text[]) AS counter`
    },
    async forgive(tx, forgiven) {
      await tx.$queryRaw(together({ always: Prisma.sql`SELECT 1` }, 'always', [forgiving(forgiven)], Prisma.sql`SELECT 1 AS done`))
    },
    forgiving,
    async insertLockout(tx, counter, nowMs, untilMs) {
      const inserted = await tx.$executeRaw`
        INSERT INTO login_counters (key, count, expires_at) VALUES (${`lockout:${counter}`}, 0, ${new Date(untilMs)})
        ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE login_counters.expires_at <= ${new Date(nowMs)}`
      return inserted === 1
    },
  }
}

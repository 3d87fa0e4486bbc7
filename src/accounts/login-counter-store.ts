// Failed sign-ins by the minute, in PostgreSQL: the copy that counts, kept across restarts and shared by all nodes.
// A row is one counter's minute; it counts until 15 minutes after its last failure, so no failure is forgotten early.
import { Prisma } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

const MINUTE_MS = 60_000

export interface CountedMinute {
  counter: string
  count: number
  expiresAt: Date
}

export interface LoginCounterStore {
  /** Makes transactions over the same counters wait for one another; taken in one order, so never in a circle. */
  lock: (tx: Tx, counters: readonly string[]) => Promise<void>
  /** what still counts, oldest first */
  list: (tx: Tx, counters: readonly string[], nowMs: number, windowMs: number) => Promise<CountedMinute[]>
  add: (tx: Tx, counters: readonly string[], nowMs: number, windowMs: number) => Promise<void>
  /** Takes back one failure that was counted at that time. */
  takeBack: (tx: Tx, counters: readonly string[], countedAtMs: number) => Promise<void>
  clear: (tx: Tx, counters: readonly string[], nowMs: number, windowMs: number) => Promise<void>
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

export function createLoginCounterStore(): LoginCounterStore {
  return {
    async lock(tx, counters) {
      for (const counter of counters.toSorted()) {
        await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${counter}, 0))`
      }
    },
    async list(tx, counters, nowMs, windowMs) {
      const rows = await tx.loginCounter.findMany({
        where: { key: { in: keysOf(counters, nowMs, windowMs) }, expiresAt: { gt: new Date(nowMs) } },
        orderBy: { expiresAt: 'asc' },
      })
      return rows.map(({ key, count, expiresAt }) => ({ counter: key.slice(0, key.lastIndexOf('@')), count, expiresAt }))
    },
    async add(tx, counters, nowMs, windowMs) {
      const expiresAt = new Date(nowMs + windowMs)
      const rows = counters.map((counter) => Prisma.sql`(${keyOf(counter, Math.floor(nowMs / MINUTE_MS))}, 1, ${expiresAt})`)
      await tx.$executeRaw`
        INSERT INTO login_counters (key, count, expires_at) VALUES ${Prisma.join(rows)}
        ON CONFLICT (key) DO UPDATE SET count = login_counters.count + 1, expires_at = GREATEST(login_counters.expires_at, excluded.expires_at)`
    },
    async takeBack(tx, counters, countedAtMs) {
      const keys = counters.map((counter) => keyOf(counter, Math.floor(countedAtMs / MINUTE_MS)))
      await tx.loginCounter.updateMany({ where: { key: { in: keys }, count: { gt: 0 } }, data: { count: { decrement: 1 } } })
    },
    async clear(tx, counters, nowMs, windowMs) {
      await tx.loginCounter.deleteMany({ where: { key: { in: [...keysOf(counters, nowMs, windowMs), ...counters.map((counter) => `lockout:${counter}`)] } } })
    },
    async insertLockout(tx, counter, nowMs, untilMs) {
      const inserted = await tx.$executeRaw`
        INSERT INTO login_counters (key, count, expires_at) VALUES (${`lockout:${counter}`}, 0, ${new Date(untilMs)})
        ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE login_counters.expires_at <= ${new Date(nowMs)}`
      return inserted === 1
    },
  }
}

// Rows that have had their time, every ten minutes, a thousand at a time: one statement a batch, so that no transaction and no lock lasts.
import type pg from 'pg'
import type { Job } from '../jobs/index.js'

const EVERY_MS = 600_000
const BATCH = 1_000

/** What all these jobs are called, so that one call runs them all. */
export const EXPIRY = 'deleting what has had its time'

/** `deleteSome` deletes at most so many and says how many; it is repeated until a batch is not full. */
export function expiryJob(deleteSome: (most: number) => Promise<number>): Job {
  return {
    name: EXPIRY, everyMs: EVERY_MS, lane: EXPIRY,
    async work() {
      while ((await deleteSome(BATCH)) === BATCH);
    },
  }
}

/** Deletes the rows of `table` for which `where` holds at `before()`, `$1` in it. Table and condition are our own words, never a caller's; an index must find the rows. */
export function tableExpiry(pool: pg.Pool, { table, where, before }: { table: string; where: string | ((beforeMs: number) => string); before: () => number }): Job {
  return expiryJob(async (most) => {
    const beforeMs = before()
    const condition = typeof where === 'string' ? where : where(beforeMs)
    // a row that somebody holds is left for the next time: it may be renewed, which a ctid alone does not show, and all expiry would wait for it
    const text = `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE ${condition} LIMIT ${most} FOR UPDATE SKIP LOCKED))`
    return (await pool.query(text, [new Date(beforeMs)])).rowCount ?? 0
  })
}

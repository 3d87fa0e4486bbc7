// Queued work at rest. Whoever takes a piece of it holds a claim and a time by which it is done: after that it is anybody's again, so that
// a node that was killed delays it and loses nothing. Every end of it (done, again, given up) names the claim, and only its holder wins.
import type pg from 'pg'
import { createList } from '../database/list.js'
import { prepared } from '../database/prepared.js'
import type { Tx } from '../database/transaction.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

export interface NewWork {
  id: string
  queue: string
  payload: Uint8Array
  /** what it is about, for whoever looks at it: never a secret */
  about: Record<string, string>
  at: Date
}

export interface TakenWork {
  id: string
  queue: string
  payload: Uint8Array
  about: Record<string, string>
  /** this one included */
  attempts: number
  claim: string
  createdAt: Date
}

export interface QueueStore {
  insert: (tx: Tx, work: NewWork) => Promise<void>
  /** Takes what is due, the longest due first, at most as many of each queue as it has `slots`; it counts as tried, and is anybody's again at `until`. */
  take: (slots: Readonly<Record<string, number>>, now: Date, until: Date) => Promise<TakenWork[]>
  /** Forgets work that is done; false when it is no longer this claim's. In the transaction that did it, if there was one. */
  finish: (work: TakenWork, tx?: Tx) => Promise<boolean>
  /** Leaves it for later. */
  postpone: (work: TakenWork, until: Date) => Promise<void>
  /** Gives it up. */
  bury: (work: TakenWork, error: string, now: Date) => Promise<void>
  listDead: (query: ListQuery) => Promise<PageText>
  /** Has work done again that was given up; false when there is none of that id. */
  revive: (tx: Tx, id: string, now: Date) => Promise<boolean>
  forget: (tx: Tx, id: string) => Promise<boolean>
}

const TAKE = `
  UPDATE queued_work SET attempts = attempts + 1, claim = gen_random_uuid(), run_at = $4
  WHERE id IN (
    SELECT due.id FROM unnest($1::text[], $2::int[]) AS free(name, slots)
    CROSS JOIN LATERAL (
      SELECT id FROM queued_work WHERE queue = free.name AND run_at <= $3 ORDER BY run_at, id LIMIT free.slots FOR UPDATE SKIP LOCKED
    ) AS due)
  RETURNING id, queue, payload_ciphertext AS payload, about, attempts, claim, created_at AS "createdAt"`
const BURY = `
  WITH gone AS (DELETE FROM queued_work WHERE id = $1 AND claim = $2 RETURNING *)
  INSERT INTO dead_letters (id, queue, payload_ciphertext, about, attempts, error, created_at, failed_at)
  SELECT id, queue, payload_ciphertext, about, attempts, $3, created_at, $4 FROM gone`

const DEAD = createList({
  name: 'dead-letters',
  table: 'dead_letters',
  fields: {
    id: { sql: 'id', as: 'word' },
    queue: { sql: 'queue', as: 'word' },
    about: { sql: 'about', as: 'value' },
    attempts: { sql: 'attempts', as: 'plain' },
    error: { sql: 'error', as: 'value' },
    createdAt: { sql: 'created_at', as: 'time' },
    failedAt: { sql: 'failed_at', as: 'time' },
  },
  sortable: { failedAt: { column: 'failed_at', type: 'timestamptz' } },
  filters: { queue: (p) => `queue = ${p}` },
  defaultSort: '-failedAt',
})

export function createQueueStore({ pool, cursors }: { pool: pg.Pool; cursors: Cursors }): QueueStore {
  return {
    async insert(tx, { id, queue, payload, about, at }) {
      await tx.$executeRaw`
        INSERT INTO queued_work (id, queue, payload_ciphertext, about, run_at, created_at) VALUES (${id}::uuid, ${queue}, ${Uint8Array.from(payload)}, ${JSON.stringify(about)}::jsonb, ${at}, ${at})`
    },
    async take(slots, now, until) {
      const { rows } = await pool.query<TakenWork>(prepared('queue-take', TAKE, [Object.keys(slots), Object.values(slots), now, until]))
      return rows
    },
    async finish({ id, claim }, tx) {
      if (tx) return (await tx.$executeRaw`DELETE FROM queued_work WHERE id = ${id}::uuid AND claim = ${claim}::uuid`) === 1
      return (await pool.query('DELETE FROM queued_work WHERE id = $1 AND claim = $2', [id, claim])).rowCount === 1
    },
    async postpone({ id, claim }, until) {
      await pool.query('UPDATE queued_work SET run_at = $3, claim = NULL WHERE id = $1 AND claim = $2', [id, claim, until])
    },
    async bury({ id, claim }, error, now) {
      await pool.query(BURY, [id, claim, error, now])
    },
    listDead: (query) => DEAD(pool, cursors, query),
    async revive(tx, id, now) {
      return (await tx.$executeRaw`
        WITH again AS (DELETE FROM dead_letters WHERE id = ${id}::uuid RETURNING *)
        INSERT INTO queued_work (id, queue, payload_ciphertext, about, run_at, created_at) SELECT id, queue, payload_ciphertext, about, ${now}, created_at FROM again`) === 1
    },
    forget: async (tx, id) => (await tx.$executeRaw`DELETE FROM dead_letters WHERE id = ${id}::uuid`) === 1,
  }
}

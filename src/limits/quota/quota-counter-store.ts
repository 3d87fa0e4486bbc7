// The rows of calendar quotas: what has been used, or set aside by a node, in a period. Each change is one statement, so the
// sum can never pass the quota, and it stands in PostgreSQL before a unit of it is spent.
import type pg from 'pg'
import type { Span } from '../algorithms/calendar.js'

// an equal part of half of what is left, as limits/calendar.ts says it
const EXTRA = (used: string): string => `least($5::bigint, greatest(0, ($6::bigint - ${used} - $4::bigint) / (2 * $7::bigint)))`

const RESERVE = {
  name: 'quota-reserve',
  text: `
    INSERT INTO quota_counters AS c (key, starts_at, ends_at, used, granted)
    SELECT $1, $2, $3, $4::bigint + ${EXTRA('0')}, $4::bigint + ${EXTRA('0')} WHERE $4::bigint <= $6::bigint
    ON CONFLICT (key, starts_at, ends_at) DO UPDATE SET used = c.used + $4::bigint + ${EXTRA('c.used')}, granted = $4::bigint + ${EXTRA('c.used')}
    WHERE c.used + $4::bigint <= $6::bigint
    RETURNING used::float8, granted::float8`,
}
const GIVE_BACK = {
  name: 'quota-give-back',
  text: 'UPDATE quota_counters SET used = used - $4::bigint WHERE key = $1 AND starts_at = $2 AND ends_at = $3 AND used >= $4::bigint RETURNING used::float8',
}
const USED = { name: 'quota-used', text: 'SELECT used::float8 FROM quota_counters WHERE key = $1 AND starts_at = $2 AND ends_at = $3' }

export interface QuotaCounterStore {
  /** Sets `cost` and up to `extra` more units aside, if `cost` fits below the quota. Null: it does not. */
  reserve: (key: string, span: Span, wanted: { cost: number; extra: number; quota: number; nodes: number }) => Promise<{ used: number; granted: number } | null>
  /** Returns units that were set aside and not used. To be called once for them: after a failure they stay counted. */
  giveBack: (key: string, span: Span, units: number) => Promise<void>
  used: (key: string, span: Span) => Promise<number>
}

const place = (key: string, { startMs, endMs }: Span): unknown[] => [key, new Date(startMs), new Date(endMs)]

export function createQuotaCounterStore({ pool }: { pool: pg.Pool }): QuotaCounterStore {
  return {
    async reserve(key, span, { cost, extra, quota, nodes }) {
      const { rows } = await pool.query<{ used: number; granted: number }>({ ...RESERVE, values: [...place(key, span), cost, extra, quota, nodes] })
      return rows[0] ?? null
    },
    async giveBack(key, span, units) {
      await pool.query({ ...GIVE_BACK, values: [...place(key, span), units] })
    },
    async used(key, span) {
      const { rows } = await pool.query<{ used: number }>({ ...USED, values: place(key, span) })
      return rows[0]?.used ?? 0
    },
  }
}

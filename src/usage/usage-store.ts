// The ledger in PostgreSQL. Counts arrive in usage_live and are moved into usage_counts (minute, hour and day at once) in one
// statement, so that at any moment each decision stands in exactly one of the two, and a sum over both is exact.
import type pg from 'pg'
import { type Granularity, OUTCOMES, type Period, type UsageBucket, type UsageRow } from './usage-counts.js'
import type { UsageBatch } from './usage-ledger.js'

export interface UsageScope {
  /** undefined: whoever's */
  keyId?: string | undefined
  ownerUserId?: string | undefined
}

export interface UsageStore {
  /**
   * Adds a batch, once: repeated, it adds nothing. Resolves to all decisions of its writer that stand in the ledger.
   * Batches of one writer come one after the other.
   */
  append: (batch: UsageBatch) => Promise<number>
  /** Moves up to `limit` rows of minutes before `beforeMs` into the history. Resolves to how many. */
  fold: (beforeMs: number, limit: number) => Promise<number>
  /** Deletes up to `limit` rows of this granularity that begin before `before`. Resolves to how many. */
  prune: (granularity: Granularity, before: Date, limit: number) => Promise<number>
  /** Forgets writers that are gone and have written nothing since. */
  pruneWriters: (before: Date) => Promise<void>
  /** Sums over the keys in scope, one a stretch that has any, oldest first. */
  series: (scope: UsageScope, period: Period) => Promise<UsageBucket[]>
  /** Up to `limit` rows by time and key, from the one after `after`. */
  page: (scope: UsageScope, period: Period, after: Pick<UsageRow, 'at' | 'keyId'> | null, limit: number) => Promise<UsageRow[]>
  ownerOfKey: (keyId: string) => Promise<string | null>
}

const COUNTS = [...OUTCOMES, 'cost'] as const
const COLUMNS = COUNTS.join(', ')
const sums = (type: string): string => COUNTS.map((name) => `sum(${name})::${type} AS ${name}`).join(', ')
const added = (table: string): string => COUNTS.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(', ')
/** sums as the API names them; exact in a double up to 2^53 */
const VIEW = COUNTS.map((name) => `sum(${name})::float8 AS "${name.replace(/_(.)/, (_all, letter: string) => letter.toUpperCase())}"`).join(', ')
const AT = `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "at"`

// A repeat finds its number taken and adds nothing. While the first try is still running on the server, the repeat waits for
// the writer's row; whichever commits, the other one sees it.
const APPEND = {
  name: 'usage-append',
  text: `
    WITH given AS (
      SELECT * FROM unnest($4::uuid[], $5::uuid[], ${COUNTS.map((_name, at) => `$${at + 6}::int8[]`).join(', ')}) AS n(key_id, owner_user_id, ${COLUMNS})
    ), fresh AS (
      INSERT INTO usage_writers AS w (id, batch, decisions, written_at)
      SELECT $1::uuid, $2::int, coalesce(sum(${OUTCOMES.join(' + ')}), 0), clock_timestamp() FROM given
      ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, decisions = w.decisions + excluded.decisions, written_at = excluded.written_at
      WHERE w.batch < excluded.batch
      RETURNING decisions
    ), counted AS (
      INSERT INTO usage_live AS l (minute, key_id, owner_user_id, ${COLUMNS})
      SELECT $3::timestamptz, key_id, owner_user_id, ${COLUMNS} FROM given, fresh ORDER BY key_id
      ON CONFLICT (minute, key_id) DO UPDATE SET ${added('l')}
    )
    SELECT decisions::float8 FROM fresh`,
}

// Rows are locked and added to in one order, so that nodes which fold at once neither block each other for long nor deadlock.
const FOLD = {
  name: 'usage-fold',
  text: `
    WITH due AS (
      SELECT minute, key_id FROM usage_live WHERE minute < $1 ORDER BY minute, key_id LIMIT $2 FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM usage_live l USING due WHERE l.minute = due.minute AND l.key_id = due.key_id RETURNING l.*
    ), folded AS (
      INSERT INTO usage_counts AS c (granularity, key_id, at, owner_user_id, ${COLUMNS})
      SELECT g.granularity, key_id, date_trunc(g.granularity::text, minute, 'UTC') AS at, (array_agg(owner_user_id))[1], ${sums('int8')}
      FROM gone CROSS JOIN unnest(enum_range(NULL::usage_granularity)) AS g(granularity)
      GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
      ON CONFLICT (granularity, key_id, at) DO UPDATE SET ${added('c')}
    )
    SELECT count(*)::int AS rows FROM gone`,
}

const PRUNE = {
  name: 'usage-prune',
  text: `
    DELETE FROM usage_counts WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM usage_counts WHERE granularity = $1::usage_granularity AND at < $2 ORDER BY at LIMIT $3 FOR UPDATE SKIP LOCKED))`,
}

// a node that lives but has nothing to count keeps its row, or its drift would be wrong
const PRUNE_WRITERS = 'DELETE FROM usage_writers w WHERE written_at < $1 AND NOT EXISTS (SELECT FROM nodes n WHERE n.id = w.id)'

/** Conditions on key and owner, and the values they need, from placeholder `$next` on. */
function conditionsOf({ keyId, ownerUserId }: UsageScope, next: number): { sql: string; values: string[]; name: string } {
  const given = [['key_id', keyId], ['owner_user_id', ownerUserId]].flatMap(([column, value]) => (value === undefined ? [] : [[column, value] as const]))
  return {
    sql: given.map(([column], at) => ` AND ${column} = $${next + at}::uuid`).join(''),
    values: given.map(([, value]) => value),
    name: given.map(([column]) => `-${column}`).join(''),
  }
}

function arrayOf(values: readonly (string | number)[]): string {
  return `{${values.join(',')}}` // ids and numbers need no quotes
}

export function createUsageStore({ pool }: { pool: pg.Pool }): UsageStore {
  return {
    async append({ writerId, number, minuteMs, rows }) {
      const columns = [rows.map(({ keyId }) => keyId), rows.map(({ ownerUserId }) => ownerUserId), ...COUNTS.map((name) => rows.map((row) => row[name]))]
      const fresh = await pool.query<{ decisions: number }>({ ...APPEND, values: [writerId, number, new Date(minuteMs), ...columns.map(arrayOf)] })
      if (fresh.rows[0]) return fresh.rows[0].decisions
      const before = await pool.query<{ decisions: number }>('SELECT decisions::float8 FROM usage_writers WHERE id = $1', [writerId])
      if (!before.rows[0]) throw new Error('a batch of usage was neither written now nor before')
      return before.rows[0].decisions
    },

    async fold(beforeMs, limit) {
      const { rows } = await pool.query<{ rows: number }>({ ...FOLD, values: [new Date(beforeMs), limit] })
      return rows[0]?.rows ?? 0
    },

    async prune(granularity, before, limit) {
      const { rowCount } = await pool.query({ ...PRUNE, values: [granularity, before, limit] })
      return rowCount ?? 0
    },

    async pruneWriters(before) {
      await pool.query(PRUNE_WRITERS, [before])
    },

    async series(scope, { granularity, from, to }) {
      const { sql, values, name } = conditionsOf(scope, 4)
      const { rows } = await pool.query<UsageBucket>({
        name: `usage-series${name}`,
        text: `
          SELECT ${AT}, ${VIEW} FROM (
            SELECT at, ${COLUMNS} FROM usage_counts WHERE granularity = $1::text::usage_granularity AND at >= $2 AND at < $3${sql}
            UNION ALL
            SELECT date_trunc($1::text, minute, 'UTC'), ${COLUMNS} FROM usage_live WHERE minute >= $2 AND minute < $3${sql}
          ) AS both_tables GROUP BY both_tables.at ORDER BY both_tables.at`,
        values: [granularity, from, to, ...values],
      })
      return rows
    },

    async page(scope, { granularity, from, to }, after, limit) {
      const { sql, values, name } = conditionsOf(scope, 7)
      const { rows } = await pool.query<UsageRow>({
        name: `usage-page${name}`,
        // when the history alone fills the page, live rows after its last one belong to a later page: they are not read at all
        text: `
          WITH history AS MATERIALIZED (
            SELECT at, key_id, owner_user_id, ${COLUMNS} FROM usage_counts
            WHERE granularity = $1::text::usage_granularity AND at >= $2 AND at < $3 AND (at, key_id) > ($4::timestamptz, $5::uuid)${sql}
            ORDER BY at, key_id LIMIT $6
          )
          SELECT ${AT}, key_id AS "keyId", owner_user_id AS "ownerUserId", ${VIEW} FROM (
            SELECT * FROM history
            UNION ALL
            SELECT date_trunc($1::text, minute, 'UTC'), key_id, owner_user_id, ${COLUMNS} FROM usage_live
            WHERE minute >= $2 AND minute < $3 AND minute >= $4::timestamptz
              AND minute < coalesce((SELECT (max(at) AT TIME ZONE 'UTC' + ('1 ' || $1::text)::interval) AT TIME ZONE 'UTC' FROM history HAVING count(*) = $6), 'infinity')
              AND (date_trunc($1::text, minute, 'UTC'), key_id) > ($4::timestamptz, $5::uuid)${sql}
          ) AS both_tables GROUP BY both_tables.at, key_id, owner_user_id ORDER BY both_tables.at, key_id LIMIT $6`,
        values: [granularity, from, to, after?.at ?? '-infinity', after?.keyId ?? '00000000-0000-0000-0000-000000000000', limit, ...values],
      })
      return rows
    },

    async ownerOfKey(keyId) {
      const { rows } = await pool.query<{ owner: string }>('SELECT coalesce(owner_user_id, organization_id) AS owner FROM api_keys WHERE id = $1', [keyId])
      return rows[0]?.owner ?? null
    },
  }
}

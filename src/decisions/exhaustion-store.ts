// That a limit ran out, at rest: an event, and until when it is not told of again. It changes nothing, so that it has no row in the audit log, which
// keeps its rows for ever.
import type pg from 'pg'
import { prepared } from '../database/prepared.js'
import type { ExhaustionStore } from './exhausted-limits.js'

export function createExhaustionStore({ pool }: { pool: pg.Pool }): ExhaustionStore {
  return {
    async tell(exhaustions, now) {
      const given = JSON.stringify(exhaustions.map(({ id, subjectType, subjectId, name, until, details }) => ({ id, t: subjectType, s: subjectId, n: name, u: until, d: details })))
      // in one order, for nodes that tell of the same
      await pool.query(prepared('limits-exhausted', `
        WITH given AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(id uuid, t text, s uuid, n text, u timestamptz, d jsonb)),
          told AS (
            INSERT INTO limit_exhaustions AS e (subject_id, name, until) SELECT s, n, u FROM given ORDER BY s, n
            ON CONFLICT (subject_id, name) DO UPDATE SET until = excluded.until WHERE e.until <= $2 RETURNING subject_id, name)
        INSERT INTO event_outbox (id, at, type, subject_type, subject_id, actor_type, actor_id, request_id, details)
        SELECT g.id, $2, 'limit.exhausted', g.t, g.s::text, 'host', '', '', g.d FROM given g JOIN told ON told.subject_id = g.s AND told.name = g.n`, [given, now]))
    },
  }
}

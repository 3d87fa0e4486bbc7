// The table of running nodes. Times are the database's: nodes compare each other's, and their own clocks may differ.
import type pg from 'pg'
import type { NodeStore } from './node-registry.js'

const BEAT = {
  name: 'node-beat',
  text: `
    WITH me AS (
      INSERT INTO nodes (id, seen_at) VALUES ($1, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
    ), gone AS (
      DELETE FROM nodes WHERE id IN (SELECT id FROM nodes WHERE seen_at < clock_timestamp() - interval '1 hour' AND id <> $1 FOR UPDATE SKIP LOCKED)
    )
    SELECT count(*)::int + 1 AS live FROM nodes WHERE id <> $1 AND seen_at > clock_timestamp() - make_interval(secs => $2::float / 1000)`,
}

/** The registry's rows. */
export function createNodeTable({ pool }: { pool: pg.Pool }): NodeStore {
  return {
    async beat(id, aliveMs) {
      const { rows } = await pool.query<{ live: number }>({ ...BEAT, values: [id, aliveMs] })
      return rows[0]?.live ?? 1
    },
    async delete(id) {
      await pool.query('DELETE FROM nodes WHERE id = $1', [id])
    },
  }
}

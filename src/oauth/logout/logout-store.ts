// Clients that are still to be told of a logout, and the sign-in that a grant hangs on.
import type pg from 'pg'
import { prepared } from '../../database/prepared.js'
import type { Tx } from '../../database/transaction.js'

export interface Logout {
  grantId: string
  clientId: string
  userId: string
}

export interface LogoutStore {
  /** Takes some that no other node is taking. */
  take: (tx: Tx, most: number) => Promise<Logout[]>
  /** Is there any? */
  any: () => Promise<boolean>
  /** The sign-in that a grant was given in; null: there is no such grant. */
  findParent: (grantId: string) => Promise<string | null>
  /** Ends grants that time has ended, of clients that want to be told, `most` at a time; how many. */
  endExpired: (at: { now: Date; idleSince: Date }, most: number) => Promise<number>
}

const EXPIRED = `
  UPDATE sessions SET ended_at = $1::timestamptz WHERE id IN (
    SELECT s.id FROM oauth_clients c JOIN oauth_grants g ON g.client_id = c.id JOIN sessions s ON s.id = g.id LEFT JOIN sessions p ON p.id = g.parent_session_id
    WHERE c.backchannel_logout_uri IS NOT NULL AND s.ended_at IS NULL AND (s.expires_at <= $1::timestamptz OR s.last_seen_at <= $2::timestamptz
      OR (NOT g.offline AND (p.id IS NULL OR p.ended_at IS NOT NULL OR p.expires_at <= $1::timestamptz OR p.last_seen_at <= $2::timestamptz)))
    LIMIT $3 FOR UPDATE OF s SKIP LOCKED)`

export function createLogoutStore({ pool }: { pool: pg.Pool }): LogoutStore {
  return {
    take: (tx, most) => tx.$queryRaw<Logout[]>`
      DELETE FROM oauth_logouts WHERE grant_id IN (SELECT grant_id FROM oauth_logouts ORDER BY created_at LIMIT ${most} FOR UPDATE SKIP LOCKED)
      RETURNING grant_id AS "grantId", client_id AS "clientId", user_id AS "userId"`,
    async any() {
      const { rows } = await pool.query(prepared('oauth-logouts-any', 'SELECT 1 FROM oauth_logouts LIMIT 1', []))
      return rows.length > 0
    },
    async findParent(grantId) {
      const { rows: [row] } = await pool.query<{ parent: string | null }>(prepared('oauth-grant-parent', 'SELECT parent_session_id AS parent FROM oauth_grants WHERE id = $1::uuid', [grantId]))
      return row?.parent ?? null
    },
    async endExpired({ now, idleSince }, most) {
      const { rowCount } = await pool.query({ text: EXPIRED, values: [now, idleSince, most] })
      return rowCount ?? 0
    },
  }
}

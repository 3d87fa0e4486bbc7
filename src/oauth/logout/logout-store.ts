// Clients that are still to be told of a logout, and the sign-in that a grant hangs on.
import type pg from 'pg'
import { prepared } from '../../database/prepared.js'
import type { Tx } from '../../database/transaction.js'

export interface Logout {
  grantId: string
  clientId: string
  userId: string
}

/** A client that was deleted or disabled, as it was then. */
export interface LeftClient {
  clientId: string
  backchannelLogoutUri: string | null
  idTokenAlgorithm: 'RS256' | 'ES256' | 'EdDSA'
  /** whose it was; null: no organization's */
  organizationId: string | null
}

export interface LogoutStore {
  /** Takes some that no other node is taking. */
  take: (tx: Tx, most: number) => Promise<Logout[]>
  /** Is there any? */
  any: () => Promise<boolean>
  /** The sign-in that a grant was given in; null: there is no such grant. */
  findParent: (grantId: string) => Promise<string | null>
  /** Ends grants that time has ended, of clients that want to be told. Looks at `most` that are due; at how many it has looked. */
  endExpired: (at: { now: Date; idleSince: Date }, most: number) => Promise<number>
  /** By the id of the row it had. */
  findLeft: (id: string) => Promise<LeftClient | null>
  /** Ends grants of clients that were deleted or disabled, `most` of each client. Looks at a client again after `againAt`, once, for what was given at the very moment it left. */
  endLeft: (at: { now: Date; againAt: Date }, most: number) => Promise<void>
}

// Each grant says when it is to be looked at next: no sooner than time can end it, at most a day ahead (the settings may change), and never again once it is over. So a look costs
// what is due, by the index, however many grants there are; that somebody used it meanwhile is seen then. What another statement moves on at this moment is not ended.
const EXPIRED = `
  WITH due AS (
    SELECT id, client_id, parent_session_id, offline FROM oauth_grants WHERE due_at <= $1::timestamptz ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
  ), parents AS (
    SELECT due.*, p.expires_at AS p_expires_at, p.last_seen_at AS p_last_seen_at, NOT due.offline AND (p.id IS NULL OR p.ended_at IS NOT NULL OR p.expires_at <= $1::timestamptz OR p.last_seen_at <= $2::timestamptz) AS is_left
    FROM due LEFT JOIN sessions p ON p.id = due.parent_session_id
  ), judged AS (
    SELECT d.id, d.is_left, s.ended_at IS NOT NULL AS is_over, c.backchannel_logout_uri IS NOT NULL AS is_told, CASE WHEN d.is_left THEN $1::timestamptz ELSE LEAST(s.expires_at, s.last_seen_at + ($1::timestamptz - $2::timestamptz),
      CASE WHEN NOT d.offline THEN LEAST(d.p_expires_at, d.p_last_seen_at + ($1::timestamptz - $2::timestamptz)) END) END AS ends_at
    FROM parents d JOIN sessions s ON s.id = d.id LEFT JOIN oauth_clients c ON c.id = d.client_id
  ), moved AS (
    UPDATE oauth_grants g SET due_at = CASE WHEN j.is_over OR (j.ends_at <= $1::timestamptz AND NOT j.is_told) THEN '9999-12-31 00:00:00+00' ELSE GREATEST(LEAST(j.ends_at, $1::timestamptz + interval '1 day'), $1::timestamptz + interval '1 second') END
    FROM judged j WHERE g.id = j.id RETURNING 1
  ), ended AS (
    UPDATE sessions s SET ended_at = $1::timestamptz FROM judged j
    WHERE s.id = j.id AND s.ended_at IS NULL AND j.is_told AND j.ends_at <= $1::timestamptz AND (j.is_left OR s.expires_at <= $1::timestamptz OR s.last_seen_at <= $2::timestamptz)
  )
  SELECT count(*)::int AS looked FROM moved`

const LEFT_AT_ONCE = 100
// what was given after a client was let in again stays
const END_LEFT = `
  UPDATE sessions SET ended_at = $2::timestamptz WHERE id IN (
    SELECT s.id FROM oauth_client_endings e LEFT JOIN oauth_clients c ON c.id = e.client_id JOIN oauth_grants g ON g.client_id = e.client_id JOIN sessions s ON s.id = g.id
    WHERE e.client_id = $1::uuid AND s.ended_at IS NULL AND (c.enabled IS NOT TRUE OR g.created_at <= e.at)
    LIMIT $3 FOR UPDATE OF s SKIP LOCKED)`
const LEFT_DONE = `
  UPDATE oauth_client_endings SET due_at = CASE WHEN due_at = 'epoch' THEN $3::timestamptz END WHERE client_id = $1::uuid AND due_at = $2::timestamptz`

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
      const { rows: [row] } = await pool.query<{ looked: number }>(prepared('oauth-grants-due', EXPIRED, [now.toISOString(), idleSince.toISOString(), most]))
      return row?.looked ?? 0
    },
    async findLeft(id) {
      const { rows: [row] } = await pool.query<LeftClient>({
        text: 'SELECT public_id AS "clientId", backchannel_logout_uri AS "backchannelLogoutUri", id_token_algorithm AS "idTokenAlgorithm", organization_id::text AS "organizationId" FROM oauth_client_endings WHERE client_id = $1::uuid', values: [id],
      })
      return row ?? null
    },
    async endLeft({ now, againAt }, most) {
      const { rows } = await pool.query<{ id: string; dueAt: Date }>(prepared('oauth-clients-left', `SELECT client_id AS id, due_at AS "dueAt" FROM oauth_client_endings WHERE due_at <= $1::timestamptz ORDER BY due_at LIMIT ${LEFT_AT_ONCE}`, [now]))
      for (const { id, dueAt } of rows) {
        const { rowCount } = await pool.query({ text: END_LEFT, values: [id, now, most] })
        if ((rowCount ?? 0) < most) await pool.query({ text: LEFT_DONE, values: [id, dueAt, againAt] })
      }
    },
  }
}

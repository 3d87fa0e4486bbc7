// Grants at rest: rows of `sessions` of kind `grant` with their OAuth side. A code is used, a grant made and written down in one statement; a refresh token is
// moved on in one; each says who won.
import type pg from 'pg'
import { Prisma } from '../../database/generated/client.js'
import { bytes, together } from '../../database/along.js'
import { assembled, createNames, prepared } from '../../database/prepared.js'
import type { Along, Tx } from '../../database/transaction.js'
import { type Acr, ONE_FACTOR } from '../../kernel/assurance.js'

export interface Moment {
  now: Date
  idleSince: Date
}

/** What tokens are made from. */
export interface GrantRow {
  id: string
  userId: string
  clientId: string
  scopes: string[]
  resources: string[]
  claims: { idToken?: string[] }
  amr: string[]
  acr: Acr
  authTime: Date
}

export interface RedeemedCode extends GrantRow {
  nonce: string | null
}

export interface RefreshState extends GrantRow {
  seed: Uint8Array
  generation: number
  refreshedAt: Date | null
  isLive: boolean
}

/** By what a code is to be redeemed: all of it is compared in the statement that uses it. */
export interface CodeProof {
  codeHash: Uint8Array
  clientId: string
  redirectUri: string
  challenge: string | null
}

export interface GrantStore {
  /**
   * Uses a code and makes its grant, which may have refresh tokens of `seed` and ends at `expiresAt` if it is offline, with its sign-in otherwise. Null: there is no such code
   * for this proof, it was used, or what it stands for is over. `most`: live grants of the client that the user may have; the oldest end. All of it is one statement, and so
   * a transaction of its own.
   */
  redeem: (proof: CodeProof, grant: { seed: Uint8Array | null; expiresAt: Date; most: number }, at: Moment, along: (row: { clientId: string }) => Along) => Promise<RedeemedCode | null>
  /** A code of this client, used or not; null: there is none. */
  findCode: (codeHash: Uint8Array, clientId: string) => Promise<{ grantId: string; userId: string; scopes: string[]; resources: string[]; isUsed: boolean } | null>
  findRefresh: (id: string, at: Moment) => Promise<RefreshState | null>
  /** Moves a grant that has not ended from `generation` to the next. Did we win? */
  rotate: (id: string, generation: number, at: Moment) => Promise<boolean>
  /** Ends one grant. False: it was over. */
  end: (tx: Tx, id: string, now: Date) => Promise<boolean>
}

// live: itself, its owner, its client, and the sign-in that it hangs on, where it does
const REFRESH = `
  SELECT s.id, s.user_id AS "userId", g.client_id AS "clientId", g.scopes, g.resources, g.claims, s.amr, coalesce(s.acr, '${ONE_FACTOR}') AS acr, coalesce(s.auth_time, s.created_at) AS "authTime",
    s.refresh_seed AS seed, s.refresh_generation AS generation, s.refreshed_at AS "refreshedAt", (
      s.ended_at IS NULL AND s.expires_at > $2::timestamptz AND s.last_seen_at > $3::timestamptz AND u.status = 'active' AND (s.acr = 'urn:gatehouse:mfa' OR NOT mfa_required(s.user_id))
      AND (g.offline OR EXISTS (SELECT FROM sessions p WHERE p.id = g.parent_session_id AND p.user_id = s.user_id AND p.ended_at IS NULL AND p.expires_at > $2::timestamptz AND p.last_seen_at > $3::timestamptz))
      AND EXISTS (SELECT FROM oauth_clients c WHERE c.id = g.client_id AND c.enabled)) AS "isLive"
  FROM sessions s JOIN oauth_grants g ON g.id = s.id JOIN users u ON u.id = s.user_id WHERE s.id = $1::uuid AND s.kind = 'grant' AND s.refresh_seed IS NOT NULL`
// what it hangs on was looked at a moment ago, by `findRefresh`, and is looked at again whenever its tokens are used: here, who wins is all that is asked
const ROTATE = `
  UPDATE sessions s SET refresh_generation = s.refresh_generation + 1, refreshed_at = $2::timestamptz, last_seen_at = $2::timestamptz
  WHERE s.id = $1::uuid AND s.kind = 'grant' AND s.refresh_generation = $4::int AND s.ended_at IS NULL AND s.expires_at > $2::timestamptz AND s.last_seen_at > $3::timestamptz`

const CODE = `
  SELECT grant_id AS "grantId", user_id AS "userId", scopes, resources, consumed_at IS NOT NULL AS "isUsed" FROM oauth_codes WHERE code_hash = $1 AND client_id = $2::uuid`

// of grants that are over so many of a client's stay for a user to be told of
const DEAD_KEPT = 100

export function createGrantStore({ pool }: { pool: pg.Pool }): GrantStore {
  const names = createNames('oauth-redeem', 2)
  return {
    async redeem({ codeHash, clientId, redirectUri, challenge }, { seed, expiresAt, most }, { now, idleSince }, along) {
      const code = Prisma.sql`
        UPDATE oauth_codes SET consumed_at = ${now}::timestamptz WHERE code_hash = ${bytes(codeHash)} AND consumed_at IS NULL AND expires_at > ${now}::timestamptz AND client_id = ${clientId}::uuid
          AND redirect_uri = ${redirectUri} AND code_challenge IS NOT DISTINCT FROM ${challenge}::text RETURNING *`
      // locked, so that a sign-in which ends at this moment ends this grant, too
      const good = Prisma.sql`
        SELECT code.*, p.address, p.user_agent, p.last_seen_at AS p_last_seen_at, coalesce(p.acr, ${ONE_FACTOR}) AS acr, p.amr, coalesce(p.auth_time, p.created_at) AS auth_time, 'offline_access' = ANY(code.scopes) AS offline,
          CASE WHEN 'offline_access' = ANY(code.scopes) THEN ${expiresAt}::timestamptz ELSE p.expires_at END AS ends_at
        FROM code JOIN sessions p ON p.id = code.session_id AND p.user_id = code.user_id JOIN users u ON u.id = code.user_id JOIN oauth_clients c ON c.id = code.client_id
        WHERE p.ended_at IS NULL AND p.expires_at > ${now}::timestamptz AND p.last_seen_at > ${idleSince}::timestamptz AND u.status = 'active' AND c.enabled FOR SHARE OF p`
      const session = Prisma.sql`
        INSERT INTO sessions (id, user_id, kind, refresh_seed, address, user_agent, created_at, last_seen_at, expires_at, amr, acr, auth_time)
        SELECT grant_id, user_id, 'grant', ${seed && bytes(seed)}::bytea, address, user_agent, ${now}::timestamptz, ${now}::timestamptz, ends_at, amr, acr, auth_time FROM good RETURNING id`
      const granted = Prisma.sql`
        INSERT INTO oauth_grants (id, user_id, client_id, parent_session_id, offline, scopes, resources, claims, created_at, due_at)
        SELECT grant_id, user_id, client_id, session_id, offline, scopes, resources, claims, ${now}::timestamptz, LEAST(ends_at, p_last_seen_at + (${now}::timestamptz - ${idleSince}::timestamptz), ${now}::timestamptz + interval '1 day') FROM good`
      const older = Prisma.sql`
        UPDATE sessions SET ended_at = ${now}::timestamptz WHERE id IN (
          SELECT g.id FROM oauth_grants g JOIN good ON g.user_id = good.user_id AND g.client_id = good.client_id JOIN sessions s ON s.id = g.id
          WHERE s.ended_at IS NULL AND s.expires_at > ${now}::timestamptz ORDER BY g.created_at DESC, g.id DESC OFFSET ${most - 1})`
      const dropped = Prisma.sql`
        DELETE FROM sessions WHERE id IN (
          SELECT g.id FROM oauth_grants g JOIN good ON g.user_id = good.user_id AND g.client_id = good.client_id JOIN sessions s ON s.id = g.id
          WHERE s.ended_at IS NOT NULL OR s.expires_at <= ${now}::timestamptz ORDER BY g.created_at DESC, g.id DESC OFFSET ${DEAD_KEPT})`
      const { rows: [row] } = await pool.query<RedeemedCode>(assembled(names, together({ code, good, session, granted, older, dropped }, 'good', [along({ clientId })], Prisma.sql`
        SELECT grant_id AS id, user_id AS "userId", client_id AS "clientId", scopes, resources, claims, amr, acr, auth_time AS "authTime", nonce FROM good`)))
      return row ?? null
    },
    async findCode(codeHash, clientId) {
      const { rows: [row] } = await pool.query<{ grantId: string; userId: string; scopes: string[]; resources: string[]; isUsed: boolean }>(prepared('oauth-code', CODE, [Buffer.from(codeHash), clientId]))
      return row ?? null
    },
    async findRefresh(id, { now, idleSince }) {
      const { rows: [row] } = await pool.query<RefreshState>(prepared('oauth-refresh', REFRESH, [id, now.toISOString(), idleSince.toISOString()]))
      return row ?? null
    },
    async rotate(id, generation, { now, idleSince }) {
      const { rowCount } = await pool.query(prepared('oauth-rotate', ROTATE, [id, now.toISOString(), idleSince.toISOString(), generation]))
      return rowCount === 1
    },
    end: async (tx, id, now) => (await tx.$executeRaw`UPDATE sessions SET ended_at = ${now}::timestamptz WHERE id = ${id}::uuid AND kind = 'grant' AND ended_at IS NULL`) === 1,
  }
}

// Codes, consents and pushed requests. What may happen once is one statement that says who won: a code is given for a pushed request once, and a consent
// counts against the version that was shown.
import type pg from 'pg'
import { bytes } from '../../database/along.js'
import { Prisma } from '../../database/generated/client.js'
import { assembled, createNames, prepared } from '../../database/prepared.js'
import type { Tx } from '../../database/transaction.js'

export interface NewCode {
  codeHash: Uint8Array
  grantId: string
  clientId: string
  userId: string
  sessionId: string
  redirectUri: string
  codeChallenge: string | null
  nonce: string | null
  scopes: readonly string[]
  resources: readonly string[]
  claims: { idToken: readonly string[] }
  expiresAt: Date
}

export interface Consent {
  scopes: string[]
  resources: string[]
  version: number
}

export interface AuthorizationStore {
  /** `pushed`: the request that it is for, which is gone with it. Without `tx` it is a transaction of its own. False: that was used before, or the sign-in is over. */
  insertCode: (code: NewCode, at: { now: Date; idleSince: Date }, pushed: Uint8Array | null, tx?: Tx) => Promise<boolean>
  findConsent: (userId: string, clientId: string) => Promise<Consent | null>
  /** Adds to what was consented to. `seen`: the version that was shown, 0 for none. False: it has changed since. */
  saveConsent: (tx: Tx, userId: string, clientId: string, given: { scopes: readonly string[]; resources: readonly string[] }, seen: number, now: Date) => Promise<boolean>
  insertPushed: (request: { uriHash: Uint8Array; clientId: string; parameters: string; expiresAt: Date }) => Promise<void>
  /** The parameters of a pushed request of the client; null: there is none, or not any more. */
  findPushed: (uriHash: Uint8Array, clientId: string, now: Date) => Promise<string | null>
}

const texts = (list: readonly string[]): Prisma.Sql => Prisma.sql`${[...list]}::text[]`

const CONSENT = 'SELECT scopes, resources, version FROM oauth_consents WHERE user_id = $1::uuid AND client_id = $2::uuid'
const PUSH = 'INSERT INTO oauth_pushed_requests (uri_hash, client_id, parameters, expires_at) VALUES ($1, $2::uuid, $3, $4::timestamptz)'
const PUSHED = 'SELECT parameters FROM oauth_pushed_requests WHERE uri_hash = $1 AND client_id = $2::uuid AND expires_at > $3::timestamptz'

export function createAuthorizationStore({ pool }: { pool: pg.Pool }): AuthorizationStore {
  const names = createNames('oauth-code-new', 2)
  return {
    async insertCode(code, { now, idleSince }, pushed, tx) {
      const spent = pushed === null ? Prisma.sql`SELECT 1` : Prisma.sql`DELETE FROM oauth_pushed_requests WHERE uri_hash = ${bytes(pushed)} AND client_id = ${code.clientId}::uuid AND expires_at > ${now}::timestamptz RETURNING 1`
      const insert = Prisma.sql`
        WITH spent AS (${spent})
        INSERT INTO oauth_codes (code_hash, grant_id, client_id, user_id, session_id, redirect_uri, code_challenge, nonce, scopes, resources, claims, expires_at)
        SELECT ${bytes(code.codeHash)}, ${code.grantId}::uuid, ${code.clientId}::uuid, ${code.userId}::uuid, ${code.sessionId}::uuid, ${code.redirectUri}, ${code.codeChallenge}, ${code.nonce},
               ${texts(code.scopes)}, ${texts(code.resources)}, ${JSON.stringify(code.claims)}::jsonb, ${code.expiresAt}::timestamptz
        WHERE EXISTS (SELECT FROM spent) AND EXISTS (
          SELECT FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ${code.sessionId}::uuid AND s.user_id = ${code.userId}::uuid AND s.kind = 'cookie' AND s.ended_at IS NULL
            AND s.expires_at > ${now}::timestamptz AND s.last_seen_at > ${idleSince}::timestamptz AND u.status = 'active')`
      return (tx ? await tx.$executeRaw(insert) : (await pool.query(assembled(names, insert))).rowCount) === 1
    },
    async findConsent(userId, clientId) {
      const { rows: [row] } = await pool.query<Consent>(prepared('oauth-consent', CONSENT, [userId, clientId]))
      return row ?? null
    },
    async saveConsent(tx, userId, clientId, { scopes, resources }, seen, now) {
      const union = (column: 'scopes' | 'resources', more: readonly string[]): Prisma.Sql => Prisma.sql`ARRAY(SELECT DISTINCT one FROM unnest(c.${Prisma.raw(column)} || ${texts(more)}) AS one ORDER BY one)`
      const count = seen === 0
        ? await tx.$executeRaw`
            INSERT INTO oauth_consents (user_id, client_id, scopes, resources, created_at, updated_at)
            VALUES (${userId}::uuid, ${clientId}::uuid, ${texts(scopes)}, ${texts(resources)}, ${now}::timestamptz, ${now}::timestamptz) ON CONFLICT DO NOTHING`
        : await tx.$executeRaw`
            UPDATE oauth_consents c SET scopes = ${union('scopes', scopes)}, resources = ${union('resources', resources)}, version = version + 1, updated_at = ${now}::timestamptz
            WHERE user_id = ${userId}::uuid AND client_id = ${clientId}::uuid AND version = ${seen}`
      return count === 1
    },
    async insertPushed({ uriHash, clientId, parameters, expiresAt }) {
      await pool.query(prepared('oauth-push', PUSH, [Buffer.from(uriHash), clientId, parameters, expiresAt.toISOString()]))
    },
    async findPushed(uriHash, clientId, now) {
      const { rows: [row] } = await pool.query<{ parameters: string }>(prepared('oauth-pushed', PUSHED, [Buffer.from(uriHash), clientId, now.toISOString()]))
      return row?.parameters ?? null
    },
  }
}

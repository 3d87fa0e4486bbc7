// The look-ups of the authorizer: one named statement a credential, with everything a decision needs (a prepared read costs a
// fifth of an ORM's). Times come as milliseconds, so no date is parsed. The number of the last revocation is read in the
// same statement: one snapshot. Reads facts; decides nothing.
import type pg from 'pg'
import { type Acr, MULTI_FACTOR, ONE_FACTOR } from '../kernel/assurance.js'
import type { KeyLimit, Metadata } from '../keys/index.js'
import type { ResourceScope } from '../clients/index.js'
import type { ClientFacts, GrantFacts } from './client-token-entry.js'
import { gatherReads } from './gathered-reads.js'
import type { CredentialSource, KeyFacts, SessionFacts, Snapshot } from './entry.js'
import type { Uses } from './last-used.js'

const AS_OF = '(SELECT seq::float8 FROM revocation_head WHERE id = 1) AS as_of'

// the plans of an owner's roles, the base role's among them, that say anything
const plansOf = (user: string): string => `
         (SELECT jsonb_agg(r.limits ORDER BY r.name) FROM effective_roles er JOIN roles r ON r.name = er.role_name WHERE er.user_id = ${user} AND r.limits <> '[]') AS plans`

// `asked`: from where the hashes come, `more`: beside the facts
const keyText = (asked: string, more: string): string => `
  SELECT ${AS_OF}, ${more}k.id, coalesce(k.owner_user_id, g.id) AS owner_id, g.id AS organization_id, coalesce(u.status = 'active', g.status = 'active') AS owner_active, k.name, k.permissions, k.limits, k.limit_group_id, k.metadata,
         coalesce(g.limits, o.limits) AS owner_limits, ${plansOf('k.owner_user_id')}, k.revoked_at IS NOT NULL AS revoked, (extract(epoch FROM least(k.expires_at, k.owner_expires_at)) * 1000)::float8 AS expires_at_ms,
         k.addresses, k.owner_addresses,
         ARRAY(SELECT role_name FROM effective_roles WHERE user_id = k.owner_user_id ORDER BY 1) AS roles,
         -- a row of an older version that has not been judged yet is worth what it was worth there
         CASE WHEN g.id IS NOT NULL THEN g.entitlement WHEN k.kind = 'bound' AND k.issued_at IS NOT NULL THEN ARRAY(SELECT DISTINCT unnest(r.permissions) FROM effective_roles ur JOIN roles r ON r.name = ur.role_name
                                            WHERE ur.user_id = k.owner_user_id ORDER BY 1) END AS owner_permissions
  FROM ${asked} LEFT JOIN users u ON u.id = k.owner_user_id LEFT JOIN organizations g ON g.id = k.organization_id LEFT JOIN owner_limits o ON o.id = k.owner_user_id
  WHERE coalesce(u.id, g.id) IS NOT NULL`

const KEY = `${keyText('api_keys k', '')} AND k.key_hash = $1`
const KEYS = keyText('unnest($1::bytea[]) WITH ORDINALITY AS asked(hash, at) JOIN api_keys k ON k.key_hash = asked.hash', 'asked.at::int4 AS asked_at, ')

// what waits for four statements is read by the fifth: fewer would make a far database slow, more would leave each with few keys to read
const KEY_READS = { atOnce: 4, most: 100, waiting: 10_000 }

// a role of the user's asks for a second factor, and the session has none
const wantsMfa = (session: string): string => `(${session}.acr IS DISTINCT FROM '${MULTI_FACTOR}' AND mfa_required(${session}.user_id))`

// an active organization, and what a user is in it
const actingIn = (user: string, organization: string): string => `
    SELECT jsonb_build_object('id', g.id, 'entitlement', g.entitlement, 'limits', g.limits, 'isOwner', m.is_owner, 'permissions', ARRAY(
      SELECT DISTINCT unnest(r.permissions) FROM organization_roles r WHERE r.organization_id = g.id AND r.id = ANY(m.role_ids))) AS organization
    FROM organizations g JOIN organization_members m ON m.organization_id = g.id WHERE g.id = ${organization} AND g.status = 'active' AND m.user_id = ${user}`

// `organization`: in which the user acts, if they may: SQL, NULL for none
const sessionText = (organization: string, columns = '', joins = ''): string => `
  SELECT ${AS_OF}, s.id, s.user_id, u.status = 'active' AS user_active, s.ended_at IS NOT NULL AS ended,
         (extract(epoch FROM s.expires_at) * 1000)::float8 AS expires_at_ms, (extract(epoch FROM s.last_seen_at) * 1000)::float8 AS last_seen_at_ms,
         coalesce(s.acr, '${ONE_FACTOR}') AS acr, (extract(epoch FROM coalesce(s.auth_time, s.created_at)) * 1000)::float8 AS auth_time_ms,
         ${wantsMfa('s')} AS wants_mfa,
         ARRAY(SELECT DISTINCT unnest(r.permissions) FROM effective_roles ur JOIN roles r ON r.name = ur.role_name
               WHERE ur.user_id = s.user_id ORDER BY 1) AS permissions,
         ARRAY(SELECT role_name FROM effective_roles WHERE user_id = s.user_id ORDER BY 1) AS roles, o.limits AS owner_limits, ${plansOf('s.user_id')},
         s.actor_user_id, s.actor_session_id, a.is_live AS actor_is_live, a.expires_at_ms AS actor_expires_at_ms, a.last_seen_at_ms AS actor_last_seen_at_ms,
         a.permissions AS actor_permissions, a.roles AS actor_roles, w.organization${columns}
  FROM sessions s JOIN users u ON u.id = s.user_id ${joins} LEFT JOIN owner_limits o ON o.id = s.user_id
  LEFT JOIN LATERAL (
    SELECT a.ended_at IS NULL AND v.status = 'active' AS is_live, (extract(epoch FROM a.expires_at) * 1000)::float8 AS expires_at_ms,
           (extract(epoch FROM a.last_seen_at) * 1000)::float8 AS last_seen_at_ms,
           CASE WHEN ${wantsMfa('a')} THEN '{}' ELSE
             ARRAY(SELECT DISTINCT unnest(r.permissions) FROM effective_roles ur JOIN roles r ON r.name = ur.role_name WHERE ur.user_id = v.id ORDER BY 1) END AS permissions,
           ARRAY(SELECT role_name FROM effective_roles WHERE user_id = v.id ORDER BY 1) AS roles
    FROM sessions a JOIN users v ON v.id = a.user_id WHERE a.id = s.actor_session_id AND a.user_id = s.actor_user_id
  ) AS a ON s.actor_session_id IS NOT NULL
  LEFT JOIN LATERAL (
    ${actingIn('s.user_id', organization)}
  ) AS w ON ${organization} IS NOT NULL AND s.kind IN ('token', 'cookie')`

const PERSON = `
  SELECT ${AS_OF}, u.id, u.status = 'active' AS active, w.organization,
         ARRAY(SELECT DISTINCT unnest(r.permissions) FROM effective_roles ur JOIN roles r ON r.name = ur.role_name WHERE ur.user_id = u.id ORDER BY 1) AS permissions,
         ARRAY(SELECT role_name FROM effective_roles WHERE user_id = u.id ORDER BY 1) AS roles
  FROM users u LEFT JOIN LATERAL (${actingIn('u.id', '$2::uuid')}) AS w ON $2::uuid IS NOT NULL
  WHERE u.id = $1`

// what a client may ask for, and the resource it may still have that the token is for; $2: the audience, $3: the client's name, $4: the token's id
const CLIENT_COLUMNS = `
  c.id AS client_row_id, c.enabled AND (c.organization_id IS NULL OR co.status = 'active') AS client_enabled, c.organization_id AS client_organization_id, co.entitlement AS client_entitlement, co.limits AS client_organization_limits, 'client_credentials' = ANY(c.grant_types) AS acts_alone, c.scopes AS client_scopes,
  r.id AS resource_id, r.scopes AS resource_scopes, r.open_to_all AS resource_open, coalesce(c.registration <> 'administrator' AND r.open_to_all, false) AS is_open,
  EXISTS (SELECT 1 FROM oauth_revoked_tokens WHERE jti = $4::uuid) AS token_revoked`
const CLIENT_RESOURCE = `
  LEFT JOIN organizations co ON co.id = c.organization_id
  LEFT JOIN oauth_resources r ON r.identifier = $2 AND (r.identifier = ANY(c.resources) OR (c.registration <> 'administrator' AND r.open_to_all))`

const CLIENT = `
  SELECT ${AS_OF}, ${CLIENT_COLUMNS}
  FROM oauth_clients c ${CLIENT_RESOURCE}
  WHERE c.client_id = $3 AND $1::uuid IS NULL`

const TOKEN_SESSION = sessionText('$2::uuid')
const COOKIE_SESSION = sessionText('s.organization_id')
const GRANT = sessionText('NULL::uuid', `, ${CLIENT_COLUMNS}, g.scopes AS grant_scopes, g.offline, p.id AS parent_id,
         coalesce(p.ended_at IS NULL, false) AS parent_is_live, (extract(epoch FROM p.expires_at) * 1000)::float8 AS parent_expires_at_ms,
         (extract(epoch FROM p.last_seen_at) * 1000)::float8 AS parent_last_seen_at_ms`, `
  JOIN oauth_grants g ON g.id = s.id JOIN oauth_clients c ON c.id = g.client_id LEFT JOIN sessions p ON p.id = g.parent_session_id AND p.user_id = s.user_id
  ${CLIENT_RESOURCE} AND r.identifier = ANY(g.resources)`)

// SKIP LOCKED: a use is never worth waiting for, and two nodes that note the same rows cannot block each other
const NOTE = `
  WITH used_keys AS (
    UPDATE api_keys k SET last_used_at = due.at
    FROM (SELECT k.id, n.at FROM api_keys k JOIN unnest($1::uuid[], $2::timestamptz[]) AS n(id, at) ON n.id = k.id
          WHERE k.last_used_at IS NULL OR k.last_used_at < n.at FOR NO KEY UPDATE OF k SKIP LOCKED) AS due
    WHERE k.id = due.id)
  UPDATE sessions s SET last_seen_at = due.at
  FROM (SELECT s.id, n.at FROM sessions s JOIN unnest($3::uuid[], $4::timestamptz[]) AS n(id, at) ON n.id = s.id
        WHERE s.last_seen_at < n.at FOR NO KEY UPDATE OF s SKIP LOCKED) AS due
  WHERE s.id = due.id`

interface KeyRow {
  as_of: number
  id: string
  owner_id: string
  organization_id: string | null
  owner_active: boolean
  name: string
  permissions: string[]
  limits: KeyLimit[]
  owner_limits: KeyLimit[] | null
  limit_group_id: string
  metadata: Metadata
  revoked: boolean
  expires_at_ms: number | null
  addresses: string[]
  owner_addresses: string[]
  roles: string[]
  owner_permissions: string[] | null
  plans: unknown[] | null
}

interface SessionRow {
  as_of: number
  id: string
  user_id: string
  user_active: boolean
  permissions: string[]
  roles: string[]
  ended: boolean
  expires_at_ms: number
  last_seen_at_ms: number
  acr: Acr
  auth_time_ms: number
  wants_mfa: boolean
  owner_limits: KeyLimit[] | null
  plans: unknown[] | null
  actor_user_id: string | null
  actor_session_id: string | null
  actor_is_live: boolean | null
  actor_expires_at_ms: number | null
  actor_last_seen_at_ms: number | null
  actor_permissions: string[] | null
  actor_roles: string[] | null
  organization: SessionFacts['organization']
}

interface PersonRow {
  as_of: number
  id: string
  active: boolean
  permissions: string[]
  roles: string[]
  organization: SessionFacts['organization']
}

interface ClientTokenRow {
  as_of: number
  client_row_id: string
  client_enabled: boolean
  acts_alone: boolean
  client_scopes: string[]
  resource_id: string | null
  resource_scopes: ResourceScope[] | null
  resource_open: boolean | null
  is_open: boolean
  client_organization_id: string | null
  client_entitlement: string[] | null
  client_organization_limits: KeyLimit[] | null
  token_revoked: boolean
}

interface GrantRow extends SessionRow, ClientTokenRow {
  grant_scopes: string[]
  offline: boolean
  parent_id: string | null
  parent_is_live: boolean
  parent_expires_at_ms: number | null
  parent_last_seen_at_ms: number | null
}

export interface CredentialStore extends CredentialSource {
  /** Writes the times of last use that are newer than what stands there, in one statement. */
  noteUses: (uses: Uses) => Promise<void>
}

function keyFacts(row: KeyRow): Snapshot<KeyFacts> {
  return {
    asOf: row.as_of,
    entry: {
      keyId: row.id, ownerId: row.owner_id, isOrganizations: row.organization_id !== null, ownerActive: row.owner_active, name: row.name, permissions: row.permissions, metadata: row.metadata,
      revoked: row.revoked, expiresAtMs: row.expires_at_ms, limitGroupId: row.limit_group_id, limits: row.limits, ownerLimits: row.owner_limits ?? [],
      ownerPermissions: row.owner_permissions, roles: row.roles, addresses: row.addresses, ownerAddresses: row.owner_addresses, plans: row.plans ?? [],
    },
  }
}

/** Who acts in it: somebody who is gone, or whose session is, acts no more. */
function actorFacts(row: SessionRow): SessionFacts['actor'] {
  if (row.actor_user_id === null || row.actor_session_id === null) return null
  return {
    userId: row.actor_user_id, sessionId: row.actor_session_id, isLive: row.actor_is_live ?? false, expiresAtMs: row.actor_expires_at_ms ?? 0, lastSeenAtMs: row.actor_last_seen_at_ms ?? 0,
    permissions: row.actor_permissions ?? [], roles: row.actor_roles ?? [],
  }
}

function sessionFacts(row: SessionRow): Snapshot<SessionFacts> {
  return {
    asOf: row.as_of,
    entry: {
      sessionId: row.id, userId: row.user_id, userActive: row.user_active, permissions: row.permissions, roles: row.roles, ended: row.ended,
      expiresAtMs: row.expires_at_ms, lastSeenAtMs: row.last_seen_at_ms, acr: row.acr, authTimeMs: row.auth_time_ms, wantsMfa: row.wants_mfa, ownerLimits: row.owner_limits ?? [], plans: row.plans ?? [], actor: actorFacts(row),
      organization: row.organization,
    },
  }
}

function clientFacts(row: ClientTokenRow): ClientFacts {
  return {
    clientRowId: row.client_row_id, enabled: row.client_enabled, actsAlone: row.acts_alone, clientScopes: row.client_scopes, isOpen: row.is_open, revoked: row.token_revoked,
    organization: row.client_organization_id === null ? null : { id: row.client_organization_id, entitlement: row.client_entitlement ?? [], limits: row.client_organization_limits ?? [] },
    resource: row.resource_id === null ? null : { id: row.resource_id, scopes: row.resource_scopes ?? [], openToAll: row.resource_open === true },
  }
}

function grantFacts(row: GrantRow): Snapshot<GrantFacts> {
  const { entry: session, asOf } = sessionFacts(row)
  // a sign-in whose row is gone is over
  const parent = { id: row.parent_id ?? '', isLive: row.parent_is_live, expiresAtMs: row.parent_expires_at_ms ?? 0, lastSeenAtMs: row.parent_last_seen_at_ms ?? 0 }
  return { asOf, entry: { ...clientFacts(row), session, scopes: row.grant_scopes, parent: row.offline ? null : parent } }
}

function columnsOf(uses: ReadonlyMap<string, number>): [string[], Date[]] {
  return [[...uses.keys()], [...uses.values()].map((atMs) => new Date(atMs))]
}

export function createCredentialStore({ pool }: { pool: pg.Pool }): CredentialStore {
  async function session(name: string, text: string, values: (string | Buffer | null)[]): Promise<Snapshot<SessionFacts> | null> {
    const { rows } = await pool.query<SessionRow>({ name, text, values })
    return rows[0] ? sessionFacts(rows[0]) : null
  }
  return {
    keyByHash: gatherReads<Buffer, Snapshot<KeyFacts>>({
      async readOne(hash) {
        const { rows } = await pool.query<KeyRow>({ name: 'key-by-hash', text: KEY, values: [hash] })
        return rows[0] ? keyFacts(rows[0]) : null
      },
      async readMany(hashes) {
        const { rows } = await pool.query<KeyRow & { asked_at: number }>({ name: 'keys-by-hash', text: KEYS, values: [hashes] })
        const found = new Map(rows.map((row) => [row.asked_at, row]))
        return hashes.map((_, at) => {
          const row = found.get(at + 1)
          return row ? keyFacts(row) : null
        })
      },
      ...KEY_READS,
    }),
    sessionById: (id, organizationId) => session('session-by-id', `${TOKEN_SESSION} WHERE s.id = $1 AND s.kind IN ('token', 'impersonation')`, [id, organizationId]),
    async grantById(id, { audience, clientId, tokenId }) {
      const { rows } = await pool.query<GrantRow>({ name: 'grant-by-id', text: `${GRANT} WHERE s.id = $1 AND s.kind = 'grant' AND c.client_id = $3`, values: [id, audience, clientId, tokenId] })
      return rows[0] ? grantFacts(rows[0]) : null
    },
    async clientById({ audience, clientId, tokenId }) {
      const { rows } = await pool.query<ClientTokenRow>({ name: 'client-by-id', text: CLIENT, values: [null, audience, clientId, tokenId] })
      return rows[0] ? { asOf: rows[0].as_of, entry: clientFacts(rows[0]) } : null
    },
    async personById(id, organizationId) {
      const { rows: [row] } = await pool.query<PersonRow>({ name: 'person-by-id', text: PERSON, values: [id, organizationId] })
      return row ? { asOf: row.as_of, entry: { userId: row.id, active: row.active, permissions: row.permissions, roles: row.roles, organization: row.organization } } : null
    },
    sessionBySecretHash: (hash) => session('session-by-secret-hash', `${COOKIE_SESSION} WHERE s.secret_hash = $1 AND s.kind = 'cookie'`, [hash]),
    async noteUses({ keys, sessions }) {
      await pool.query({ name: 'note-uses', text: NOTE, values: [...columnsOf(keys), ...columnsOf(sessions)] })
    },
  }
}

// Clients and resources as requests look them up: by what they are called, from memory under the rules of the decision engine.
import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import { type Way, wayOfOwner } from '../outbound/index.js'
import type { FoundRow, HeldRows } from '../revocation/index.js'
import { ALGORITHMS, AUTH_METHODS, type ClientKind, type ClientFields } from './client-rules.js'
import type { ResourceFields } from './resource-rules.js'

export interface KnownClient extends ClientFields {
  id: string
  clientId: string
  registration: 'administrator' | 'dynamic' | 'document'
  /** the organization that owns it, while it is active: otherwise the client is not enabled; null: none */
  organizationId: string | null
  /** what that is entitled to; null: no organization's */
  entitlement: readonly string[] | null
  secrets: readonly { hash: Buffer; expiresAtMs: number | null }[]
}

export interface KnownResource extends ResourceFields {
  id: string
  identifier: string
}

/** On whose account a client's addresses are asked: an operator has vouched for those of theirs alone. */
export const wayOf = ({ registration, organizationId }: Pick<KnownClient, 'registration' | 'organizationId'>): Way =>
  (organizationId === null && registration !== 'administrator' ? 'strangers' : wayOfOwner(organizationId))

export interface ClientDirectory {
  /** A client, enabled or not; a promise only when it has to be read. */
  client: (clientId: string) => (KnownClient | null) | Promise<KnownClient | null>
  /** A client by the id of its row, read anew. */
  clientById: (id: string) => Promise<KnownClient | null>
  resource: (identifier: string) => (KnownResource | null) | Promise<KnownResource | null>
}

const AS_OF = '(SELECT seq::float8 FROM revocation_head WHERE id = 1) AS "asOf"'
const CLIENT = `
  SELECT ${AS_OF}, c.id, client_id AS "clientId", kind::text AS kind, c.name, auth_method AS "authMethod", grant_types AS "grantTypes", redirect_uris AS "redirectUris",
         post_logout_redirect_uris AS "postLogoutRedirectUris", backchannel_logout_uri AS "backchannelLogoutUri", scopes, resources, first_party AS "firstParty", require_pkce AS "requirePkce",
         enabled AND (c.organization_id IS NULL OR g.status = 'active') AS enabled, c.organization_id AS "organizationId", g.entitlement,
         jwks, jwks_uri AS "jwksUri", id_token_algorithm AS "idTokenAlgorithm", default_max_age AS "defaultMaxAge", client_uri AS "clientUri", policy_uri AS "policyUri", tos_uri AS "tosUri", registration,
         (SELECT coalesce(json_agg(json_build_object('hash', encode(s.secret_hash, 'hex'), 'expiresAtMs', (extract(epoch FROM s.expires_at) * 1000)::float8)), '[]') FROM oauth_client_secrets s WHERE s.client_id = c.id) AS secrets
  FROM oauth_clients c LEFT JOIN organizations g ON g.id = c.organization_id WHERE client_id = $1`
const RESOURCE = `
  SELECT ${AS_OF}, id, identifier, name, scopes, token_seconds AS "tokenSeconds", algorithm, open_to_all AS "openToAll" FROM oauth_resources WHERE identifier = $1`

const CLIENTS_KEPT = 20_000
const RESOURCES_KEPT = 2_000
// clients that came by themselves may say 32 KiB of themselves each
const CLIENT_BYTES = 64 * 1024 * 1024
const RESOURCE_BYTES = 32 * 1024 * 1024
const sizeOf = (row: object): number => 512 + JSON.stringify(row).length
const MOST_CHARACTERS = 1_000

type ClientRow = Omit<KnownClient, 'secrets' | 'kind'> & { asOf: number; kind: ClientKind; secrets: { hash: string; expiresAtMs: number | null }[] }

/** Keeps what is read in memory, for as long as the rules allow. */
export type Hold = <T extends object>(how: { most: number; mostBytes: number; sizeOf: (row: T) => number; read: (name: string) => Promise<FoundRow<T> | null> }) => HeldRows<T>

const LISTS_KEPT = 1_000
const WORDS: ReadonlyMap<string, string> = new Map(['administrator', 'dynamic', 'document', ...AUTH_METHODS, ...ALGORITHMS, 'web', 'native', 'service', 'resource'].map((word) => [word, word]))

/** Words and lists that most clients have in common, each once in memory: a text of the driver's is one of its own for each row. */
function createCommons() {
  const lists = new LRUCache<string, readonly string[]>({ max: LISTS_KEPT })
  return {
    word: <W extends string>(word: W): W => (WORDS.get(word) ?? word) as W,
    list: <W extends string>(list: W[]): W[] => {
      const name = JSON.stringify(list)
      const known = lists.get(name) ?? list
      lists.set(name, known)
      return known as W[]
    },
  }
}

export function createClientDirectory({ pool, hold }: { pool: pg.Pool; hold: Hold }): ClientDirectory {
  const { word, list } = createCommons()
  /** Written out and cut to size: a copy of the driver's row takes twice the memory, and its lists have room for sixteen more. */
  const clientOf = (row: ClientRow): KnownClient => ({
    id: row.id, clientId: row.clientId, kind: word(row.kind), name: row.name, authMethod: word(row.authMethod), grantTypes: list(row.grantTypes), redirectUris: row.redirectUris.slice(),
    postLogoutRedirectUris: row.postLogoutRedirectUris.length === 0 ? list(row.postLogoutRedirectUris) : row.postLogoutRedirectUris.slice(), backchannelLogoutUri: row.backchannelLogoutUri, scopes: list(row.scopes), resources: list(row.resources),
    firstParty: row.firstParty, requirePkce: row.requirePkce, enabled: row.enabled, jwks: row.jwks, jwksUri: row.jwksUri, idTokenAlgorithm: word(row.idTokenAlgorithm), defaultMaxAge: row.defaultMaxAge,
    clientUri: row.clientUri, policyUri: row.policyUri, tosUri: row.tosUri, registration: word(row.registration), organizationId: row.organizationId, entitlement: row.entitlement,
    secrets: row.secrets.map(({ hash, expiresAtMs }) => ({ hash: Buffer.from(hash, 'hex'), expiresAtMs })),
  })
  const clients = hold<KnownClient>({
    most: CLIENTS_KEPT, mostBytes: CLIENT_BYTES, sizeOf,
    async read(clientId) {
      const { rows: [row] } = await pool.query<ClientRow>({ name: 'oauth-client', text: CLIENT, values: [clientId] })
      if (!row) return null
      const client = clientOf(row)
      return { asOf: row.asOf, ids: client.organizationId === null ? [client.id] : [client.id, client.organizationId], row: client }
    },
  })
  const resources = hold<KnownResource>({
    most: RESOURCES_KEPT, mostBytes: RESOURCE_BYTES, sizeOf,
    async read(identifier) {
      const { rows: [found] } = await pool.query<KnownResource & { asOf: number }>({ name: 'oauth-resource', text: RESOURCE, values: [identifier] })
      if (!found) return null
      const { asOf, ...row } = found
      return { asOf, ids: [row.id], row }
    },
  })
  return {
    async clientById(id) {
      const { rows: [row] } = await pool.query<{ clientId: string }>({ name: 'oauth-client-name', text: 'SELECT client_id AS "clientId" FROM oauth_clients WHERE id = $1::uuid', values: [id] })
      return row ? clients.find(row.clientId) : null
    },
    client: (clientId) => (clientId === '' || clientId.length > MOST_CHARACTERS ? null : clients.find(clientId)),
    resource: (identifier) => (identifier.length > MOST_CHARACTERS ? null : resources.find(identifier)),
  }
}

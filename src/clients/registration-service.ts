// Dynamic client registration (RFC 7591) and its management (RFC 7592). Nobody vouches for such a client: it gets no resource that is not open to all, its people are
// always asked, there are only so many, and one that nobody signs in to is gone after a day.
import { randomBytes } from 'node:crypto'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import { equalBytes, sha256 } from '../kernel/secrets.js'
import { type Outbound, OutboundError } from '../outbound/index.js'
import { type ClientFields, hasSecret } from './client-rules.js'
import type { ClientRow, ClientStore } from './client-store.js'
import { OAuthError } from './oauth-error.js'
import { clientOf, type Metadata, metadataOf } from './registration-rules.js'
import type { RegistrationStore } from './registration-store.js'

export interface RegistrationService {
  /** May anybody register, or those alone who may write clients, or nobody? */
  mode: 'closed' | 'token' | 'open'
  /** Throws OAuthError. */
  register: (caller: Caller, metadata: Metadata) => Promise<Record<string, unknown>>
  /** By the client's own token. Throws OAuthError invalid_token. */
  read: (id: string, token: string) => Promise<Record<string, unknown>>
  /** Replaces all that it has said of itself. */
  replace: (caller: Caller, id: string, token: string, metadata: Metadata) => Promise<Record<string, unknown>>
  remove: (caller: Caller, id: string, token: string) => Promise<void>
  /** A client that came by itself is used: it stays. */
  used: (client: { id: string; registration: string }) => Promise<void>
  /** Inserts one within the cap, in a transaction. Throws OAuthError temporarily_unavailable. */
  insert: (tx: Tx, fields: ClientFields, who: Pick<ClientRow, 'id' | 'clientId' | 'registration'>) => Promise<ClientRow>
}

export interface RegistrationDeps {
  store: ClientStore
  registrations: RegistrationStore
  outbound: Pick<Outbound, 'check'>
  audit: Pick<AuditStore, 'record'>
  authority: Pick<AuthorityService, 'guardCap'>
  transact: Transact
  clock: Clock
  issuer: () => string
  publishRevocations: () => Promise<void>
  config: { oauthRegistration: 'closed' | 'token' | 'open'; oauthDynamicClientsMax: number }
}

const DAY_MS = 86_400_000
const UNUSED_MS = DAY_MS
const USED_MS = 90 * DAY_MS
const SECRET_SHOWN = 8

const denied = (): OAuthError => new OAuthError('invalid_token', 'The registration token is not this client\'s', { status: 401, authenticate: 'Bearer realm="gatehouse", error="invalid_token"' })

export function createRegistration({ store, registrations, outbound, audit, authority, transact, clock, issuer, publishRevocations, config }: RegistrationDeps): RegistrationService {
  const now = (): Date => new Date(clock.now())

  function check(fields: ClientFields): ClientFields {
    try {
      if (fields.jwksUri !== null) outbound.check(fields.jwksUri)
      return fields
    } catch (error) {
      if (error instanceof OutboundError) throw new OAuthError('invalid_client_metadata', 'jwks_uri cannot be asked')
      throw error
    }
  }

  async function clientOfToken(id: string, token: string): Promise<ClientRow> {
    const hash = await registrations.findToken(id)
    if (hash === null || !equalBytes(hash, sha256(token))) throw denied()
    const row = await store.find(id)
    // what an administrator has disabled changes nothing of itself, and does not go and come again
    if (row?.registration !== 'dynamic' || !row.enabled) throw denied()
    return row
  }

  function answer(row: ClientRow, more: Record<string, unknown> = {}): Record<string, unknown> {
    return { ...metadataOf(row), registration_client_uri: `${issuer()}/oauth/register/${row.id}`, ...more }
  }

  async function newSecret(tx: Tx, id: string): Promise<string> {
    const secret = `gcs_${randomBytes(32).toString('base64url')}`
    await store.insertSecret(tx, id, { id: newId(), start: secret.slice(0, SECRET_SHOWN), createdAt: now(), expiresAt: null, hash: sha256(secret) })
    return secret
  }

  function record(tx: Tx, caller: Caller, verb: string, { id, name, kind, redirectUris }: ClientRow): Promise<void> {
    return audit.record(tx, caller, { action: `client.${verb}`, targetType: 'client', targetId: id, details: { name, kind, redirectUris } })
  }

  const service: RegistrationService = {
    mode: config.oauthRegistration,
    async insert(tx, fields, who) {
      await authority.guardCap(tx, 'dynamic clients')
      const count = (await store.count(tx, 'dynamic')) + (await store.count(tx, 'document'))
      if (count >= config.oauthDynamicClientsMax) throw new OAuthError('temporarily_unavailable', 'There are as many clients as there may be', { status: 503, retryAfterSeconds: 3_600 })
      return store.insert(tx, { ...fields, ...who, organizationId: null, issuedBy: null, issuedVia: null }, now())
    },
    async register(caller, metadata) {
      const fields = check(clientOf(metadata, 'client_secret_basic'))
      const token = `gcr_${randomBytes(32).toString('base64url')}`
      const id = newId()
      return transact(async (tx) => {
        const row = await service.insert(tx, fields, { id, clientId: id, registration: 'dynamic' })
        await registrations.note(tx, id, { tokenHash: sha256(token), expiresAt: new Date(clock.now() + UNUSED_MS), documentReadAt: null })
        const secret = hasSecret(fields) ? await newSecret(tx, id) : null
        await record(tx, caller, 'registered', row)
        return answer(row, { registration_access_token: token, ...(secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 }) })
      })
    },
    read: async (id, token) => answer(await clientOfToken(id, token)),
    async replace(caller, id, token, metadata) {
      const known = await clientOfToken(id, token)
      if (metadata['client_id'] !== known.clientId) throw new OAuthError('invalid_request', 'client_id must be the client\'s')
      const { kind: _, enabled: _administrators, ...fields } = check(clientOf(metadata, 'client_secret_basic'))
      return transact(async (tx) => {
        const row = await store.update(tx, id, known.version, fields, now())
        if (!row) throw new OAuthError('invalid_request', 'It was changed at this moment: read it anew')
        await registrations.forgetConsents(tx, id)
        const secret = hasSecret(fields) && (await store.secrets(id, now(), tx)).length === 0 ? await newSecret(tx, id) : null
        await record(tx, caller, 'updated', row)
        await publishRevocations()
        return answer(row, secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 })
      })
    },
    async remove(caller, id, token) {
      const known = await clientOfToken(id, token)
      await transact(async (tx) => {
        if (!(await store.delete(tx, id, known.version))) throw denied()
        await record(tx, caller, 'deleted', known)
        await publishRevocations()
      })
    },
    async used({ id, registration }) {
      if (registration !== 'administrator') await registrations.touch(id, new Date(clock.now() + USED_MS), new Date(clock.now() + USED_MS - DAY_MS))
    },
  }
  return service
}

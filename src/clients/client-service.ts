// Clients as those see them who let them in: checked, versioned, audited. A client gets no scope that is worth more than whoever writes it holds, and
// none that is trusted without being asked but by an administrator. A secret is shown once, and only its hash is kept. Those of an organization are its
// members', by their rights in it, and worth no more than it is entitled to; what is another's is one that there is not.
import { randomBytes } from 'node:crypto'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Held, issuerOf, refuseGrant, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { type FieldError, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { ALL_OF_GATEHOUSE, intersection } from '../kernel/permissions.js'
import type { Caller } from '../kernel/principal.js'
import { sha256 } from '../kernel/secrets.js'
import { refuseBeyond, refuseRight, type StandingService } from '../organizations/index.js'
import { type Outbound, OutboundError, wayOfOwner } from '../outbound/index.js'
import { type ClientFields, type ClientPatch, completed, faultsOf, hasSecret, type NewClient, organizationFaults } from './client-rules.js'
import type { ClientRow, ClientStore, SecretRow } from './client-store.js'
import type { ResourceStore } from './resource-store.js'
import { isIdentityScope, permissionsOf } from './scope-rules.js'

export interface SecretView {
  id: string
  /** its first characters, to tell it by */
  start: string
  createdAt: string
  expiresAt: string | null
}

export type ClientView = Omit<ClientRow, 'createdAt' | 'updatedAt'> & { createdAt: string; updatedAt: string; secrets: SecretView[] }

/** `of`: the organization whose clients are meant, for its members and operators, each of which may throw organization.not_found then; without, everybody's, for operators. */
export interface ClientService {
  list: (caller: Caller, query: ListQuery, of?: string) => Promise<PageText>
  /** Throws client.not_found, access.denied. */
  find: (caller: Caller, id: string, of?: string) => Promise<ClientView>
  /** Refuses who may not write these clients, as far as the request's credential tells: each change asks again, at the commit. Throws access.denied. */
  mayWrite: (caller: Caller, of: string) => Promise<void>
  /** With its first secret, where it proves itself by one. Throws access.denied, permission.not_held, request.invalid, client.cap_reached. */
  create: (caller: Caller, input: NewClient, of?: string) => Promise<ClientView & { clientSecret: string | null }>
  /** Throws access.denied, permission.not_held, request.invalid, client.not_found, precondition.failed. */
  update: (caller: Caller, id: string, expected: number | '*', patch: ClientPatch, of?: string) => Promise<ClientView>
  /** Its tokens open nothing from then on. Throws access.denied, client.not_found, precondition.failed. */
  remove: (caller: Caller, id: string, expected: number | '*', of?: string) => Promise<void>
  /**
   * One more secret; with `othersEndInSeconds` those before it end then, which is how one takes over from another.
   * Throws access.denied, permission.not_held, client.not_found, client.no_secret, client.secrets_full.
   */
  addSecret: (caller: Caller, id: string, how: { expiresAt?: Date; othersEndInSeconds?: number }, of?: string) => Promise<SecretView & { clientSecret: string }>
  /** Throws access.denied, client.not_found, client.secret_not_found. */
  removeSecret: (caller: Caller, id: string, secretId: string, of?: string) => Promise<void>
}

export interface ClientServiceDeps {
  store: ClientStore
  resources: ResourceStore
  outbound: Pick<Outbound, 'check'>
  /** the same for what an organization's people name: the operator's networks are not open to them */
  audit: AuditStore
  authority: Pick<AuthorityService, 'require' | 'guardCap'>
  standings: Pick<StandingService, 'see' | 'seesAll' | 'open'>
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const WRITE = 'gatehouse:clients.write'
const MOST_CLIENTS = 10_000
const MOST_SECRETS = 5
const SHOWN = 8

const secretView = ({ id, start, createdAt, expiresAt }: SecretRow): SecretView => ({ id, start, createdAt: createdAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null })

function viewOf({ createdAt, updatedAt, ...row }: ClientRow, secrets: SecretRow[]): ClientView {
  return { ...row, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString(), secrets: secrets.map(secretView) }
}

function newSecret(expiresAt: Date | null, createdAt: Date): { clientSecret: string; row: SecretRow & { hash: Buffer } } {
  const clientSecret = `gcs_${randomBytes(32).toString('base64url')}`
  return { clientSecret, row: { id: newId(), start: clientSecret.slice(0, SHOWN), createdAt, expiresAt, hash: sha256(clientSecret) } }
}

/** Who writes clients here: refuses what they may not have a hand in, and keeps to as many as there may be. */
interface Hand {
  /** `before`: what a client is worth already, `after`: what it will be */
  refuse: (worth: { before: readonly string[]; after: readonly string[] }, isFirstParty: boolean) => void
  guardCap: () => Promise<void>
}

/** Whoever has a hand in what a client does has what it may do; one that is not asked for consent is an administrator's. */
function refuseHand(held: Held, worth: readonly string[], isFirstParty: boolean): void {
  refuseGrant(held, worth)
  if (isFirstParty) refuseWithout(held, ALL_OF_GATEHOUSE)
}

export function createClientService({ store, resources, outbound, audit, authority, standings, transact, clock, publishRevocations }: ClientServiceDeps): ClientService {
  const now = (): Date => new Date(clock.now())

  function addressFault(path: string, uri: string | null, of: string | null): FieldError[] {
    if (uri === null) return []
    try {
      outbound.check(uri, wayOfOwner(of))
      return []
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error
      return [{ path, message: `cannot be asked: ${error.message}` }]
    }
  }

  /** `named`: the addresses that are new; what stands there already keeps nobody from changing the rest. */
  function check(client: ClientFields, of: string | null, named: ClientPatch = client): void {
    const found = [...faultsOf(client), ...(of === null ? [] : organizationFaults(client))]
    const errors = found.length > 0 ? found : [...addressFault('/jwksUri', named.jwksUri ?? null, of), ...addressFault('/backchannelLogoutUri', named.backchannelLogoutUri ?? null, of)]
    if (errors.length > 0) throw problem('request.invalid', { errors })
  }

  /** What a client may ask for is worth so much. Throws request.invalid for resources and scopes that there are not, `of` an organization also for those that no entitlement measures. */
  async function worthOf(tx: Tx, { resources: identifiers, scopes }: Pick<ClientFields, 'resources' | 'scopes'>, isKnown: boolean, of: string | null): Promise<string[]> {
    const found = await resources.lockAll(tx, identifiers)
    const known = new Set(found.flatMap((one) => one.scopes.filter(({ permissions }) => of === null || permissions.length > 0 || one.openToAll).map(({ name }) => name)))
    const errors = [
      ...identifiers.flatMap((identifier, at) => (found.some((one) => one.identifier === identifier) ? [] : [{ path: `/resources/${at}`, message: 'is no resource' }])),
      ...scopes.flatMap((name, at) => (isIdentityScope(name) || known.has(name) ? [] : [{ path: `/scopes/${at}`, message: of === null ? 'is a scope of none of the resources' : 'is a scope of none of the resources that an organization may have' }])),
    ]
    // a resource or a scope that has gone since is worth nothing, and keeps nobody from taking something away
    if (errors.length > 0 && !isKnown) throw problem('request.invalid', { errors })
    return found.flatMap((one) => permissionsOf(one.scopes, scopes))
  }

  function record(tx: Tx, caller: Caller, verb: string, { id, kind, name, authMethod, grantTypes, redirectUris, scopes, resources: at, firstParty, enabled, organizationId }: ClientRow, more: Record<string, string | string[]> = {}): Promise<void> {
    return audit.record(tx, caller, { action: `client.${verb}`, targetType: 'client', targetId: id, details: { kind, name, authMethod, grantTypes, redirectUris, scopes, resources: at, firstParty, enabled, ...(organizationId === null ? {} : { organizationId }), ...more } })
  }

  /** Behind the gates: an operator, or who has the right to in the organization. Throws access.denied, organization.not_found. */
  async function enter(tx: Tx, caller: Caller, of: string | undefined): Promise<Hand> {
    if (of === undefined) {
      const held = await authority.require(tx, caller, WRITE)
      return {
        refuse: ({ before, after }, isFirstParty) => refuseHand(held, [...before, ...after], isFirstParty),
        async guardCap() {
          await authority.guardCap(tx, 'clients')
          if ((await store.count(tx, 'administrator')) >= MOST_CLIENTS) throw problem('client.cap_reached')
        },
      }
    }
    const { organization: { entitlement, clientsMax }, standing } = await standings.open(tx, caller, of, { mode: 'beside', scope: { cap: `clients:${of}` } })
    refuseRight(standing, 'clients.write')
    return {
      // what a client was worth before its organization was narrowed hinders nobody
      refuse: ({ before, after }) => refuseBeyond(standing, entitlement, { permissions: [...intersection(before, entitlement), ...after], rights: [] }),
      async guardCap() {
        if ((await store.countOf(tx, of)) >= clientsMax) throw problem('client.cap_reached', { detail: `The organization may have ${clientsMax}: its operator says so` })
      },
    }
  }

  async function open(tx: Tx, caller: Caller, id: string, of: string | undefined, expected: number | '*' = '*'): Promise<{ known: ClientRow; hand: Hand }> {
    const hand = await enter(tx, caller, of)
    const known = await store.lock(tx, id)
    if (!known || (of !== undefined && known.organizationId !== of)) throw problem('client.not_found')
    if (expected !== '*' && expected !== known.version) throw problem('precondition.failed')
    return { known, hand }
  }

  /** To look. */
  async function see(caller: Caller, of: string | undefined): Promise<void> {
    if (of === undefined) return
    const { standing } = await standings.see(caller, of)
    if (!standings.seesAll(caller)) refuseRight(standing, 'clients.read')
  }

  return {
    async list(caller, query, of) {
      await see(caller, of)
      return store.list(query, of)
    },
    async find(caller, id, of) {
      await see(caller, of)
      const row = await store.find(id, undefined, of)
      if (!row) throw problem('client.not_found')
      return viewOf(row, await store.secrets(id, now()))
    },
    async mayWrite(caller, of) {
      refuseRight((await standings.see(caller, of)).standing, 'clients.write')
    },
    async create(caller, input, of) {
      const fields = completed(input)
      check(fields, of ?? null)
      return transact(async (tx) => {
        const hand = await enter(tx, caller, of)
        hand.refuse({ before: [], after: await worthOf(tx, fields, false, of ?? null) }, fields.firstParty)
        await hand.guardCap()
        const id = newId()
        const { by, via } = issuerOf(caller)
        const row = await store.insert(tx, { ...fields, id, clientId: id, registration: 'administrator', organizationId: of ?? null, issuedBy: by, issuedVia: via }, now())
        const secret = hasSecret(fields) ? newSecret(null, now()) : null
        if (secret) await store.insertSecret(tx, id, secret.row)
        await record(tx, caller, 'created', row)
        return { ...viewOf(row, secret ? [secret.row] : []), clientSecret: secret?.clientSecret ?? null }
      })
    },
    async update(caller, id, expected, patch, of) {
      return transact(async (tx) => {
        const { known, hand } = await open(tx, caller, id, of, expected)
        const changed: ClientFields = { ...known, ...patch }
        check(changed, known.organizationId, patch)
        const isWider = patch.scopes !== undefined || patch.resources !== undefined
        const [before, after] = [await worthOf(tx, known, true, known.organizationId), await worthOf(tx, changed, !isWider, known.organizationId)]
        // taking everything from it is a brake: it gives nobody anything
        if (!(patch.enabled === false && Object.keys(patch).length === 1)) hand.refuse({ before, after }, known.firstParty || changed.firstParty)
        const row = await store.update(tx, id, known.version, patch, now())
        if (!row) throw problem('precondition.failed')
        await record(tx, caller, 'updated', row, { fields: Object.keys(patch).toSorted() })
        await publishRevocations()
        return viewOf(row, await store.secrets(id, now(), tx))
      })
    },
    async remove(caller, id, expected, of) {
      await transact(async (tx) => {
        const { known } = await open(tx, caller, id, of, expected)
        if (!(await store.delete(tx, id, known.version))) throw problem('precondition.failed')
        await record(tx, caller, 'deleted', known)
        await publishRevocations()
      })
    },
    async addSecret(caller, id, { expiresAt = null, othersEndInSeconds }, of) {
      if (expiresAt !== null && expiresAt <= now()) throw problem('request.invalid', { errors: [{ path: '/expiresAt', message: 'must be in the future' }] })
      return transact(async (tx) => {
        const { known, hand } = await open(tx, caller, id, of)
        if (!hasSecret(known)) throw problem('client.no_secret')
        hand.refuse({ before: await worthOf(tx, known, true, known.organizationId), after: [] }, known.firstParty)
        const { clientSecret, row } = newSecret(expiresAt, now())
        if ((await store.secrets(id, now(), tx)).length >= MOST_SECRETS) throw problem('client.secrets_full')
        await store.insertSecret(tx, id, row)
        if (othersEndInSeconds !== undefined) await store.endOtherSecrets(tx, id, row.id, new Date(clock.now() + othersEndInSeconds * 1_000))
        await record(tx, caller, 'secret_added', known, { secret: row.id })
        await publishRevocations()
        return { ...secretView(row), clientSecret }
      })
    },
    async removeSecret(caller, id, secretId, of) {
      await transact(async (tx) => {
        const { known } = await open(tx, caller, id, of)
        if (!(await store.deleteSecret(tx, id, secretId))) throw problem('client.secret_not_found')
        await record(tx, caller, 'secret_removed', known, { secret: secretId })
        await publishRevocations()
      })
    },
  }
}

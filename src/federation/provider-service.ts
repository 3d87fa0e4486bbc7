// Identity providers as administrators see them: checked, versioned, audited. Whoever writes them decides whom this installation believes, which
// weighs as much as everything there is to Gatehouse (permission-catalogue.ts). A secret goes in and never comes out.
import { normaliseEmail } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { type FieldError, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import { isUnder, type Secrets } from '../kernel/secrets.js'
import { plainText } from '../kernel/text.js'
import { type Outbound, OutboundError } from '../outbound/index.js'
import { type ClientKey, completed, faultsOf, type Flavour, flavourOf, type NewProvider, type ProviderFields, type ProviderKind, type ProviderPatch, withOpenid } from './provider-rules.js'
import type { ProviderChange, ProviderRow, ProviderStore } from './provider-store.js'

export interface ProviderView extends ProviderFields {
  id: string
  kind: ProviderKind
  issuer: string
  hasSecret: boolean
  clientKey: { teamId: string; keyId: string } | null
  /** to be registered with the provider, to the letter */
  redirectUri: string
  version: number
  createdAt: string
  updatedAt: string
}

/** For sign-in pages. */
export interface PublicProvider {
  id: string
  name: string
  /** whose sign it may show */
  brand: Flavour
}

export interface ProviderService {
  list: (query: ListQuery) => Promise<PageText>
  listEnabled: () => Promise<PublicProvider[]>
  /** Throws provider.not_found. */
  find: (id: string) => Promise<ProviderView>
  /** Throws access.denied, request.invalid, provider.taken, provider.cap_reached. */
  create: (caller: Caller, input: NewProvider) => Promise<ProviderView>
  /** Throws access.denied, request.invalid, provider.not_found, provider.taken, precondition.failed. */
  update: (caller: Caller, id: string, expected: number | '*', patch: ProviderPatch) => Promise<ProviderView>
  /** `identities`: delete those of people, too. Throws access.denied, provider.not_found, provider.in_use, precondition.failed. */
  remove: (caller: Caller, id: string, expected: number | '*', identities: boolean) => Promise<void>
  /** Writes anew, under GATEHOUSE_SECRET, what is still under the one before it; how many. */
  reseal: () => Promise<number>
  /** The secret of a row, in the clear. Throws provider.unavailable when it is under a GATEHOUSE_SECRET that is gone. */
  secretOf: (row: ProviderRow) => string | null
  redirectUri: (id: string) => string
}

export interface ProviderServiceDeps {
  store: ProviderStore
  outbound: Pick<Outbound, 'check'>
  audit: AuditStore
  authority: Pick<AuthorityService, 'require' | 'guardCap'>
  transact: Transact
  secrets: Secrets
  clock: Clock
  publicOrigin: () => string
}

const WRITE = 'gatehouse:providers.write'
const MOST_PROVIDERS = 100
const PURPOSE = 'identity-provider'

/** Domains in the spelling that addresses have. */
function domainsOf(domains: readonly string[], faults: FieldError[]): string[] {
  return [...new Set(domains.map((domain, at) => {
    if (domain === '*') return domain
    try {
      return normaliseEmail(`x@${domain}`).slice(2)
    } catch {
      faults.push({ path: `/trustedEmailDomains/${at}`, message: 'must be a domain, or * for any' })
      return domain
    }
  }))]
}

export function createProviderService({ store, outbound, audit, authority, transact, secrets, clock, publicOrigin }: ProviderServiceDeps): ProviderService {
  const redirectUri = (id: string): string => `${publicOrigin()}/api/v1/auth/providers/${id}/callback`
  const now = (): Date => new Date(clock.now())

  function viewOf({ secretCiphertext, keyTeamId, keyId, createdAt, updatedAt, ...row }: ProviderRow): ProviderView {
    return {
      ...row, hasSecret: secretCiphertext !== null, clientKey: keyId === null ? null : { teamId: keyTeamId ?? '', keyId }, redirectUri: redirectUri(row.id),
      createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString(),
    }
  }

  function check<F extends Partial<ProviderFields> & { issuer?: string; clientSecret?: string | null; clientKey?: ClientKey | null }>(fields: F): F {
    const faults = faultsOf(fields)
    const trustedEmailDomains = fields.trustedEmailDomains && domainsOf(fields.trustedEmailDomains, faults)
    if (fields.issuer !== undefined) {
      try {
        outbound.check(fields.issuer)
      } catch (error) {
        if (!(error instanceof OutboundError)) throw error
        faults.push({ path: '/issuer', message: `cannot be asked: ${error.message}` })
      }
    }
    if (faults.length > 0) throw problem('request.invalid', { errors: faults })
    return {
      ...fields, ...(trustedEmailDomains ? { trustedEmailDomains } : {}), ...(fields.name === undefined ? {} : { name: plainText(fields.name) ?? '' }),
      ...(fields.tenants ? { tenants: [...new Set(fields.tenants.map((tenant) => tenant.toLowerCase()))] } : {}),
    }
  }

  /** What is kept of a secret that is given: null takes it away, none leaves it. */
  function secretFields(id: string, { clientSecret, clientKey }: { clientSecret?: string | null; clientKey?: ClientKey | null }): ProviderChange {
    const given = clientKey ? clientKey.privateKey : clientSecret
    if (typeof given === 'string') return { secretCiphertext: secrets.encrypt(PURPOSE, id, given), keyTeamId: clientKey?.teamId ?? null, keyId: clientKey?.keyId ?? null }
    return clientSecret === null || clientKey === null ? { secretCiphertext: null, keyTeamId: null, keyId: null } : {}
  }

  function record(tx: Tx, caller: Caller, verb: string, { id, name, issuer, clientId, enabled, signUp, trustedEmailDomains }: ProviderRow, more: Record<string, string | string[] | number> = {}): Promise<void> {
    return audit.record(tx, caller, { action: `provider.${verb}`, targetType: 'provider', targetId: id, details: { name, issuer, clientId, enabled, signUp, trustedEmailDomains, ...more } })
  }

  async function open(tx: Tx, caller: Caller, id: string, expected: number | '*'): Promise<ProviderRow> {
    await authority.require(tx, caller, WRITE)
    const known = await store.lock(tx, id)
    if (!known) throw problem('provider.not_found')
    if (expected !== '*' && expected !== known.version) throw problem('precondition.failed')
    return known
  }

  return {
    redirectUri,
    secretOf({ id, secretCiphertext }) {
      try {
        return secretCiphertext && secrets.decrypt(PURPOSE, id, secretCiphertext)
      } catch (cause) {
        throw problem('provider.unavailable', { cause: new Error('its secret cannot be decrypted: give it anew', { cause }) })
      }
    },
    async reseal() {
      const { previous } = secrets
      const sealed = previous === null ? [] : (await store.listSealed()).filter(({ id, secretCiphertext }) => isUnder(previous, PURPOSE, id, secretCiphertext))
      for (const { id, secretCiphertext } of sealed) await store.reseal(id, secretCiphertext, secrets.encrypt(PURPOSE, id, secrets.decrypt(PURPOSE, id, secretCiphertext))) // oxlint-disable-line no-await-in-loop
      return sealed.length
    },
    list: (query) => store.list(query),
    async listEnabled() {
      const rows = await store.listEnabled()
      return rows.map(({ id, name, kind, issuer, keyId }) => ({ id, name, brand: flavourOf({ kind, issuer, hasClientKey: keyId !== null }) }))
    },
    async find(id) {
      const row = await store.find(id)
      if (!row) throw problem('provider.not_found')
      return viewOf(row)
    },
    async create(caller, input) {
      const { kind, issuer, name, clientId, scopes, enabled, signUp, trustedEmailDomains, tenants, formPost } = check({ ...completed(input), ...(input.clientSecret === undefined ? {} : { clientSecret: input.clientSecret }), ...(input.clientKey ? { clientKey: input.clientKey } : {}) })
      const id = newId()
      const secret = { secretCiphertext: null, keyTeamId: null, keyId: null, ...secretFields(id, input) }
      return viewOf(await transact(async (tx) => {
        await authority.require(tx, caller, WRITE)
        await authority.guardCap(tx, 'providers')
        if ((await store.count(tx)) >= MOST_PROVIDERS) throw problem('provider.cap_reached')
        const row = await store.insert(tx, { id, kind, issuer, name, clientId, scopes, enabled, signUp, trustedEmailDomains, tenants, formPost, ...secret }, now())
        await record(tx, caller, 'created', row)
        return row
      }))
    },
    async update(caller, id, expected, patch) {
      const { clientSecret, clientKey, ...fields } = check(patch)
      return viewOf(await transact(async (tx) => {
        const known = await open(tx, caller, id, expected)
        const scopes = fields.scopes && { scopes: withOpenid(known.kind, fields.scopes) }
        const row = await store.update(tx, id, known.version, { ...fields, ...scopes, ...secretFields(id, { ...(clientSecret === undefined ? {} : { clientSecret }), ...(clientKey === undefined ? {} : { clientKey }) }) }, now())
        if (!row) throw problem('precondition.failed')
        await record(tx, caller, 'updated', row, { fields: Object.keys(patch).toSorted() })
        return row
      }))
    },
    async remove(caller, id, expected, identities) {
      await transact(async (tx) => {
        const known = await open(tx, caller, id, expected)
        const count = await store.countIdentities(tx, id)
        if (count > 0 && !identities) throw problem('provider.in_use', { detail: `${count} identities of people hang on it: disable it, or delete them with it (?identities=delete)` })
        if (!(await store.delete(tx, id, known.version))) throw problem('precondition.failed')
        await record(tx, caller, 'deleted', known, { identities: count })
      })
    },
  }
}

// Domains of an organization as its owners see them: asked for, proven by a record in the DNS, and said whether people come in by them, and with what. Asking keeps
// nobody from a domain and is over in a week; whoever proves it has it, until its record is gone. Only owners, and operators, decide about it: it lets people in.
import type { AuditStore } from '../audit/index.js'
import { issuerOf } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import { type OrganizationRoleService, type Opened, refuseOthers, refuseRight, type StandingService } from '../organizations/index.js'
import { type DomainLists, MOST_ENLISTED, newToken, readDomain, recordOf, seenAgain, sharedFault, UNPROVEN_MS } from './domain-rules.js'
import type { DomainRow, DomainStore } from './domain-store.js'
import type { RecordLookup } from './record-lookup.js'

export interface DomainView {
  id: string
  organizationId: string
  domain: string
  status: 'unproven' | 'verified'
  /** what is to be put into the DNS, and stays there */
  record: { name: string; type: 'TXT'; value: string }
  automatic: boolean
  /** ids */
  roles: string[]
  verifiedAt: string | null
  seenAt: string | null
  missingSince: string | null
  expiresAt: string | null
  version: number
  createdAt: string
  updatedAt: string
}

export interface DomainService {
  /** Throws organization.not_found, access.denied. */
  list: (caller: Caller, organizationId: string) => Promise<DomainView[]>
  /** Throws organization.not_found, organization.domain_not_found, access.denied. */
  find: (caller: Caller, organizationId: string, id: string) => Promise<DomainView>
  /** Throws organization.not_found, access.denied, permission.not_held, role.unknown, request.invalid, organization.domain_known, organization.domains_full. */
  ask: (caller: Caller, organizationId: string, input: { domain: string; automatic: boolean; roles: string[] }) => Promise<DomainView>
  /** Looks its record up. Throws organization.not_found, organization.domain_not_found, access.denied, organization.domain_unproven, organization.domain_taken, rate.limited, server.busy. */
  verify: (caller: Caller, organizationId: string, id: string) => Promise<DomainView>
  /** Throws organization.not_found, organization.domain_not_found, access.denied, permission.not_held, role.unknown, precondition.failed. */
  update: (caller: Caller, organizationId: string, id: string, expected: number | '*', patch: { automatic?: boolean; roles?: string[] }) => Promise<DomainView>
  /** Whoever came in by it stays. Throws organization.not_found, organization.domain_not_found, access.denied, precondition.failed. */
  remove: (caller: Caller, organizationId: string, id: string, expected: number | '*') => Promise<void>
}

export interface DomainServiceDeps {
  store: DomainStore
  lookup: RecordLookup
  lists: () => Promise<DomainLists>
  standings: StandingService
  roles: Pick<OrganizationRoleService, 'refuseGiving'>
  audit: AuditStore
  transact: Transact
  clock: Clock
}

const MOST_DOMAINS = 20
const ASKED_EVERY_MS = 10_000

const iso = (time: Date | null): string | null => time?.toISOString() ?? null

function viewOf(row: DomainRow): DomainView {
  const { id, organizationId, domain, automatic, roleIds, verifiedAt, seenAt, missingSince, expiresAt, version, createdAt, updatedAt } = row
  return {
    id, organizationId, domain, status: verifiedAt === null ? 'unproven' : 'verified', record: recordOf(row), automatic, roles: roleIds, verifiedAt: iso(verifiedAt), seenAt: iso(seenAt), missingSince: iso(missingSince),
    expiresAt: iso(expiresAt), version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString(),
  }
}

function refuseDomain(message: string): never {
  throw problem('request.invalid', { errors: [{ path: '/domain', message }] })
}

export function createDomainService({ store, lookup, lists, standings, roles, audit, transact, clock }: DomainServiceDeps): DomainService {
  const now = (): Date => new Date(clock.now())

  function record(tx: Tx, caller: Caller, verb: string, { organizationId, domain }: Pick<DomainRow, 'organizationId' | 'domain'>, more: Record<string, boolean | string[]> = {}): Promise<void> {
    return audit.record(tx, caller, { action: `organization_domain.${verb}`, targetType: 'organization', targetId: organizationId, details: { domain, ...more } })
  }

  /** For its owners and operators, behind the gate. */
  async function open(tx: Tx, caller: Caller, organizationId: string): Promise<Opened> {
    const opened = await standings.open(tx, caller, organizationId, { mode: 'alone' })
    refuseOthers(opened.standing)
    return opened
  }

  async function read(organizationId: string, id: string, tx?: Tx): Promise<DomainRow> {
    const row = await store.find(organizationId, id, tx)
    if (!row) throw problem('organization.domain_not_found')
    return row
  }

  async function openDomain(tx: Tx, caller: Caller, organizationId: string, id: string, expected: number | '*'): Promise<Opened & { row: DomainRow }> {
    const opened = await open(tx, caller, organizationId)
    const row = await read(organizationId, id, tx)
    if (expected !== '*' && expected !== row.version) throw problem('precondition.failed')
    return { ...opened, row }
  }

  /** To look. */
  async function see(caller: Caller, organizationId: string): Promise<void> {
    const { standing } = await standings.see(caller, organizationId)
    if (!standings.seesAll(caller)) refuseRight(standing, 'members.read')
  }

  /** Who had it and has it no longer: its record is gone. Null: nobody has it. Throws organization.domain_taken. */
  async function formerHolder({ domain, id }: DomainRow): Promise<DomainRow | null> {
    const holder = await store.holder(domain)
    if (!holder || holder.id === id) return null
    // a domain that changed hands: whoever has it now can take the record away. That nobody can say whether it is there takes it from nobody
    if ((await lookup.look(recordOf(holder), id)) !== 'gone') throw problem('organization.domain_taken')
    return holder
  }

  return {
    async list(caller, organizationId) {
      await see(caller, organizationId)
      return (await store.list(organizationId)).map(viewOf)
    },
    async find(caller, organizationId, id) {
      await see(caller, organizationId)
      return viewOf(await read(organizationId, id))
    },
    async ask(caller, organizationId, { domain: typed, automatic, roles: roleIds }) {
      const domain = readDomain(typed)
      if (domain === null) refuseDomain('must be the domain of e-mail addresses: example.com')
      const fault = sharedFault(domain, await lists())
      if (fault !== null) refuseDomain(fault)
      return transact(async (tx) => {
        const opened = await open(tx, caller, organizationId)
        await roles.refuseGiving(tx, opened, roleIds)
        if ((await store.list(organizationId, tx)).length >= MOST_DOMAINS) throw problem('organization.domains_full', { detail: `An organization has at most ${MOST_DOMAINS}` })
        const { by, via } = issuerOf(caller)
        const row = await store.insert(tx, { id: newId(), organizationId, domain, token: newToken(), automatic, roleIds, expiresAt: new Date(clock.now() + UNPROVEN_MS), issuedBy: by, issuedVia: via }, now())
        await record(tx, caller, 'asked', row, { automatic, roles: roleIds })
        return viewOf(row)
      })
    },
    async verify(caller, organizationId, id) {
      const known = await transact(async (tx) => (await openDomain(tx, caller, organizationId, id, '*')).row)
      if (!(await store.ask(id, now(), new Date(clock.now() - ASKED_EVERY_MS)))) throw problem('rate.limited', { retryAfterSeconds: ASKED_EVERY_MS / 1_000 })
      const wanted = recordOf(known)
      const sight = await lookup.look(wanted, organizationId)
      if (sight === 'unknown') throw problem('organization.domain_unproven', { detail: 'Nobody answers for the domain: try again later' })
      if (sight === 'gone') throw problem('organization.domain_unproven', { detail: `There is no TXT record ${wanted.value} at ${wanted.name} itself. It may take a while to be seen` })
      const former = await formerHolder(known)
      const proven = await transact(async (tx) => {
        const { row } = await openDomain(tx, caller, organizationId, id, '*')
        // proven by others of the organization meanwhile, or lost: what was looked up was the record of another token
        if (row.verifiedAt !== null || row.token !== known.token) return row
        if (former && (await store.lose(tx, former, newToken(), now(), new Date(clock.now() + UNPROVEN_MS)))) await record(tx, caller, 'lost', former)
        const { checkAt } = seenAgain(row, 'there', now())
        if (!(await store.prove(tx, id, now(), checkAt))) throw problem('organization.domain_not_found')
        await record(tx, caller, 'verified', row, { automatic: row.automatic })
        return read(organizationId, id, tx)
      })
      if (proven.verifiedAt !== null && proven.automatic) await store.enlist(proven, MOST_ENLISTED)
      return viewOf(proven)
    },
    async update(caller, organizationId, id, expected, { automatic, roles: roleIds }) {
      const changed = await transact(async (tx) => {
        const { row: before, ...opened } = await openDomain(tx, caller, organizationId, id, expected)
        // whoever has it let in vouches for all that people come in with
        if (automatic === true || roleIds) await roles.refuseGiving(tx, opened, roleIds ?? before.roleIds)
        const { by, via } = issuerOf(caller)
        const row = await store.update(tx, id, before.version, { ...(automatic === undefined ? {} : { automatic }), ...(roleIds ? { roleIds } : {}), issuedBy: by, issuedVia: via }, now())
        if (!row) throw problem('precondition.failed')
        await record(tx, caller, 'changed', row, { automatic: row.automatic, roles: row.roleIds })
        return { row, begins: row.automatic && !before.automatic && row.verifiedAt !== null }
      })
      if (changed.begins) await store.enlist(changed.row, MOST_ENLISTED)
      return viewOf(changed.row)
    },
    async remove(caller, organizationId, id, expected) {
      await transact(async (tx) => {
        const { row } = await openDomain(tx, caller, organizationId, id, expected)
        if (!(await store.delete(tx, row.id))) throw problem('organization.domain_not_found')
        await record(tx, caller, 'removed', row)
      })
    },
  }
}


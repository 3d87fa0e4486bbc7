// Organizations: opened by people who may have some, or by operators; named by themselves, and entitled, limited and stopped by operators alone. What is
// given up with one ends with it.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Held, issuerOf, refuseGrant, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Metadata } from '../kernel/metadata.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { holds } from '../kernel/permissions.js'
import type { Caller } from '../kernel/principal.js'
import type { Limit } from '../limits/index.js'
import type { MemberStore } from './member-store.js'
import {
  checkOrganization, ENTITLE, isWider, type OperatorFields, OWN, personOf, refuseOperatorFields, refuseOthers, refuseRight, WRITE,
} from './organization-rules.js'
import type { OrganizationRow, OrganizationStore, OwnOrganization } from './organization-store.js'
import type { StandingService } from './standing-service.js'

export interface OrganizationView extends Omit<OrganizationRow, 'createdAt' | 'updatedAt' | 'issuedBy' | 'issuedVia'> {
  createdAt: string
  updatedAt: string
}

export interface NewOrganization {
  slug: string
  name: string
  metadata?: Metadata
  entitlement?: string[]
  limits?: Limit[]
  clientsMax?: number
  webhooksMax?: number
  /** an operator's: who owns it; without, nobody yet */
  ownerUserId?: string
}

export type OrganizationChange = OperatorFields & { slug?: string; name?: string }

export interface OrganizationService {
  /** Those that the caller is in; with gatehouse:organizations.read all. */
  list: (caller: Caller, query: ListQuery) => Promise<PageText>
  /** What somebody is in, for them to choose. */
  own: (userId: string) => Promise<OwnOrganization[]>
  /** Throws organization.not_found. */
  find: (caller: Caller, id: string) => Promise<OrganizationView>
  /** Throws access.denied, permission.not_held, request.invalid, owner.unknown, organization.taken, organization.cap_reached. */
  create: (caller: Caller, input: NewOrganization) => Promise<OrganizationView>
  /** Throws organization.not_found, precondition.failed, access.denied, permission.not_held, request.invalid, organization.taken. */
  update: (caller: Caller, id: string, expected: number | '*', change: OrganizationChange) => Promise<OrganizationView>
  /** Ends all that it has. Throws organization.not_found, precondition.failed, access.denied. */
  remove: (caller: Caller, id: string, expected: number | '*') => Promise<void>
  /** Refuses somebody to go who is the last owner of an organization, behind its gate. Throws organization.last_owner. */
  refuseLeaving: (tx: Tx, userId: string) => Promise<void>
}

export interface OrganizationServiceDeps {
  store: OrganizationStore
  members: Pick<MemberStore, 'insert'>
  standings: StandingService
  authority: AuthorityService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const MOST_OWNED = 20

function viewOf({ id, slug, name, status, metadata, entitlement, limits, clientsMax, webhooksMax, version, createdAt, updatedAt }: OrganizationRow): OrganizationView {
  return { id, slug, name, status, metadata, entitlement, limits, clientsMax, webhooksMax, version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

export function createOrganizationService({ store, members, standings, authority, audit, transact, clock, publishRevocations }: OrganizationServiceDeps): OrganizationService {
  const now = (): Date => new Date(clock.now())

  /** Who is to own a new one. Throws access.denied for what only an operator may say, owner.unknown. */
  async function ownerOf(tx: Tx, caller: Caller, held: Held, { ownerUserId, metadata, entitlement, limits, clientsMax, webhooksMax }: NewOrganization): Promise<string | null> {
    refuseOperatorFields(held, {
      ...(metadata ? { metadata } : {}), ...(entitlement ? { entitlement } : {}), ...(limits ? { limits } : {}), ...(clientsMax === undefined ? {} : { clientsMax }), ...(webhooksMax === undefined ? {} : { webhooksMax }),
    })
    const person = personOf(caller)
    const isOperator = holds(held.permissions, WRITE)
    // an operator opens one for whom they say, and otherwise for nobody yet; anybody else for themselves
    if (!isOperator && person && (ownerUserId ?? person.id) === person.id) {
      refuseWithout(held, OWN)
      return person.id
    }
    refuseWithout(held, WRITE)
    if (ownerUserId === undefined) return null
    const owner = await authority.target(tx, ownerUserId).catch((cause: unknown) => {
      throw problem('owner.unknown', { cause })
    })
    if (owner.kind !== 'person') throw problem('owner.unknown')
    return owner.id
  }

  return {
    list: (caller, query) => store.list(query, standings.seesAll(caller) ? null : { member: caller.principal?.id ?? '', only: caller.principal?.organizationId ?? null }),
    own: (userId) => store.ofUser(userId),
    async find(caller, id) {
      return viewOf(await standings.see(caller, id))
    },
    async create(caller, input) {
      const { slug, name, metadata = {}, entitlement = [], limits = [], clientsMax = 0, webhooksMax = 0 } = input
      checkOrganization({ slug, metadata, entitlement, limits })
      return transact(async (tx) => {
        const ownerId = input.ownerUserId ?? caller.principal?.id ?? ''
        const held = await authority.hold(tx, caller, { users: [ownerId], cap: `organizations:${ownerId}` })
        const owner = await ownerOf(tx, caller, held, input)
        refuseGrant(held, entitlement)
        if (owner !== null && (await store.countOwned(tx, owner)) >= MOST_OWNED) throw problem('organization.cap_reached', { detail: `Somebody owns at most ${MOST_OWNED} organizations` })
        const { by, via } = issuerOf(caller)
        const row = await store.insert(tx, { id: newId(), slug, name, status: 'active', metadata, entitlement, limits, clientsMax, webhooksMax, issuedBy: by, issuedVia: via }, now())
        if (owner !== null) await members.insert(tx, { organizationId: row.id, userId: owner, isOwner: true, roleIds: [], issuedBy: by, issuedVia: via }, now())
        await audit.record(tx, caller, { action: 'organization.created', targetType: 'organization', targetId: row.id, details: { slug, entitlement, owner: owner ?? '' } })
        return viewOf(row)
      })
    },
    async update(caller, id, expected, change) {
      checkOrganization(change)
      return transact(async (tx) => {
        const { organization, standing, held } = await standings.open(tx, caller, id, { mode: 'alone', mayAlso: [ENTITLE, 'gatehouse:limits.write', 'gatehouse:clients.write', 'gatehouse:webhooks.write', 'gatehouse:brake'] })
        if (expected !== '*' && expected !== organization.version) throw problem('precondition.failed')
        refuseOperatorFields(held, change)
        if (change.slug !== undefined || change.name !== undefined) refuseRight(standing, 'organization.write')
        const { entitlement = organization.entitlement, status } = change
        const vouches = isWider(organization.entitlement, entitlement)
        // whoever widens it vouches for all of it; whoever brings it back gives all of it anew
        if (vouches || (status === 'active' && organization.status !== 'active')) refuseGrant(held, entitlement)
        const { by, via } = issuerOf(caller)
        const row = await store.update(tx, id, organization.version, { ...change, ...(vouches ? { issuedBy: by, issuedVia: via } : {}) }, now())
        if (!row) throw problem('precondition.failed')
        await audit.record(tx, caller, {
          action: status === 'suspended' ? 'organization.suspended' : 'organization.updated', targetType: 'organization', targetId: id,
          details: { fields: Object.keys(change).toSorted(), slug: row.slug, ...(change.entitlement ? { entitlement: change.entitlement } : {}), ...(status ? { status } : {}) },
        })
        await publishRevocations()
        return viewOf(row)
      })
    },
    async remove(caller, id, expected) {
      await transact(async (tx) => {
        const { organization, standing } = await standings.open(tx, caller, id, { mode: 'alone' })
        refuseOthers(standing)
        if (expected !== '*' && expected !== organization.version) throw problem('precondition.failed')
        if (!(await store.delete(tx, id, organization.version))) throw problem('precondition.failed')
        await audit.record(tx, caller, { action: 'organization.deleted', targetType: 'organization', targetId: id, details: { slug: organization.slug } })
        await publishRevocations()
      })
    },
    async refuseLeaving(tx, userId) {
      const alone = await store.ownedAlone(tx, userId)
      if (alone.length > 0) throw problem('organization.last_owner', { detail: `Give ${alone.length} organizations another owner first, or delete them: ${alone.slice(0, 5).join(', ')}` })
    },
  }
}

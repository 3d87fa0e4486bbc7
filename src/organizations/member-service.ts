// Who is in an organization, and with which of its roles. Nobody gives what they do not hold in it; the last owner stays; whoever wants to leave needs nobody's leave.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, issuerOf } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import type { MemberRow, MemberStore } from './member-store.js'
import { type Given, personOf, refuseBeyond, refuseOthers, refuseRight, refuseTaking, worthOf, WRITE } from './organization-rules.js'
import type { OrganizationRoleStore } from './organization-role-store.js'
import type { OrganizationStore } from './organization-store.js'
import type { Opened, StandingService } from './standing-service.js'

export interface MemberView {
  id: string
  organizationId: string
  userId: string
  email: string | null
  name: string | null
  owner: boolean
  /** ids */
  roles: string[]
  invitedBy: string | null
  version: number
  createdAt: string
  updatedAt: string
}

export interface NewMembership {
  userId: string
  owner: boolean
  roles: string[]
}

export interface MemberService {
  /** Throws organization.not_found, access.denied. */
  list: (caller: Caller, organizationId: string, query: ListQuery) => Promise<PageText>
  /** Throws organization.not_found, organization.member_not_found, access.denied. */
  find: (caller: Caller, organizationId: string, userId: string) => Promise<MemberView>
  /** For operators; everybody else invites. Throws organization.not_found, access.denied, permission.not_held, role.unknown, owner.unknown, organization.member_known, organization.full. */
  add: (caller: Caller, organizationId: string, input: NewMembership) => Promise<MemberView>
  /** Throws organization.not_found, organization.member_not_found, precondition.failed, access.denied, permission.not_held, role.unknown, organization.last_owner. */
  update: (caller: Caller, organizationId: string, userId: string, expected: number | '*', patch: { owner?: boolean; roles?: string[] }) => Promise<MemberView>
  /** Throws organization.not_found, organization.member_not_found, precondition.failed, access.denied, permission.not_held, organization.last_owner. */
  remove: (caller: Caller, organizationId: string, userId: string, expected: number | '*') => Promise<void>
  /** Its name, and its active owners, whom it tells what happens to it: the first ten. */
  ownersOf: (tx: Tx, organizationId: string) => Promise<{ name: string; owners: string[] }>
  /** Puts somebody in, behind the gate of the organization. Throws organization.full, organization.member_known. */
  join: (tx: Tx, organizationId: string, membership: NewMembership, issuer: { by: string | null; via: string }) => Promise<void>
  /**
   * Passes the gate of an organization and puts somebody in whom it takes by a rule of its own: what `judge` says, behind the gate, null for nothing. What of the roles is
   * there still is given. Nothing either where they are in it, or nobody acts in it. The name of the organization; null: they were not put in. Throws organization.full.
   */
  takeIn: (tx: Tx, caller: Caller, organizationId: string, userId: string, judge: () => Promise<Taken | null>) => Promise<string | null>
}

/** With what somebody is taken in, by whom, and what the audit log says of it beside that. */
export interface Taken {
  roles: readonly string[]
  issuer: { by: string | null; via: string }
  details: Record<string, string>
}

export interface MemberServiceDeps {
  organizations: Pick<OrganizationStore, 'find' | 'gate'>
  store: MemberStore
  roles: Pick<OrganizationRoleStore, 'findAll'>
  standings: StandingService
  authority: AuthorityService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const MOST_MEMBERS = 10_000
const MOST_TOLD = 10
const MOST_MEMBERSHIPS = 200

function viewOf({ id, organizationId, userId, email, name, isOwner, roleIds, issuedBy, version, createdAt, updatedAt }: MemberRow): MemberView {
  return { id, organizationId, userId, email, name, owner: isOwner, roles: roleIds, invitedBy: issuedBy, version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

export function createMemberService({ store, organizations, roles, standings, authority, audit, transact, clock, publishRevocations }: MemberServiceDeps): MemberService {
  const now = (): Date => new Date(clock.now())

  async function read(organizationId: string, userId: string, tx?: Tx): Promise<MemberRow> {
    const row = await store.find(organizationId, userId, tx)
    if (!row) throw problem('organization.member_not_found')
    return row
  }

  /** A membership that is about to become less. */
  async function open(tx: Tx, caller: Caller, organizationId: string, userId: string, expected: number | '*'): Promise<Opened & { before: MemberRow }> {
    const opened = await standings.open(tx, caller, organizationId, { mode: 'alone', scope: { narrowedUsers: [userId] } })
    // one's own is one's own to see and to give up
    if (personOf(caller)?.id !== userId) refuseRight(opened.standing, 'members.read')
    const before = await read(organizationId, userId, tx)
    if (expected !== '*' && expected !== before.version) throw problem('precondition.failed')
    return { ...opened, before }
  }

  /** What those of these roles that there are still are worth. */
  async function leftOf(tx: Tx, organizationId: string, ids: readonly string[]): Promise<Given> {
    const found = await roles.findAll(tx, organizationId, ids)
    return { permissions: [], rights: found.flatMap(({ rights }) => rights) }
  }

  async function keepAnOwner(tx: Tx, { isOwner, organizationId, userId }: MemberRow): Promise<void> {
    if (isOwner && (await store.otherOwners(tx, organizationId, userId)) === 0) throw problem('organization.last_owner')
  }

  async function join(tx: Tx, organizationId: string, { userId, owner, roles: roleIds }: NewMembership, { by, via }: { by: string | null; via: string }): Promise<void> {
    if ((await store.count(tx, organizationId)) >= MOST_MEMBERS) throw problem('organization.full', { detail: `An organization has at most ${MOST_MEMBERS} members` })
    if ((await store.countOf(tx, userId)) >= MOST_MEMBERSHIPS) throw problem('organization.full', { detail: `Somebody is in at most ${MOST_MEMBERSHIPS} organizations` })
    await store.insert(tx, { organizationId, userId, isOwner: owner, roleIds, issuedBy: by, issuedVia: via }, now())
  }

  return {
    join,
    async ownersOf(tx, organizationId) {
      return { name: (await organizations.find(organizationId, tx))?.name ?? '', owners: await store.owners(tx, organizationId, MOST_TOLD) }
    },
    async takeIn(tx, caller, organizationId, userId, judge) {
      await organizations.gate(tx, organizationId, 'alone')
      const organization = await organizations.find(organizationId, tx)
      const taken = organization?.status === 'active' && !(await store.find(organizationId, userId, tx)) ? await judge() : null
      if (!organization || taken === null) return null
      const roleIds = (await roles.findAll(tx, organizationId, taken.roles)).map(({ id }) => id)
      await join(tx, organizationId, { userId, owner: false, roles: roleIds }, taken.issuer)
      await audit.record(tx, caller, { action: 'organization_member.added', targetType: 'organization', targetId: organizationId, details: { userId, owner: false, roles: roleIds, ...taken.details } })
      await publishRevocations()
      return organization.name
    },
    async list(caller, organizationId, query) {
      const { standing } = await standings.see(caller, organizationId)
      if (!standings.seesAll(caller)) refuseRight(standing, 'members.read')
      return store.list(organizationId, query)
    },
    async find(caller, organizationId, userId) {
      const { standing } = await standings.see(caller, organizationId)
      if (!standings.seesAll(caller) && caller.principal?.id !== userId) refuseRight(standing, 'members.read')
      return viewOf(await read(organizationId, userId))
    },
    async add(caller, organizationId, input) {
      return transact(async (tx) => {
        const { organization, standing } = await standings.open(tx, caller, organizationId, { mode: 'alone', scope: { users: [input.userId] } })
        if (!standing.isOperator) throw problem('access.denied', { detail: `Needs ${WRITE}; members invite` })
        refuseBeyond(standing, organization.entitlement, { ...worthOf(input.roles, await roles.findAll(tx, organizationId, input.roles)), isOwner: input.owner })
        const target = await authority.target(tx, input.userId).catch((error: unknown) => {
          throw isProblem(error, 'user.not_found') ? problem('owner.unknown', { cause: error }) : error
        })
        if (target.kind !== 'person') throw problem('owner.unknown', { detail: 'A service account is in no organization: give the organization a key' })
        await join(tx, organizationId, input, issuerOf(caller))
        await audit.record(tx, caller, { action: 'organization_member.added', targetType: 'organization', targetId: organizationId, details: { userId: input.userId, owner: input.owner, roles: input.roles } })
        await publishRevocations()
        return viewOf(await read(organizationId, input.userId, tx))
      })
    },
    async update(caller, organizationId, userId, expected, { owner, roles: roleIds }) {
      return transact(async (tx) => {
        const { organization, standing, before } = await open(tx, caller, organizationId, userId, expected)
        refuseRight(standing, 'members.write')
        if (before.isOwner || owner === true) refuseOthers(standing)
        if (roleIds) {
          const added = roleIds.filter((id) => !before.roleIds.includes(id))
          refuseBeyond(standing, organization.entitlement, worthOf(added, await roles.findAll(tx, organizationId, added)))
          refuseTaking(standing, await leftOf(tx, organizationId, before.roleIds.filter((id) => !roleIds.includes(id))))
        }
        if (owner === true && !before.isOwner) refuseBeyond(standing, organization.entitlement, { permissions: [], rights: [], isOwner: true })
        if (owner === false) await keepAnOwner(tx, before)
        const patch = { ...(owner === undefined ? {} : { isOwner: owner }), ...(roleIds ? { roleIds } : {}) }
        if (!(await store.update(tx, before.id, before.version, patch, now()))) throw problem('precondition.failed')
        const row = await read(organizationId, userId, tx)
        await audit.record(tx, caller, { action: 'organization_member.changed', targetType: 'organization', targetId: organizationId, details: { userId, owner: row.isOwner, roles: row.roleIds } })
        await publishRevocations()
        return viewOf(row)
      })
    },
    async remove(caller, organizationId, userId, expected) {
      await transact(async (tx) => {
        const { standing, before } = await open(tx, caller, organizationId, userId, expected)
        if (personOf(caller)?.id !== userId) {
          refuseRight(standing, 'members.write')
          refuseTaking(standing, { ...(await leftOf(tx, organizationId, before.roleIds)), isOwner: before.isOwner })
        }
        await keepAnOwner(tx, before)
        if (!(await store.delete(tx, before.id, before.version))) throw problem('precondition.failed')
        await audit.record(tx, caller, { action: 'organization_member.removed', targetType: 'organization', targetId: organizationId, details: { userId, own: personOf(caller)?.id === userId } })
        await publishRevocations()
      })
    },
  }
}

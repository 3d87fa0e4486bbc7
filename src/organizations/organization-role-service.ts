// An organization's own roles: written by who holds in it what they are worth, before and after, and never worth more than the organization is entitled to.
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import { intersection } from '../kernel/permissions.js'
import { refuseBeyond, refuseRight, refuseTaking, type Right, worthOf } from './organization-rules.js'
import type { OrganizationRoleRow, OrganizationRoleStore } from './organization-role-store.js'
import type { Opened, StandingService } from './standing-service.js'

export interface OrganizationRoleView extends Omit<OrganizationRoleRow, 'createdAt' | 'updatedAt' | 'rights'> {
  rights: Right[]
  createdAt: string
  updatedAt: string
}

export interface OrganizationRoleInput {
  name: string
  description: string
  permissions: string[]
  rights: Right[]
}

export interface OrganizationRoleService {
  /** For whoever is in it. Throws organization.not_found. */
  list: (caller: Caller, organizationId: string) => Promise<OrganizationRoleView[]>
  /** Throws organization.not_found, role.not_found. */
  find: (caller: Caller, organizationId: string, id: string) => Promise<OrganizationRoleView>
  /** Throws organization.not_found, access.denied, permission.not_held, role.taken, role.cap_reached. */
  create: (caller: Caller, organizationId: string, input: OrganizationRoleInput) => Promise<OrganizationRoleView>
  /** Throws organization.not_found, role.not_found, precondition.failed, access.denied, permission.not_held, role.taken. */
  update: (caller: Caller, organizationId: string, id: string, expected: number | '*', patch: Partial<OrganizationRoleInput>) => Promise<OrganizationRoleView>
  /** Throws organization.not_found, role.not_found, role.held, precondition.failed, access.denied, permission.not_held. */
  remove: (caller: Caller, organizationId: string, id: string, expected: number | '*') => Promise<void>
  /** Refuses to give these roles to who cannot, behind the gate. Throws role.unknown, permission.not_held. */
  refuseGiving: (tx: Tx, opened: Pick<Opened, 'organization' | 'standing'>, roleIds: readonly string[]) => Promise<void>
}

export interface OrganizationRoleServiceDeps {
  store: OrganizationRoleStore
  standings: StandingService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const MOST_ROLES = 50

function viewOf({ createdAt, updatedAt, rights, ...row }: OrganizationRoleRow): OrganizationRoleView {
  return { ...row, rights: rights as Right[], createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

export function createOrganizationRoleService({ store, standings, audit, transact, clock, publishRevocations }: OrganizationRoleServiceDeps): OrganizationRoleService {
  const now = (): Date => new Date(clock.now())

  async function read(organizationId: string, id: string, tx?: Tx): Promise<OrganizationRoleRow> {
    const row = await store.find(organizationId, id, tx)
    if (!row) throw problem('role.not_found')
    return row
  }

  async function open(tx: Tx, caller: Caller, organizationId: string): Promise<Opened> {
    const opened = await standings.open(tx, caller, organizationId, { mode: 'alone' })
    refuseRight(opened.standing, 'roles.write')
    return opened
  }

  /** The role, and the refusal of who could break those who hold it. What it has beyond the entitlement is worth nothing, and hinders nobody. */
  async function openRole(tx: Tx, caller: Caller, organizationId: string, id: string, expected: number | '*'): Promise<Opened & { role: OrganizationRoleRow }> {
    const opened = await open(tx, caller, organizationId)
    const role = await read(organizationId, id, tx)
    if (expected !== '*' && expected !== role.version) throw problem('precondition.failed')
    const { entitlement } = opened.organization
    refuseBeyond(opened.standing, entitlement, { permissions: intersection(role.permissions, entitlement), rights: [] })
    refuseTaking(opened.standing, role)
    return { ...opened, role }
  }

  async function refuseTaken(tx: Tx, organizationId: string, name: string): Promise<number> {
    const roles = await store.list(organizationId, tx)
    if (roles.some((role) => role.name === name)) throw problem('role.taken')
    return roles.length
  }

  return {
    async refuseGiving(tx, { organization: { id, entitlement }, standing }, roleIds) {
      refuseBeyond(standing, entitlement, worthOf(roleIds, await store.findAll(tx, id, roleIds)))
    },
    async list(caller, organizationId) {
      await standings.see(caller, organizationId)
      return (await store.list(organizationId)).map(viewOf)
    },
    async find(caller, organizationId, id) {
      await standings.see(caller, organizationId)
      return viewOf(await read(organizationId, id))
    },
    create: (caller, organizationId, input) => transact(async (tx) => {
      const { organization, standing } = await open(tx, caller, organizationId)
      refuseBeyond(standing, organization.entitlement, input)
      if ((await refuseTaken(tx, organizationId, input.name)) >= MOST_ROLES) throw problem('role.cap_reached', { detail: `An organization has at most ${MOST_ROLES} roles` })
      const row = await store.insert(tx, { ...input, id: newId(), organizationId }, now())
      await audit.record(tx, caller, { action: 'organization_role.created', targetType: 'organization', targetId: organizationId, details: { role: row.id, name: row.name, permissions: row.permissions, rights: row.rights } })
      return viewOf(row)
    }),
    update: (caller, organizationId, id, expected, patch) => transact(async (tx) => {
      const { organization, standing, role } = await openRole(tx, caller, organizationId, id, expected)
      const { permissions = intersection(role.permissions, organization.entitlement), rights = role.rights } = patch
      refuseBeyond(standing, organization.entitlement, { permissions, rights })
      if (patch.name !== undefined && patch.name !== role.name) await refuseTaken(tx, organizationId, patch.name)
      const row = await store.update(tx, id, role.version, patch, now())
      if (!row) throw problem('precondition.failed')
      await audit.record(tx, caller, {
        action: 'organization_role.updated', targetType: 'organization', targetId: organizationId,
        details: { role: id, name: row.name, fields: Object.keys(patch).toSorted(), permissions: row.permissions, rights: row.rights, before: role.permissions },
      })
      await publishRevocations()
      return viewOf(row)
    }),
    remove: (caller, organizationId, id, expected) => transact(async (tx) => {
      const { role } = await openRole(tx, caller, organizationId, id, expected)
      const holders = await store.countHolders(tx, organizationId, id)
      if (holders > 0) throw problem('role.held', { detail: `${holders} members, invitations and domains have it: take it from them first` })
      if (!(await store.delete(tx, id, role.version))) throw problem('precondition.failed')
      await audit.record(tx, caller, { action: 'organization_role.deleted', targetType: 'organization', targetId: organizationId, details: { role: id, name: role.name } })
    }),
  }
}

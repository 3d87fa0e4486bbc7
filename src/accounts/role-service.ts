// Roles, made and changed by holders of gatehouse:roles.write who hold what the role permits, before and after: whoever could take from a role
// what they do not hold could break those who do. `admin` cannot be changed, `member` not deleted, and a held role stays until nobody has it.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Held, refuseGrant } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import { misplaced } from '../kernel/permission-catalogue.js'
import { holds } from '../kernel/permissions.js'
import { checkLimits, checkPlan, type Limit } from '../limits/index.js'
import { ADMIN, MEMBER } from './role-rules.js'
import type { Role, RoleStore } from './role-store.js'

export interface RoleView extends Omit<Role, 'createdAt' | 'updatedAt'> {
  createdAt: string
  updatedAt: string
  /** how many hold it; of member: how many it was given to, though everybody has it */
  holderCount?: number
  holders?: { userId: string; issuedBy: string | null; issuedVia: string | null; issuedAt: string | null }[]
  /** the id to ask for more holders after; null: these were the last */
  nextHolder?: string | null
}

export interface RoleInput {
  name: string
  description: string
  permissions: string[]
  limits: Limit[]
  requiresMfa: boolean
}

export interface RoleService {
  list: () => Promise<RoleView[]>
  /** By id or name. Throws role.not_found. */
  find: (key: string) => Promise<RoleView>
  /** The same with up to 200 of its holders. */
  findWithHolders: (key: string, after: string | null) => Promise<RoleView>
  /** Throws role.taken, permission.not_held, access.denied, request.invalid. */
  create: (caller: Caller, input: RoleInput) => Promise<RoleView>
  /** Throws role.not_found, role.builtin, precondition.failed, permission.not_held, access.denied, request.invalid. */
  update: (caller: Caller, key: string, expected: number | '*', patch: Partial<Omit<RoleInput, 'name'>>) => Promise<RoleView>
  /** Throws role.not_found, role.builtin, role.held, precondition.failed, permission.not_held, access.denied. */
  remove: (caller: Caller, key: string, expected: number | '*') => Promise<void>
}

export interface RoleServiceDeps {
  store: RoleStore
  authority: AuthorityService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const WRITE = 'gatehouse:roles.write'
const LIMITS = 'gatehouse:limits.write'
// no role's name: plans are held against each other, so they change one after the other
const PLANS = ' plans'
const HOLDERS = 200
const MOST_ROLES = 1_000

function viewOf({ id, name, description, permissions, limits, requiresMfa, version, createdAt, updatedAt }: Role): RoleView {
  return { id, name, description, permissions, limits, requiresMfa, version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

// a name that is an id would be looked up as one, and be another role's
const isName = (name: string): boolean => /^[a-z0-9]/.test(name) && !isUuid(name)

function check(name: string, { permissions = [], limits = [] }: { permissions?: string[]; limits?: Limit[] }): void {
  const errors = permissions.flatMap((permission, at) => {
    const message = misplaced(permission, name === MEMBER ? 'member' : 'role')
    return message === null ? [] : [{ path: `/permissions/${at}`, message }]
  })
  if (errors.length > 0) throw problem('request.invalid', { errors })
  checkLimits(limits)
}

/** Does a plan change? Then it takes the right to set limits. */
function refusePlan(held: Held, before: readonly Limit[], after: readonly Limit[]): void {
  if (JSON.stringify(before) === JSON.stringify(after) || holds(held.permissions, LIMITS)) return
  throw problem('permission.not_held', { detail: `Not held: ${LIMITS}` })
}

const keyOf = (key: string): { id: string } | { name: string } => (isUuid(key) ? { id: key } : { name: key })

export function createRoleService({ store, authority, audit, transact, clock, publishRevocations }: RoleServiceDeps): RoleService {

  async function read(key: string, tx?: Tx): Promise<Role> {
    const role = await store.find(keyOf(key), tx)
    if (!role) throw problem('role.not_found')
    return role
  }

  /** The role behind its gate, alone: nobody gives it away or holds by it while it changes. */
  async function open(tx: Tx, caller: Caller, key: string, expected: number | '*'): Promise<{ role: Role; held: Held }> {
    const { name } = await read(key, tx)
    const held = await authority.require(tx, caller, WRITE, { narrowedRoles: [name, PLANS] })
    const role = await read(key, tx)
    if (expected !== '*' && expected !== role.version) throw problem('precondition.failed')
    return { role, held }
  }

  return {
    list: async () => (await store.list()).map(viewOf),
    find: async (key) => {
      const role = await read(key)
      return { ...viewOf(role), holderCount: await store.countHolders(role.name) }
    },
    async findWithHolders(key, after) {
      const role = await read(key)
      const found = await store.holders(role.name, after, HOLDERS + 1)
      const holders = found.slice(0, HOLDERS).map((one) => ({ ...one, issuedAt: one.issuedAt?.toISOString() ?? null }))
      return { ...viewOf(role), holderCount: await store.countHolders(role.name), holders, nextHolder: found.length > HOLDERS ? (holders.at(-1)?.userId ?? null) : null }
    },
    async create(caller, { name, description, permissions, limits, requiresMfa }) {
      if (!isName(name)) throw problem('request.invalid', { errors: [{ path: '/name', message: 'must begin with a letter or digit, and be no UUID' }] })
      check(name, { permissions, limits })
      const role = await transact(async (tx) => {
        const held = await authority.require(tx, caller, WRITE, { narrowedRoles: [name, PLANS] })
        refuseGrant(held, permissions)
        refusePlan(held, [], limits)
        const roles = await store.list(tx)
        if (roles.length >= MOST_ROLES) throw problem('role.cap_reached')
        if (roles.some((role) => role.name === name)) throw problem('role.taken')
        checkPlan({ name, limits }, roles, MEMBER)
        const inserted = await store.insert(tx, { id: newId(), name, description, permissions, limits, requiresMfa }, new Date(clock.now()))
        if (!inserted) throw problem('role.taken')
        await audit.record(tx, caller, { action: 'role.created', targetType: 'role', targetId: inserted.id, details: { name, permissions, limits: JSON.stringify(limits), requiresMfa } })
        return inserted
      })
      return viewOf(role)
    },
    async update(caller, key, expected, patch) {
      const updated = await transact(async (tx) => {
        const { role, held } = await open(tx, caller, key, expected)
        if (role.name === ADMIN) throw problem('role.builtin')
        check(role.name, patch)
        const { permissions = role.permissions, limits = role.limits, requiresMfa = role.requiresMfa } = patch
        refuseGrant(held, [...role.permissions, ...permissions])
        refusePlan(held, role.limits, limits)
        if (patch.limits) checkPlan({ name: role.name, limits }, await store.list(tx), MEMBER)
        const row = await store.update(tx, role.id, role.version, patch, new Date(clock.now()))
        if (!row) throw problem('precondition.failed')
        const details = { name: role.name, fields: Object.keys(patch).toSorted(), permissions, before: role.permissions, limits: JSON.stringify(limits), requiresMfa }
        await audit.record(tx, caller, { action: 'role.updated', targetType: 'role', targetId: role.id, details })
        await publishRevocations()
        return row
      })
      return viewOf(updated)
    },
    async remove(caller, key, expected) {
      await transact(async (tx) => {
        const { role, held } = await open(tx, caller, key, expected)
        if (role.name === ADMIN || role.name === MEMBER) throw problem('role.builtin')
        refuseGrant(held, role.permissions)
        refusePlan(held, role.limits, [])
        const holders = await store.countHolders(role.name, tx)
        if (holders > 0) throw problem('role.held', { detail: `${holders} accounts hold it: take it from them first` })
        if (!(await store.delete(tx, role.id, role.version))) throw problem('precondition.failed')
        await audit.record(tx, caller, { action: 'role.deleted', targetType: 'role', targetId: role.id, details: { name: role.name, permissions: role.permissions } })
      })
    },
  }
}

// What may happen to an account: opened, changed, suspended, removed, by whom, and what else has to end with it. Every
// change is one transaction with its audit row; the last active administrator stays.
import type { Caller } from '../access/principal.js'
import type { AuditStore } from '../audit/audit-store.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { KeyService } from '../keys/key-service.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import type { ListQuery, Page } from '../kernel/page.js'
import type { SessionService } from '../sessions/session-service.js'
import type { AccountStore, UserStatus } from './account-store.js'
import { accountListQuery, type UserView, viewOf } from './account-view.js'
import { normaliseEmail } from './email.js'
import { checkOrigin, newOrigin } from './hash-origin.js'
import type { LoginThrottle } from './login-throttle-service.js'
import type { PasswordHasher } from './password-hasher.js'
import { requireStrong } from './password-rules.js'
import { ADMIN, checkGrant, checkReach, MEMBER, permissionsOf } from './role-rules.js'
import type { RoleStore } from './role-store.js'

export type { UserView }

export interface AccountInput {
  email: string
  password?: string
  name?: string | null
}

/** An account that is ready to be opened: everything slow or refusable has been done, outside any transaction. */
export interface AccountDraft {
  email: string
  name: string
  passwordHash: string | null
  roles: string[]
  /** set when it must be known beforehand */
  id?: string
  /** set when opening it signs in */
  signsIn?: boolean
}

export interface AccountPatch {
  email?: string
  name?: string | null
  status?: UserStatus
  roles?: string[]
}

export interface AccountService {
  list: (query: ListQuery) => Promise<Page<UserView>>
  /** Throws user.not_found. */
  find: (id: string) => Promise<UserView>
  /** Checks and hashes what was typed; opens nothing. Throws request.invalid, password.weak, rate.limited, server.busy. */
  draft: (caller: Caller, input: AccountInput) => Promise<AccountDraft>
  /** A draft with roles that the caller may give. Throws permission.not_held and role.unknown, and what `draft` throws. */
  draftFor: (caller: Caller, input: AccountInput & { roles?: string[] }) => Promise<AccountDraft>
  /** Opens a drafted account. Throws email.taken. */
  open: (caller: Caller, draft: AccountDraft) => Promise<UserView>
  /** draftFor, then open */
  create: (caller: Caller, input: AccountInput & { roles?: string[] }) => Promise<UserView>
  /** Opens a drafted account as a part of something larger; the caller's right to do so has been decided. Throws email.taken. */
  createIn: (tx: Tx, caller: Caller, draft: AccountDraft) => Promise<UserView>
  /**
   * Changes an account that still has the expected version. Suspending ends its sessions; a role taken away takes its permissions
   * from the account's own keys. Throws user.not_found, precondition.failed, permission.not_held, role.unknown, email.taken, admin.last.
   */
  update: (caller: Caller, id: string, expected: number | '*', patch: AccountPatch) => Promise<UserView>
  /** Deletes an account with its sessions and keys. Throws user.not_found, precondition.failed, permission.not_held, admin.last. */
  remove: (caller: Caller, id: string, expected?: number | '*') => Promise<void>
  /** Changes a user's own name. Throws user.not_found and precondition.failed. */
  rename: (caller: Caller, id: string, expected: number | '*', name: string | null) => Promise<UserView>
  /**
   * Replaces the caller's own password and ends every other session of theirs. Guesses of the current one count like failed sign-ins.
   * Throws credentials.invalid, password.weak, login.throttled, server.busy.
   */
  changePassword: (caller: Caller, input: { currentPassword: string; newPassword: string }) => Promise<void>
}

export interface AccountServiceDependencies {
  store: AccountStore
  roles: RoleStore
  hasher: PasswordHasher
  throttle: LoginThrottle
  sessions: SessionService
  keys: KeyService
  audit: AuditStore
  transact: Transact
  clock: Clock
  /** Makes the nodes forget what was changed, once the transaction that is open here, if any, has committed. */
  narrowed: () => Promise<void>
}

const heldBy = (caller: Caller): readonly string[] => caller.principal?.permissions ?? []

/** Could the change leave fewer administrators? */
function mayTakeAdmin(patch: AccountPatch): boolean {
  return patch.status === 'suspended' || (patch.roles !== undefined && !patch.roles.includes(ADMIN))
}

export function createAccountService(dependencies: AccountServiceDependencies): AccountService {
  const { store, roles, hasher, throttle, sessions, keys, audit, transact, clock, narrowed } = dependencies
  const now = (): Date => new Date(clock.now())

  /** Runs an administrative act; its refusal leaves an audit row too, which must outlive the transaction that was rolled back. */
  async function act<T>(caller: Caller, targetId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof AppError && (error.code === 'permission.not_held' || error.code === 'admin.last')) {
        await transact((tx) => audit.record(tx, caller, { action: 'access.denied', targetType: 'user', targetId, details: { code: error.code } }))
      }
      throw error
    }
  }

  async function refuseNoAdmin(tx: Tx): Promise<void> {
    if ((await store.countActiveAdmins(tx)) === 0) throw problem('admin.last')
  }

  async function viewIn(tx: Tx, id: string): Promise<UserView> {
    const row = await store.find(id, tx)
    if (!row) throw problem('user.not_found')
    return viewOf(row)
  }

  const service: AccountService = {
    async list(query) {
      const { data, page } = await store.list(accountListQuery(query))
      return { data: data.map(viewOf), page }
    },

    async find(id) {
      const row = isUuid(id) ? await store.find(id) : null
      if (!row) throw problem('user.not_found')
      return viewOf(row)
    },

    async draft(caller, { email: typed, password, name }) {
      const email = normaliseEmail(typed)
      if (password !== undefined) requireStrong(password, [email, name ?? ''])
      const passwordHash = password === undefined ? null : await hasher.hash(password, newOrigin(caller))
      return { email, name: name?.trim() ?? '', passwordHash, roles: [MEMBER] }
    },

    async draftFor(caller, { roles: names = [MEMBER], ...input }) {
      await act(caller, '', async () => checkGrant(heldBy(caller), names, await roles.list()))
      return { ...(await service.draft(caller, input)), roles: [...new Set(names)] }
    },

    open: (caller, draft) => transact((tx) => service.createIn(tx, caller, draft)),

    create: async (caller, input) => service.open(caller, await service.draftFor(caller, input)),

    async createIn(tx, caller, { id = newId(), email, name, passwordHash, roles: names, signsIn = false }) {
      await store.insert(tx, { id, email, name, passwordHash, roles: names, createdAt: now(), ...(signsIn ? { lastLoginAt: now() } : {}) })
      await audit.record(tx, caller, {
        action: 'user.created', targetType: 'user', targetId: id, details: { roles: names, password: passwordHash !== null },
        ...(signsIn ? { actorUserId: id } : {}),
      })
      return viewIn(tx, id)
    },

    update: (caller, id, expected, patch) => act(caller, id, () => transact(async (tx) => {
      const changes = {
        ...(patch.email === undefined ? {} : { email: normaliseEmail(patch.email) }),
        ...(patch.name === undefined ? {} : { name: patch.name?.trim() ?? '' }),
        ...(patch.status === undefined ? {} : { status: patch.status }),
      }
      if (mayTakeAdmin(patch)) await store.lockAdmins(tx)
      const before = isUuid(id) ? await store.lock(tx, id) : null
      if (!before) throw problem('user.not_found')
      const known = await roles.list(tx)
      checkReach(heldBy(caller), before.roles, known)
      if (patch.roles) checkGrant(heldBy(caller), patch.roles, known)
      if (!(await store.update(tx, id, expected, changes, now()))) throw problem('precondition.failed')
      if (patch.roles) {
        await store.setRoles(tx, id, patch.roles)
        await keys.narrow(tx, id, permissionsOf(patch.roles, known))
      }
      if (patch.status === 'suspended') await sessions.endAll(tx, id)
      if (patch.status !== undefined || patch.roles) await narrowed()
      if (mayTakeAdmin(patch) && before.status === 'active' && before.roles.includes(ADMIN)) await refuseNoAdmin(tx)
      await audit.record(tx, caller, {
        action: 'user.updated', targetType: 'user', targetId: id,
        details: { fields: Object.keys(patch).toSorted(), ...(patch.status ? { status: patch.status } : {}), ...(patch.roles ? { roles: patch.roles } : {}) },
      })
      return viewIn(tx, id)
    })),

    remove: (caller, id, expected = '*') => act(caller, id, () => transact(async (tx) => {
      await store.lockAdmins(tx)
      const before = isUuid(id) ? await store.lock(tx, id) : null
      if (!before) throw problem('user.not_found')
      checkReach(heldBy(caller), before.roles, await roles.list(tx))
      if (!(await store.delete(tx, id, expected))) throw problem('precondition.failed')
      await narrowed()
      if (before.status === 'active' && before.roles.includes(ADMIN)) await refuseNoAdmin(tx)
      await audit.record(tx, caller, { action: 'user.deleted', targetType: 'user', targetId: id, details: { roles: before.roles } })
    })),

    rename: (caller, id, expected, name) => transact(async (tx) => {
      if (!(await store.find(id, tx))) throw problem('user.not_found')
      if (!(await store.update(tx, id, expected, { name: name?.trim() ?? '' }, now()))) throw problem('precondition.failed')
      await audit.record(tx, caller, { action: 'user.updated', targetType: 'user', targetId: id, details: { fields: ['name'] } })
      return viewIn(tx, id)
    }),

    async changePassword(caller, { currentPassword, newPassword }) {
      const { principal } = caller
      const account = principal && (await store.findCredentials({ id: principal.id }))
      if (!account) throw problem('credentials.invalid')
      requireStrong(newPassword, [account.email, account.name])
      const attempt = await throttle.reserve(caller, account.email)
      const target = { targetType: 'user', targetId: account.id }
      const { passwordHash: checkedHash } = account
      const right = await throttle.whileReserved(attempt, () => hasher.verify(currentPassword, checkedHash, checkOrigin(caller)))
      if (!right || checkedHash === null) {
        await transact((tx) => audit.record(tx, caller, { action: 'password.change_failed', ...target }))
        throw problem('credentials.invalid')
      }
      const newHash = await throttle.whileReserved(attempt, () => hasher.hash(newPassword, newOrigin(caller)))
      await transact(async (tx) => {
        // two changes at once: the second finds another password than the one it checked
        if (!(await store.replacePassword(tx, account.id, checkedHash, newHash, now()))) throw problem('credentials.invalid')
        await sessions.endAll(tx, account.id, principal.sessionId)
        await throttle.succeeded(tx, attempt)
        await audit.record(tx, caller, { action: 'password.changed', ...target })
      })
    },
  }
  return service
}

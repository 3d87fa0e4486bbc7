// What ends or changes accounts: what administrators do to other people's (change, suspend, give and take roles, delete), and people who delete their own. Each is judged in its transaction,
// behind the gates of the caller and of whom it is about, so that nobody gives what they lost a moment ago; the last administrator stays.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Held, issuerOf, partOf, refuseEnd, refuseGain, refuseGrant, refuseWithout, type TargetFacts } from '../authority/index.js'
import type { GrantCounts, GrantService } from './grant-service.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { holds } from '../kernel/permissions.js'
import type { MailService } from '../mail/index.js'
import type { OrganizationService } from '../organizations/index.js'
import type { SessionService } from '../sessions/index.js'
import type { AccountRow, AccountStore, UserStatus } from './account-store.js'
import { type UserView, viewOf } from './account-view.js'
import { normaliseEmail, refuseServiceAddress, shownEmail } from './email.js'
import { ADMIN, givenBy } from './role-rules.js'
import type { RoleStore } from './role-store.js'

export interface AccountPatch {
  email?: string
  name?: string | null
  status?: UserStatus
  roles?: string[]
}

export type GrantsWish = 'keep' | 'revoke'

/** What the person had given away stands until somebody ends it: how much of it there is, or was. */
export type ChangedUser = UserView & { grants?: GrantCounts }

export interface AccountChangeService {
  /**
   * Changes an account that still has the expected version. Suspending ends its sessions and stops its keys; a role taken away is taken
   * from its sessions and bound keys, too. Throws user.not_found, precondition.failed, access.denied, permission.not_held, role.unknown, email.taken, admin.last.
   */
  update: (caller: Caller, id: string, expected: number | '*', patch: AccountPatch, grants?: GrantsWish) => Promise<ChangedUser>
  /** Deletes an account with its sessions and keys. Throws user.not_found, precondition.failed, access.denied, permission.not_held, admin.last. */
  remove: (caller: Caller, id: string, expected?: number | '*', grants?: GrantsWish) => Promise<{ grants: GrantCounts }>
  /** Deletes the caller's own account with its sessions and keys; what they gave to others stands. Needs no permission. Throws user.not_found, admin.last, organization.last_owner. */
  removeOwn: (caller: Caller) => Promise<void>
}

export interface AccountChangeDeps {
  store: AccountStore
  roles: RoleStore
  sessions: SessionService
  authority: AuthorityService
  grants: GrantService
  organizations: Pick<OrganizationService, 'refuseLeaving'>
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
  /** Makes the nodes forget what was changed, once the transaction that is open here, if any, has committed. */
  publishRevocations: () => Promise<void>
}

const WRITE = 'gatehouse:users.write'
const BRAKE = 'gatehouse:brake'

/** Nothing but a suspension: what the brake is for. */
const onlySuspends = ({ status, ...rest }: AccountPatch): boolean => status === 'suspended' && Object.keys(rest).length === 0

export function createAccountChangeService(deps: AccountChangeDeps): AccountChangeService {
  const { store, roles, sessions, authority, grants, organizations, mail, audit, transact, clock, publishRevocations } = deps
  const now = (): Date => new Date(clock.now())

  async function open(tx: Tx, caller: Caller, id: string, given: readonly string[]): Promise<{ held: Held; before: AccountRow; target: TargetFacts }> {
    const held = await authority.hold(tx, caller, { narrowedUsers: [id], roles: given })
    const before = await store.lock(tx, id)
    if (!before) throw problem('user.not_found')
    return { held, before, target: await authority.target(tx, id) }
  }

  /** Refuses what the caller may not do to this account. */
  async function judge(tx: Tx, { held, before, target }: { held: Held; before: AccountRow; target: TargetFacts }, patch: AccountPatch, callerId: string | undefined): Promise<void> {
    if (onlySuspends(patch) && holds(held.permissions, BRAKE)) return
    refuseWithout(held, WRITE)
    refuseEnd(held, partOf(target))
    // whoever decides where the mail goes, or brings back what was stopped, gains all of it
    if (patch.email !== undefined || (patch.status === 'active' && before.status !== 'active')) refuseGain(held, target)
    // whoever stole a session, or a key, would take the account with it
    if (patch.email !== undefined && callerId === before.id) throw problem('access.denied', { detail: 'Change your own address at /me/email' })
    if (before.kind === 'service' && patch.email !== undefined) throw problem('request.invalid', { errors: [{ path: '/email', message: 'a service account has none' }] })
    if (before.anonymous && patch.email !== undefined) throw problem('request.invalid', { errors: [{ path: '/email', message: 'whoever uses an anonymous account gives it one, with a password' }] })
    if (!patch.roles) return
    const known = await roles.list(tx)
    givenBy(patch.roles, known)
    refuseGrant(held, givenBy(patch.roles.filter((name) => !before.roles.includes(name)), known))
  }

  async function keepAnAdmin(tx: Tx, before: AccountRow, patch: AccountPatch | null): Promise<void> {
    const losesIt = patch === null || patch.status === 'suspended' || (patch.roles !== undefined && !patch.roles.includes(ADMIN))
    if (!losesIt || before.status !== 'active' || !before.roles.includes(ADMIN)) return
    // taken last: before the rows it would deadlock with grants of the role
    await authority.guardAdmins(tx)
    if ((await store.countActiveAdmins(tx)) === 0) throw problem('admin.last')
  }

  /** While there is an address to tell. */
  async function tellOfEnd(tx: Tx, id: string): Promise<void> {
    await mail.tell(tx, id, { kind: 'account.deleted', facts: { at: now().toISOString() } })
  }

  const service: AccountChangeService = {
    async update(caller, id, expected, patch, wish = 'keep') {
      const changed = await audit.recordingRefusal(caller, { targetType: 'user', targetId: id }, () => transact(async (tx) => {
        const changes = {
          ...(patch.email === undefined ? {} : { email: normaliseEmail(patch.email) }),
          ...(patch.name === undefined ? {} : { name: patch.name?.trim() ?? '' }),
          ...(patch.status === undefined ? {} : { status: patch.status }),
        }
        if (changes.email !== undefined) refuseServiceAddress(changes.email)
        const opened = await open(tx, caller, id, patch.roles ?? [])
        const { before, held } = opened
        await judge(tx, opened, patch, caller.principal?.id)
        if (!(await store.update(tx, id, expected, changes, now()))) throw problem('precondition.failed')
        const old = shownEmail(before.email)
        if (changes.email !== undefined && changes.email !== before.email && old !== null) await mail.send(tx, { kind: 'email.changed', to: old, locale: before.locale, facts: { at: now().toISOString() } })
        if (patch.roles) await store.setRoles(tx, id, patch.roles, issuerOf(caller), now())
        if (patch.status === 'suspended') await sessions.endAll(tx, id)
        const takes = patch.status === 'suspended' || (patch.roles !== undefined && before.roles.some((name) => !patch.roles?.includes(name)))
        const sweep = takes && wish === 'revoke' ? await grants.begin(tx, caller, held, id) : null
        await audit.record(tx, caller, {
          action: 'user.updated', targetType: 'user', targetId: id,
          details: { fields: Object.keys(patch).toSorted(), ...(patch.status ? { status: patch.status } : {}), ...(patch.roles ? { roles: patch.roles } : {}) },
        })
        await keepAnAdmin(tx, before, patch)
        if (patch.status !== undefined || patch.roles) await publishRevocations()
        const row = await store.find(id, tx)
        if (!row) throw problem('user.not_found')
        return { view: viewOf(row), takes, sweep }
      }))
      return changed.takes ? { ...changed.view, grants: await grants.finish(caller, id, changed.sweep) } : changed.view
    },

    async remove(caller, id, expected = '*', wish = 'keep') {
      const sweep = await audit.recordingRefusal(caller, { targetType: 'user', targetId: id }, () => transact(async (tx) => {
        const { held, before, target } = await open(tx, caller, id, [])
        refuseWithout(held, WRITE)
        refuseEnd(held, partOf(target))
        const begun = wish === 'revoke' ? await grants.begin(tx, caller, held, id) : null
        await tellOfEnd(tx, id)
        if (!(await store.delete(tx, id, expected))) throw problem('precondition.failed')
        await audit.record(tx, caller, { action: 'user.deleted', targetType: 'user', targetId: id, details: { roles: before.roles } })
        await keepAnAdmin(tx, before, null)
        await publishRevocations()
        return begun
      }))
      return { grants: await grants.finish(caller, id, sweep) }
    },

    async removeOwn(caller) {
      const { principal } = caller
      if (principal?.sessionId === undefined) throw problem('user.not_found')
      const { id } = principal
      await audit.recordingRefusal(caller, { targetType: 'user', targetId: id }, () => transact(async (tx) => {
        const { before } = await open(tx, caller, id, [])
        await organizations.refuseLeaving(tx, id)
        await tellOfEnd(tx, id)
        if (!(await store.delete(tx, id, '*'))) throw problem('user.not_found')
        await audit.record(tx, caller, { action: 'user.deleted', targetType: 'user', targetId: id, details: { roles: before.roles, own: true } })
        await keepAnAdmin(tx, before, null)
        await publishRevocations()
      }))
    },
  }
  return service
}

// What somebody has given to others, and stands when they are gone: keys they issued or whose secret they received, roles they gave,
// accounts they opened, invitations that wait. It is counted for whoever stops a person, and ended when they ask for it.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService, Held } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { KeySweepService } from '../keys/index.js'
import type { Clock } from '../kernel/clock.js'
import { holds, isOfGatehouse, lacking } from '../kernel/permissions.js'
import type { GrantStore } from './grant-store.js'
import { ADMIN } from './role-rules.js'

/** What stands; `revoked`: what was ended now. */
export interface GrantCounts {
  /** live keys of others */
  keys: number
  /** roles that others hold */
  assignments: number
  /** accounts they opened, which stay */
  accounts: number
  /** that nobody has accepted yet: worth nothing once they could not give them */
  invitations: number
  revoked?: { keys: number; assignments: number }
  /** keys that the caller may not end */
  left?: number
  /** ending goes on after this answer */
  pending?: boolean
}

export interface GrantService {
  count: (userId: string) => Promise<GrantCounts>
  /** Notes, in the transaction that closes a person, that the keys they gave are to be ended: by `finish` and, should this node die, by any other. Roles are taken back by `finish` alone. */
  begin: (tx: Tx, caller: Caller, held: Held, userId: string) => Promise<string>
  /** Ends what `begin` noted, as far as it goes in one go, and counts what is left. */
  finish: (caller: Caller, userId: string, sweepId: string | null) => Promise<GrantCounts>
}

export interface GrantServiceDeps {
  store: GrantStore
  sweeps: KeySweepService
  authority: AuthorityService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

// assignments are few: what is above this stays, and is counted
const ASSIGNMENTS = 200
const WRITE = 'gatehouse:users.write'

export function createGrantService({ store, sweeps, authority, audit, transact, clock }: GrantServiceDeps): GrantService {
  const count = (userId: string): ReturnType<GrantStore['count']> => store.count(userId, new Date(clock.now()))

  /** Takes back the roles that they gave, as far as the caller reaches; none, from whoever may stop somebody and give no roles. Role admin is never taken here: somebody has to be left. */
  async function takeBack(caller: Caller, userId: string): Promise<number> {
    return transact(async (tx) => {
      const holders = (await store.listAssignments(tx, userId, ASSIGNMENTS)).map((one) => one.userId)
      if (holders.length === 0) return 0
      const held = await authority.hold(tx, caller, { narrowedUsers: holders })
      if (!holds(held.permissions, WRITE)) return 0
      const within = (await store.listAssignments(tx, userId, ASSIGNMENTS)).filter(({ userId: holder, roleName, permissions }) =>
        holders.includes(holder) && roleName !== ADMIN && lacking(held.permissions, permissions.filter(isOfGatehouse)).length === 0)
      for (const { userId: holder, roleName } of within) {
        await store.deleteAssignment(tx, holder, roleName, new Date(clock.now()))
        await audit.record(tx, caller, { action: 'role.taken_back', targetType: 'user', targetId: holder, details: { role: roleName, givenBy: userId } })
      }
      return within.length
    })
  }

  return {
    count,
    async begin(tx, caller, held, userId) {
      await store.voidInvitations(tx, userId, new Date(clock.now()))
      return sweeps.begin(tx, caller, held, { grantsOf: userId })
    },
    async finish(caller, userId, sweepId) {
      if (sweepId === null) return count(userId)
      // in a transaction of its own: the gates of an act are passed in one go
      const assignments = await takeBack(caller, userId)
      const { revoked, left, pending } = await sweeps.run(sweepId)
      return { ...(await count(userId)), revoked: { keys: revoked, assignments }, left, pending }
    },
  }
}

// The end of a grant that is not its time's: a code or a refresh token that came a second time, or whoever it is of.
import type { AuditStore } from '../../audit/index.js'
import type { Transact } from '../../database/transaction.js'
import type { Clock } from '../../kernel/clock.js'
import type { Caller } from '../../kernel/principal.js'
import type { GrantStore } from './grant-store.js'

export type EndGrant = (caller: Caller, why: 'code.reused' | 'grant.refresh_reused' | 'grant.returned', grant: { id: string; userId: string; clientId: string }) => Promise<void>

export interface GrantEndingDeps {
  store: GrantStore
  audit: Pick<AuditStore, 'record'>
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

export function createGrantEnding({ store, audit, transact, clock, publishRevocations }: GrantEndingDeps): EndGrant {
  return async (caller, action, { id, userId, clientId }) => {
    await transact(async (tx) => {
      if (!(await store.end(tx, id, new Date(clock.now())))) return
      await audit.record(tx, { ...caller, principal: null }, { action, targetType: 'session', targetId: id, actorUserId: userId, details: { client: clientId } })
      await publishRevocations()
    })
  }
}

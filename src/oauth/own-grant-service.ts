// What somebody has let applications do: seen and taken back, all of an application's at once.
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { OwnGrantStore } from './own-grant-store.js'

export interface OwnGrantView {
  /** of the client */
  id: string
  client: { clientId: string; name: string; clientUri: string | null; firstParty: boolean }
  scopes: string[]
  resources: string[]
  grantedAt: string
  lastUsedAt: string | null
  /** how many live */
  sessions: number
}

export interface OwnGrantService {
  list: (userId: string) => Promise<OwnGrantView[]>
  /** The application's tokens open nothing from then on, and it asks anew. Throws grant.not_found. */
  withdraw: (caller: Caller, userId: string, clientId: string) => Promise<void>
}

export interface OwnGrantDeps {
  store: OwnGrantStore
  audit: Pick<AuditStore, 'record'>
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const MOST = 500

export function createOwnGrants({ store, audit, transact, clock, publishRevocations }: OwnGrantDeps): OwnGrantService {
  return {
    async list(userId) {
      const rows = await store.list(userId, new Date(clock.now()), MOST)
      return rows.map(({ id, clientId, name, clientUri, firstParty, scopes, resources, grantedAt, lastUsedAt, sessions }) => ({
        id, client: { clientId, name, clientUri, firstParty }, scopes, resources, grantedAt: grantedAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null, sessions,
      }))
    },
    async withdraw(caller, userId, clientId) {
      await transact(async (tx) => {
        if (!(await store.withdraw(tx, userId, clientId, new Date(clock.now())))) throw problem('grant.not_found')
        await audit.record(tx, caller, { action: 'consent.withdrawn', targetType: 'client', targetId: clientId })
        await publishRevocations()
      })
    },
  }
}

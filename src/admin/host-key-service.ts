// Keys whose seller nobody remembers: bound since this version, and worth less than what is written on them. The host may list them and
// say of chosen ones that they were sold.
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import type { DarkKey, HostKeyStore } from './host-key-store.js'
import { HOST } from './host-caller.js'

export interface HostKeyService {
  /** Bound, live keys with permissions that their owners do not hold: up to 1,000, the oldest first. */
  listDark: () => Promise<DarkKey[]>
  /** Makes bound keys of people standing; their ids. What is no such key is left as it is. */
  adopt: (ids: readonly string[]) => Promise<string[]>
}


export function createHostKeyService({ store, audit, transact, clock }: { store: HostKeyStore; audit: AuditStore; transact: Transact; clock: Clock }): HostKeyService {
  return {
    listDark: () => store.listDark(new Date(clock.now())),
    adopt: (ids) => transact(async (tx) => {
      const adopted = await store.makeStanding(tx, ids, new Date(clock.now()))
      await audit.recordAll(tx, HOST, adopted.map((targetId) => ({ action: 'key.adopted', targetType: 'key', targetId })))
      return adopted
    }),
  }
}

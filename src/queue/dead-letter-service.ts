// Work that was given up: seen, done again or forgotten by administrators. What it says stays encrypted; it is shown by what it is about.
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import type { QueueService } from './queue-service.js'
import type { QueueStore } from './queue-store.js'

export interface DeadLetterService {
  list: (query: ListQuery) => Promise<PageText>
  /** Has it done again, as if it had been promised now. Throws dead_letter.not_found. */
  replay: (caller: Caller, id: string) => Promise<void>
  /** Throws dead_letter.not_found. */
  forget: (caller: Caller, id: string) => Promise<void>
}

export interface DeadLetterServiceDependencies {
  store: QueueStore
  queue: QueueService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

export function createDeadLetterService({ store, queue, audit, transact, clock }: DeadLetterServiceDependencies): DeadLetterService {
  const end = (caller: Caller, id: string, action: string, how: (tx: Parameters<Parameters<Transact>[0]>[0]) => Promise<boolean>): Promise<void> => transact(async (tx) => {
    if (!isUuid(id) || !(await how(tx))) throw problem('dead_letter.not_found')
    await audit.record(tx, caller, { action, targetType: 'dead_letter', targetId: id })
  })
  return {
    list: (query) => store.listDead(query),
    async replay(caller, id) {
      await end(caller, id, 'dead_letter.replayed', (tx) => store.revive(tx, id, new Date(clock.now())))
      queue.wake()
    },
    forget: (caller, id) => end(caller, id, 'dead_letter.deleted', (tx) => store.forget(tx, id)),
  }
}

// Durable work: promised in the transaction of a change, done after it, at least once. What was rolled back is never done; what was committed is
// done though the node dies at any point: another takes it up. Tried again with growing waits, and given up into the list of dead letters.
import type pg from 'pg'
import type { AuditStore } from '../audit/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Cursors } from '../kernel/page.js'
import type { Secrets } from '../kernel/secrets.js'
import type { Metric } from '../telemetry/index.js'
import { createDeadLetterService, type DeadLetterService } from './dead-letter-service.js'
import { createQueueService, type QueueService } from './queue-service.js'
import { createQueueStore } from './queue-store.js'

export { type DeadLetterService } from './dead-letter-service.js'
export { type Item, type Promised, type QueueService, QUEUED_WORK, Undoable, type Worker } from './queue-service.js'

const KEPT_MS = 30 * 86_400_000

export interface QueueNeeds {
  pool: pg.Pool
  cursors: Cursors
  transact: Transact
  afterCommit: (work: () => Promise<void>) => Promise<void>
  secrets: Secrets
  clock: Clock
  audit: AuditStore
  log: { warn: (details: object, message: string) => void }
}

export interface QueueFeature {
  queue: QueueService
  deadLetters: DeadLetterService
  jobs: Job[]
  metrics: Metric[]
  close: () => Promise<void>
}

export function createQueue({ pool, cursors, ...all }: QueueNeeds): QueueFeature {
  const store = createQueueStore({ pool, cursors })
  const { queue, job, counts, close } = createQueueService({ ...all, store })
  return {
    queue,
    deadLetters: createDeadLetterService({ ...all, store, queue }),
    jobs: [job, tableExpiry(pool, { table: 'dead_letters', where: 'failed_at <= $1', before: () => all.clock.now() - KEPT_MS })],
    metrics: [{ name: 'gatehouse_queued_work_total', type: 'counter', help: 'Tries of queued work by this node, by what came of them', labels: ['queue', 'outcome'], read: counts }],
    close,
  }
}

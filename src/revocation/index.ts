// What this node knows of revocations, and for how long it may decide by that: a log in PostgreSQL that is polled, a bus that is quicker,
// and a lease that ends when neither answers. docs/decision-engine.md.
import type pg from 'pg'
import type { Database } from '../database/connect.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Bus } from '../shared-store/shared-store.js'
import type { Metric } from '../telemetry/index.js'
import { createRevocationPoller, type RevocationPoller, type RevocationPollerDeps } from './revocation-poller.js'
import { createRevocationStore } from './revocation-store.js'
import { createRevocations, type Revocations } from './revocations.js'

export { createHeldRows, type FoundRow, type HeldRows } from './held-rows.js'
export type { RevocationPoller } from './revocation-poller.js'
export type { Moment, Reading, Revocations } from './revocations.js'

const PRUNE_EVERY_MS = 600_000

export interface RevocationNeeds {
  pool: pg.Pool
  connectAlone: Database['connectAlone']
  clock: Clock
  bus: Bus
  log: RevocationPollerDeps['log']
  nodeId: string
  config: { revocationLeaseMs: number }
  /** of the database: runs work once the open transaction has committed */
  afterCommit: (work: () => Promise<void>) => Promise<void>
}

export interface RevocationFeature {
  revocations: RevocationPoller
  /** what this node knows: what the caches of entries look things up in */
  known: Revocations
  /** To be called in the transaction of a change that takes something away: once it has committed, every node hears of it. */
  publishRevocations: () => Promise<void>
  jobs: Job[]
  metrics: Metric[]
  close: () => Promise<void>
}

export function createRevocation({ pool, connectAlone, clock, bus, log, nodeId, config, afterCommit }: RevocationNeeds): RevocationFeature {
  const known = createRevocations({ clock, leaseMs: config.revocationLeaseMs })
  const revocations = createRevocationPoller({ store: createRevocationStore({ pool, connectAlone, nodeId }), revocations: known, bus, log })
  return {
    revocations,
    known,
    publishRevocations: () => afterCommit(revocations.pollNow),
    jobs: [{ name: 'deleting old revocations', everyMs: PRUNE_EVERY_MS, work: revocations.prune }],
    metrics: [
      { name: 'gatehouse_revocation_lease_ms', type: 'gauge', help: 'For how long this node may go on deciding from memory; 0 while the database does not answer', read: known.leaseLeftMs, together: 'min' },
      { name: 'gatehouse_revocation_seq', type: 'gauge', help: 'Number of the last revocation this node knows', read: known.cursor, together: 'min' },
      { name: 'gatehouse_revocation_tags', type: 'gauge', help: 'Revocations of the last ten minutes held in memory', read: known.size },
      { name: 'gatehouse_revocation_poll_failures_total', type: 'counter', help: 'Polls of the revocation log that failed', read: revocations.failures },
    ],
    close: revocations.close,
  }
}

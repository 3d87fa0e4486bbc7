// Usage: every decision about a known key is counted on its node, written each second, and folded into hours and days.
import type pg from 'pg'
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Metric } from '../telemetry/index.js'
import { OUTCOMES } from './usage-counts.js'
import { createUsageLedger, type UsageLedger, type UsageLedgerDeps } from './usage-ledger.js'
import { createUsageService, type UsageService, type UsageServiceDeps } from './usage-service.js'
import { createUsageStore } from './usage-store.js'

export type { ExportBody } from './usage-export.js'
export type { UsageLedger } from './usage-ledger.js'
export type { UsageService } from './usage-service.js'

const FOLD_EVERY_MS = 5_000
const PRUNE_EVERY_MS = 600_000

export interface UsageNeeds {
  pool: pg.Pool
  clock: Clock
  log: UsageLedgerDeps['log']
  nodeId: string
  config: UsageServiceDeps['config']
  audit: Pick<AuditStore, 'record'>
  transact: Transact
  mayReadOf: UsageServiceDeps['mayReadOf']
}

export interface UsageFeature {
  usage: UsageService
  usageLedger: UsageLedger
  jobs: Job[]
  metrics: Metric[]
  close: () => Promise<unknown>
}

export function createUsage({ pool, clock, log, nodeId, config, audit, transact, mayReadOf }: UsageNeeds): UsageFeature {
  const store = createUsageStore({ pool })
  const usageLedger = createUsageLedger({ store, writerId: nodeId, clock, log })
  const usage = createUsageService({
    store, clock, config, mayReadOf,
    noteExport: (caller, targetId, granularity) => transact((tx) => audit.record(tx, caller, { action: 'usage.exported', targetType: 'usage', targetId, details: { granularity } })),
  })
  return {
    usage,
    usageLedger,
    jobs: [
      { name: 'folding usage', everyMs: FOLD_EVERY_MS, lane: 'usage', work: usage.fold },
      { name: 'deleting old usage', everyMs: PRUNE_EVERY_MS, lane: 'usage', work: usage.prune },
    ],
    metrics: [
      {
        name: 'gatehouse_usage_decisions_total', type: 'counter', help: 'Decisions about known keys', labels: ['outcome'],
        read() {
          const decided = usageLedger.decided()
          return OUTCOMES.map((outcome) => [{ outcome }, decided[outcome]] as const)
        },
      },
      { name: 'gatehouse_usage_drift', type: 'gauge', help: 'Decisions of this node that are not in the ledger (yet)', read: usageLedger.drift },
    ],
    close: usageLedger.close,
  }
}

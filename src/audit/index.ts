// The audit log: who did what, in the transaction of the change; refusals folded and, in time, deleted.
import type { Job } from '../jobs/index.js'
import { expiryJob } from '../database/expiry.js'
import { type AuditStore, type AuditStoreDependencies, createAuditStore } from './audit-store.js'

export { type AuditStore, createAuditStore } from './audit-store.js'

const DAY_MS = 86_400_000
const COUNTED_EVERY_MS = 5_000

export interface AuditNeeds extends AuditStoreDependencies {
  config: { auditRefusalsKeptDays: number }
  log: { error: (details: object, message: string) => void }
}

export function createAudit({ config, log, ...deps }: AuditNeeds): { audit: AuditStore; jobs: Job[]; close: () => Promise<void> } {
  const audit = createAuditStore(deps)
  return {
    audit,
    jobs: [
      { name: 'writing counted refusals', everyMs: COUNTED_EVERY_MS, work: () => audit.writeCounted() },
      expiryJob((most) => audit.deleteRefusals(new Date(deps.clock.now() - config.auditRefusalsKeptDays * DAY_MS), most)),
    ],
    close: () => audit.writeCounted(true).catch((error: unknown) => log.error({ err: error }, 'refusals that were counted are lost')),
  }
}

// Limits: what a charge is, how it is counted (in this process, on Redis, in PostgreSQL for calendar quotas), and the namespaces' own limits.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Cursors } from '../kernel/page.js'
import type { LimitStore } from '../shared-store/shared-store.js'
import { createLimitDefinitionStore } from './limit-definition-store.js'
import { createLimitService, type LimitService, type LimitServiceDeps } from './limit-service.js'
import { createQuotaBlocks } from './quota/quota-blocks.js'
import { createQuotaCounterStore } from './quota/quota-counter-store.js'
import { createQuotaLimitStore } from './quota/quota-limit-store.js'
import { createSoundLimitStore, type SoundLimitStoreOptions } from './stores/sound-limit-store.js'

export { createSharedStore } from './assemble.js'
export { atCost, type Bound, checkLimits, forRequest, type Limit, limitMistakes, type LimitOverride, type LimitReport, limitsOfKey, limitsOfOwner, reportOf, retryAfterSeconds } from './limit-rules.js'
export type { LimitService } from './limit-service.js'
export { checkPlan, planOf } from './plan.js'

const GIVE_BACK_EVERY_MS = 1_000
// a node whose clock is slow may still count the period before
const QUOTAS_KEPT_MS = 86_400_000

export interface LimitNeeds extends Omit<LimitServiceDeps, 'store' | 'limits'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  log: SoundLimitStoreOptions['log']
  /** the shared store's: windows and buckets */
  counters: LimitStore
  liveNodes: () => number
}

export interface LimitFeature {
  limits: LimitService
  /** every kind of limit, calendar quotas included, and none that cannot be decided */
  limitStore: LimitStore
  jobs: Job[]
  close: () => Promise<void>
}

export function createLimits({ prisma, pool, cursors, log, counters, liveNodes, ...deps }: LimitNeeds): LimitFeature {
  const { clock } = deps
  const blocks = createQuotaBlocks({ store: createQuotaCounterStore({ pool }), clock, liveNodes })
  const limitStore = createSoundLimitStore({ counters: createQuotaLimitStore({ counters, blocks }), clock, log })
  return {
    limits: createLimitService({ ...deps, store: createLimitDefinitionStore({ prisma, pool, cursors }), limits: limitStore }),
    limitStore,
    jobs: [
      { name: 'giving back unused quota', everyMs: GIVE_BACK_EVERY_MS, work: () => blocks.giveBack() },
      tableExpiry(pool, { table: 'quota_counters', where: 'ends_at < $1', before: () => clock.now() - QUOTAS_KEPT_MS }),
    ],
    close: () => blocks.giveBack(true),
  }
}

// Who is this, and may they proceed: a credential becomes a verdict, from memory where it is known, from PostgreSQL where it is not.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { Job } from '../jobs/index.js'
import type { Revocations } from '../revocation/index.js'
import type { Metric } from '../telemetry/index.js'
import { type Authorizer, type AuthorizerDeps, createAuthorizer } from './authorizer.js'
import { createCredentialStore } from './credential-store.js'
import { createDecisionCache, type DecisionCache } from './decision-cache.js'
import { createExhaustedLimits } from './exhausted-limits.js'
import { createExhaustionStore } from './exhaustion-store.js'
import { createLastUsed, type LastUsedDeps } from './last-used.js'

export type { Authorizer } from './authorizer.js'
export { type Credential, findCredential } from './credential.js'
export type { DecisionCache } from './decision-cache.js'
export { TELLING_LIMITS } from './exhausted-limits.js'
export type { KeyEntry } from './entry.js'
export type { Decision, MaybePromise, Verification, Wanted } from './verification.js'

export interface DecisionNeeds extends Omit<AuthorizerDeps, 'store' | 'cache' | 'lastUsed' | 'exhausted' | 'config'> {
  pool: pg.Pool
  log: LastUsedDeps['log']
  known: Revocations
  /** renews the lease that memory may be decided from */
  restore: () => Promise<void>
  config: AuthorizerDeps['config'] & { decisionCacheEntries: number; decisionCacheBytes: number }
}

export interface DecisionFeature {
  authorizer: Authorizer
  decisionCache: DecisionCache
  jobs: Job[]
  metrics: Metric[]
  close: () => Promise<void>
}

export function createDecisions({ pool, log, known, restore, config, ...deps }: DecisionNeeds): DecisionFeature {
  const store = createCredentialStore({ pool })
  const lastUsed = createLastUsed({ store, clock: deps.clock, log })
  const cache = createDecisionCache({ revocations: known, restore, maxEntries: config.decisionCacheEntries, maxBytes: config.decisionCacheBytes })
  const exhausted = createExhaustedLimits({ store: createExhaustionStore({ pool }), clock: deps.clock })
  return {
    authorizer: createAuthorizer({ ...deps, store, cache, lastUsed, exhausted, config }),
    decisionCache: cache,
    jobs: [exhausted.job, tableExpiry(pool, { table: 'limit_exhaustions', where: 'until <= $1', before: () => deps.clock.now() })],
    metrics: [
      { name: 'gatehouse_decision_cache_entries', type: 'gauge', help: 'Credentials whose decision is kept in memory', read: cache.entries },
      { name: 'gatehouse_decision_cache_bytes', type: 'gauge', help: 'Memory they take, estimated', read: cache.bytes },
      { name: 'gatehouse_decision_cache_hits_total', type: 'counter', help: 'Credentials found in memory', read: cache.hits },
      { name: 'gatehouse_decision_cache_misses_total', type: 'counter', help: 'Credentials read from the database', read: cache.misses },
    ],
    close: lastUsed.close,
  }
}

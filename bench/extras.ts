// All rows beside the scenarios, in the order in which they are measured.
import { measureBatch } from './batch.js'
import { measureFloors } from './floors.js'
import { measureImport } from './import.js'
import { measureLatency } from './latency.js'
import { measureLists } from './lists.js'
import { measureGrowth, measureMemory } from './memory-row.js'
import { measureMfa } from './mfa.js'
import { measureNginx } from './nginx.js'
import { OAUTH_ROWS } from './oauth.js'
import { measureRedis } from './redis.js'
import { measureRevocation } from './revocation.js'
import type { Extra } from './rows.js'
import { measureStreams } from './streams.js'
import { measureWebhooks } from './webhooks.js'
import { measureWorkers } from './workers.js'

export const EXTRAS: readonly Extra[] = [
  { name: 'floors', measure: measureFloors },
  { name: 'batch', measure: measureBatch },
  { name: 'lists', measure: measureLists },
  { name: 'redis', measure: measureRedis },
  { name: 'workers', measure: measureWorkers },
  { name: 'nginx', measure: measureNginx },
  ...OAUTH_ROWS,
  { name: 'revocation', measure: measureRevocation },
  { name: 'memory', measure: measureMemory },
  { name: 'growth', measure: measureGrowth },
  { name: 'streams', measure: measureStreams },
  { name: 'webhooks', measure: measureWebhooks },
  { name: 'import', measure: measureImport },
  { name: 'mfa', measure: measureMfa },
  { name: 'latency', needsKeys: true, measure: measureLatency },
]

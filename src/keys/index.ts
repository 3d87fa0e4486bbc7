// API keys: made, sold, changed, rotated, revoked one by one or by the thousand. What a key opens is decided in decisions/.
import type pg from 'pg'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Cursors } from '../kernel/page.js'
import { createKeyBatches, type KeyBatches } from './key-batch-service.js'
import { createKeyBatchStore } from './key-batch-store.js'
import { createKeyChangeService, type KeyChangeService } from './key-change-service.js'
import { createKeyService, type KeyService, type KeyServiceDeps } from './key-service.js'
import { createKeyStore } from './key-store.js'
import { createKeySweepService, type KeySweepService } from './key-sweep-service.js'
import { createKeySweepStore } from './key-sweep-store.js'

export { adoptKeys } from './key-adoption.js'
export type { BroughtKey, KeyBatches, KeyDraft } from './key-batch-service.js'
export type { ExistingKey } from './key-batch-store.js'
export type { KeyView } from './key-view.js'
export type { KeyChangeService } from './key-change-service.js'
export { checksumOk } from './key-format.js'
export type { KeyLimit, Metadata } from './key-rules.js'
export type { KeyService } from './key-service.js'
export type { KeySweepService } from './key-sweep-service.js'

const SWEEP_EVERY_MS = 1_000
const PRUNE_EVERY_MS = 3_600_000

export interface KeyNeeds extends Omit<KeyServiceDeps, 'store' | 'sweeps' | 'caps' | 'keyPrefix'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  config: { keyPrefix: string; keysPerOwner: number; soldKeysPerOwner: number }
}

export interface KeyFeature {
  keys: KeyService
  keyBatches: KeyBatches
  keyChanges: KeyChangeService
  keySweeps: KeySweepService
  jobs: Job[]
}

export function createKeys({ prisma, pool, cursors, config, ...deps }: KeyNeeds): KeyFeature {
  const keySweeps = createKeySweepService({ ...deps, store: createKeySweepStore({ prisma }) })
  const all = {
    ...deps, store: createKeyStore({ pool, cursors }), sweeps: keySweeps, keyPrefix: config.keyPrefix,
    caps: { own: config.keysPerOwner, sold: config.soldKeysPerOwner },
  }
  return {
    keys: createKeyService(all),
    keyBatches: createKeyBatches({ ...all, store: createKeyBatchStore({ prisma }) }),
    keyChanges: createKeyChangeService(all),
    keySweeps,
    // what was not finished in its request goes on, on whichever node gets to it first
    jobs: [
      { name: 'ending keys', everyMs: SWEEP_EVERY_MS, lane: 'key sweeps', work: keySweeps.runPending },
      { name: 'deleting old sweeps', everyMs: PRUNE_EVERY_MS, lane: 'key sweeps', work: keySweeps.prune },
    ],
  }
}

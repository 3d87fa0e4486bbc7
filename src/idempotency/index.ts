// Idempotency-Key: a request's effect and its stored answer commit together, and a repeat gets the answer again for a day.
import type pg from 'pg'
import type { Transact } from '../database/transaction.js'
import { tableExpiry } from '../database/expiry.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'
import { createIdempotencyService, type IdempotencyService } from './idempotency-service.js'
import { createIdempotencyStore } from './idempotency-store.js'

export type { IdempotencyService } from './idempotency-service.js'

export interface IdempotencyNeeds {
  pool: pg.Pool
  secrets: Secrets
  transact: Transact
  clock: Clock
}

export function createIdempotency({ pool, secrets, transact, clock }: IdempotencyNeeds): { idempotency: IdempotencyService; jobs: Job[] } {
  return {
    idempotency: createIdempotencyService({ store: createIdempotencyStore({ secrets }), secrets, transact, clock }),
    jobs: [tableExpiry(pool, { table: 'idempotency_records', where: 'expires_at <= $1', before: clock.now })],
  }
}

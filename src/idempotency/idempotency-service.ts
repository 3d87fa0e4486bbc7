// At most one effect for an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the effect and the stored answer
// commit in one transaction, so a crash leaves both or neither. Errors are not stored: the request may be tried again.
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Secrets } from '../kernel/secrets.js'
import type { IdempotencyStore } from './idempotency-store.js'

const FINGERPRINT = 'idempotency-fingerprint'
const KEPT_MS = 24 * 3_600_000

export interface IdempotentRequest {
  /** whose key it is: keys of different callers never meet */
  scope: string
  key: string
  /** method, path and body: the same key must come with the same request */
  request: string
  status: number
}

export interface IdempotencyService {
  /**
   * Runs `work` and stores its answer, or gives the stored one (`replayed`). Transactions inside `work` join this one.
   * Throws idempotency.in_flight while another request with the key runs, idempotency.mismatch for another request.
   */
  perform: <T extends object>(request: IdempotentRequest, work: () => Promise<T>) => Promise<{ status: number; answer: T; replayed: boolean }>
}

export interface IdempotencyDependencies {
  store: IdempotencyStore
  secrets: Secrets
  transact: Transact
  clock: Clock
}

export function createIdempotencyService({ store, secrets, transact, clock }: IdempotencyDependencies): IdempotencyService {
  return {
    perform: <T extends object>({ scope, key, request, status }: IdempotentRequest, work: () => Promise<T>) => transact(async (tx) => {
      // keyed: a body may hold a password, and a plain hash of one could be searched for
      const fingerprint = secrets.mac(FINGERPRINT, request)
      if (!(await store.claim(tx, scope, key))) throw problem('idempotency.in_flight', { retryAfterSeconds: 1 })
      const stored = await store.find(tx, scope, key, new Date(clock.now()))
      if (stored) {
        if (!secrets.isMac(FINGERPRINT, request, stored.fingerprint)) throw problem('idempotency.mismatch')
        return { status: stored.status, answer: JSON.parse(stored.answer) as T, replayed: true }
      }
      const answer = await work()
      await store.insert(tx, scope, key, { fingerprint, status, answer: JSON.stringify(answer) }, new Date(clock.now() + KEPT_MS))
      return { status, answer, replayed: false }
    }),
  }
}

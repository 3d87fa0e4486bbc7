// A sign-in that waits for a second factor: what was proven first is kept with it, and its token opens nothing but the way to prove the second. It
// lives five minutes and takes five tries, each counted before anything is looked at. Whatever ends an account's sessions ends it.
import { randomBytes } from 'node:crypto'
import type { Along, Tx } from '../database/transaction.js'
import type { Proof } from '../kernel/assurance.js'
import type { Clock } from '../kernel/clock.js'
import { newId } from '../kernel/ids.js'
import { sha256 } from '../kernel/secrets.js'
import type { ChallengeRow, ChallengeStore } from './challenge-store.js'
import type { SessionKind } from './session-store.js'

export const CHALLENGE_SECONDS = 300
const MOST_TRIES = 5
// whoever knows the password makes no more rows than these
const MOST_WAITING = 20
const FORM = /^gc_[A-Za-z0-9_-]{43}$/

export interface Challenging {
  /** answered once; only its hash is kept */
  token: string
  /** seconds */
  expiresIn: number
  along: Along
}

export interface ChallengeService {
  /** As it is written by the statement that has found the first factor right. */
  begin: (userId: string, kind: SessionKind, proof: Proof) => Challenging
  /** What a token waits for, and one of its tries less; null for one that is wrong, used, expired, ended, or out of tries. Never in another transaction. */
  takeTry: (token: string) => Promise<ChallengeRow | null>
  /** The same without taking a try. */
  find: (token: string) => Promise<ChallengeRow | null>
  /** Uses it up. Did we win? */
  consume: (tx: Tx, id: string) => Promise<boolean>
  /** Ends what waits for a user; how many. */
  endAll: (tx: Tx, userId: string) => Promise<number>
}

export function createChallengeService({ store, clock }: { store: ChallengeStore; clock: Clock }): ChallengeService {
  const now = (): Date => new Date(clock.now())
  return {
    begin(userId, kind, { amr }) {
      const token = `gc_${randomBytes(32).toString('base64url')}`
      const createdAt = now()
      const expiresAt = new Date(createdAt.getTime() + CHALLENGE_SECONDS * 1_000)
      return { token, expiresIn: CHALLENGE_SECONDS, along: store.inserting({ id: newId(), userId, kind, amr, tokenHash: sha256(token), createdAt, expiresAt }, MOST_WAITING) }
    },
    takeTry: async (token) => (FORM.test(token) ? store.takeTry(sha256(token), now(), MOST_TRIES) : null),
    find: async (token) => (FORM.test(token) ? store.find(sha256(token), now(), MOST_TRIES) : null),
    consume: (tx, id) => store.consume(tx, id, now()),
    endAll: store.deleteAll,
  }
}

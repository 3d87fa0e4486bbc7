// What the authorizer answers to those who ask about a credential. Types, and the pure making of answers.
import type { Metadata } from '../keys/index.js'
import { atCost, type Bound, type LimitOverride, type LimitReport, reportOf, retryAfterSeconds } from '../limits/index.js'
import type { LimitCharge, LimitDecision, LimitStore } from '../shared-store/shared-store.js'
import type { Held } from './decision-cache.js'
import type { KeyEntry, KeyVerdict, PreparedAnswer } from './entry.js'
import type { Principal } from '../kernel/principal.js'

export type VerificationCode = KeyVerdict | 'not_found' | 'rate_limited'

/** What POST /keys/verify answers. A valid key shows what is known of it; a refused one only why. */
export interface Verification {
  valid: boolean
  code: VerificationCode
  keyId?: string
  name?: string
  owner?: { type: 'user' | 'organization'; id: string }
  permissions?: string[]
  metadata?: Metadata
  expiresAt?: string | null
  limits?: LimitReport[]
  /** null: no waiting helps, the cost is above a quota */
  retryAfterSeconds?: number | null
  /** of a valid key's entry; no schema names it, so no client sees it */
  answer?: PreparedAnswer
}

export interface VerifyInput {
  key: string
  permissions?: readonly string[]
  cost?: number
  /** change the key's limits for this request; the caller must be allowed to */
  limits?: readonly LimitOverride[]
  /** charges and counts nothing */
  dryRun?: boolean
  /** where the request comes from; a key that may be used from some places only is forbidden without it */
  address?: string
}

/** What a gateway wants of a request's credential. */
export interface Wanted {
  permissions?: readonly string[]
  /** of an OAuth client's token: the one it was issued for. Without it none of these will do, with it nothing else */
  audience?: string
  /** all of which such a token must have */
  scopes?: readonly string[]
  /** charged together with the key's and its owner's limits: all or none. A function gives each principal a list of its own, the same one every time */
  charges?: readonly LimitCharge[] | ((principal: Principal, key: KeyEntry | null) => readonly LimitCharge[])
  /** for those of the key and its owner */
  cost?: number
  /** are the limits of the key and of its owner (of a session: its user) charged? Default: yes */
  keyLimits?: boolean
  dryRun?: boolean
}

export type DenialCode = 'invalid' | 'expired' | 'revoked' | 'owner_suspended' | 'forbidden' | 'insufficient_scope' | 'rate_limited'

export type Decision =
  | { allowed: true; principal: Principal; limits: LimitReport[] }
  | { allowed: false; code: DenialCode; principal?: Principal; limits?: LimitReport[]; retryAfterSeconds?: number | null }

/** A value that may be at hand already. */
export type MaybePromise<T> = T | Promise<T>

export function refused(code: VerificationCode): Verification {
  return { valid: false, code }
}

export function overLimit(limits: LimitReport[], { retryAfterMs }: LimitDecision) {
  return { code: 'rate_limited' as const, limits, retryAfterSeconds: retryAfterSeconds(retryAfterMs) }
}

export function described(entry: KeyEntry, limits: LimitReport[]): Verification {
  return {
    valid: true, code: 'valid', keyId: entry.keyId, name: entry.name, owner: { type: entry.isOrganizations ? 'organization' : 'user', id: entry.ownerId }, permissions: entry.permissions, metadata: entry.metadata,
    expiresAt: entry.expiresAt, limits, answer: entry.answer,
  }
}

const NO_LIMITS: Bound = { limits: [], charges: [] }
/** What was bound for charges that are made once for each principal: the same list means the same key. */
const made = new WeakMap<readonly LimitCharge[], Bound>()

/** All that a gateway's request is charged. A limit of the gateway's is named after the first part of its counter. */
export function boundOf({ key: entry, session, token, principal }: Pick<Held, 'key' | 'session' | 'token' | 'principal'>, { charges, cost = 1, keyLimits = true }: Wanted): Bound {
  const more = typeof charges === 'function' ? charges(principal, entry) : charges
  const known = more && cost === 1 ? made.get(more) : undefined
  if (known) return known
  const own = keyLimits ? atCost(entry?.bound ?? session?.bound ?? token?.bound ?? NO_LIMITS, cost) : NO_LIMITS
  if (more === undefined || more.length === 0) return own
  const bound = {
    limits: [...own.limits, ...more.map(({ key, quota }) => ({ name: key.slice(0, key.indexOf(':')), quota }))],
    charges: [...own.charges, ...more],
  }
  if (typeof charges === 'function' && cost === 1) made.set(more, bound)
  return bound
}

/** Charges what is bound, all of it or nothing, and reports on it. Null when nothing is. */
export function charge<R>(store: LimitStore, bound: Bound, dryRun: boolean, next: (reports: LimitReport[], refusal: LimitDecision | null) => R): MaybePromise<R> {
  if (bound.charges.length === 0) return next([], null)
  const report = (taken: LimitDecision): R => next(reportOf(bound, taken.states, store.guarantee), taken.allowed ? null : taken)
  const taken = store.take(bound.charges, dryRun)
  return taken instanceof Promise ? taken.then(report) : report(taken)
}

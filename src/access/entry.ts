// A credential as it was found (status facts, no judgement), and the pure decisions over it. Resolving may be slow or
// cached; deciding is a function of entry, time and what is wanted, so a cached entry is judged anew every time.
import type { Metadata } from '../keys/key-rules.js'
import { type Bound, type Limit, limitsOfKey } from '../limits/limit-rules.js'
import type { Found } from './decision-cache.js'
import { createShare } from '../kernel/shared.js'
import { holds, type Principal } from './principal.js'

/** A key as it stands in the database. */
export interface KeyFacts {
  keyId: string
  ownerUserId: string
  ownerActive: boolean
  name: string
  permissions: string[]
  metadata: Metadata
  revoked: boolean
  /** null: never */
  expiresAtMs: number | null
  limitGroupId: string
  limits: readonly Limit[]
  /** those that all keys of the owner share */
  ownerLimits: readonly Limit[]
}

/** With what every answer needs, worked out once. */
export interface KeyEntry extends Omit<KeyFacts, 'limits' | 'ownerLimits'> {
  /** ISO 8601 */
  expiresAt: string | null
  /** all limits, as charges of cost 1 */
  bound: Bound
  /** where plugins/verification.ts keeps what it wrote of this entry: the entry's own, so that it goes with it */
  answer: PreparedAnswer
}

/** The part of an answer that is the same as long as its entry is. */
export interface PreparedAnswer {
  /** empty until it is first asked for */
  text: string
}

export interface SessionEntry {
  sessionId: string
  userId: string
  userActive: boolean
  permissions: readonly string[]
  roles: readonly string[]
  ended: boolean
  expiresAtMs: number
  lastSeenAtMs: number
}

/** An entry and the last revocation that its snapshot of the database held. */
export interface Snapshot<T> {
  entry: T
  asOf: number
}

/** Where entries come from. */
export interface CredentialSource {
  keyByHash: (hash: Buffer) => Promise<Snapshot<KeyFacts> | null>
  /** only sessions of access tokens */
  sessionById: (id: string) => Promise<Snapshot<SessionEntry> | null>
  /** only cookie sessions */
  sessionBySecretHash: (hash: Buffer) => Promise<Snapshot<SessionEntry> | null>
}

export type KeyVerdict = 'valid' | 'revoked' | 'expired' | 'owner_suspended' | 'forbidden'
export type SessionVerdict = Exclude<KeyVerdict, 'forbidden'>

function holdsAll(held: readonly string[], wanted: readonly string[]): boolean {
  for (const permission of wanted) {
    if (!holds(held, permission)) return false
  }
  return true
}

/** Facts about the key first, then about its owner, then what was asked for: the first that fails is the answer. */
export function decideKey(entry: Pick<KeyFacts, 'revoked' | 'expiresAtMs' | 'ownerActive' | 'permissions'>, nowMs: number, wanted: readonly string[]): KeyVerdict {
  if (entry.revoked) return 'revoked'
  if (entry.expiresAtMs !== null && entry.expiresAtMs <= nowMs) return 'expired'
  if (!entry.ownerActive) return 'owner_suspended'
  return holdsAll(entry.permissions, wanted) ? 'valid' : 'forbidden'
}

/** Ended, past its absolute end or unused for too long, of a suspended user: the first that holds is the answer. */
export function decideSession(entry: SessionEntry, nowMs: number, idleMs: number): SessionVerdict {
  if (entry.ended) return 'revoked'
  if (entry.expiresAtMs <= nowMs || entry.lastSeenAtMs + idleMs <= nowMs) return 'expired'
  return entry.userActive ? 'valid' : 'owner_suspended'
}

// keys of one plan have the same limits and metadata, and most keys one of a few sets of permissions
const share = createShare()

/** A key's principal and the conditions under which its entry may be kept. */
export function foundKey({ entry, asOf }: Snapshot<KeyFacts>): Found {
  const { keyId, ownerUserId, expiresAtMs } = entry
  const permissions = share(entry.permissions)
  const limitGroupId = entry.limitGroupId === keyId ? keyId : entry.limitGroupId
  // property by property, here and in the cache: a copied object takes twice the memory
  const key: KeyEntry = {
    keyId, ownerUserId, ownerActive: entry.ownerActive, name: entry.name, permissions, metadata: share(entry.metadata), revoked: entry.revoked, expiresAtMs,
    limitGroupId, expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(), bound: limitsOfKey({ ownerUserId, limitGroupId, limits: share(entry.limits), ownerLimits: share(entry.ownerLimits) }),
    answer: { text: '' },
  }
  const principal: Principal = Object.freeze({ type: 'key', id: ownerUserId, keyId, permissions, authenticatedBy: 'key' })
  const endsAtMs = entry.revoked || !entry.ownerActive ? 0 : (expiresAtMs ?? Infinity)
  return { key, session: null, principal, ids: [keyId, ownerUserId], asOf, endsAtMs }
}

/** The same for a session; `notAfterMs` is the end of the token that stands for it. */
export function foundSession({ entry, asOf }: Snapshot<SessionEntry>, authenticatedBy: 'token' | 'cookie', idleMs: number, notAfterMs = Infinity): Found {
  const { userId, sessionId, permissions, roles } = entry
  const principal: Principal = Object.freeze({ type: 'user', id: userId, sessionId, permissions, authenticatedBy })
  const endsAtMs = entry.ended || !entry.userActive ? 0 : Math.min(entry.expiresAtMs, entry.lastSeenAtMs + idleMs, notAfterMs)
  return { key: null, session: entry, principal, ids: [sessionId, userId, ...roles], asOf, endsAtMs }
}

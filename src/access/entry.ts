// A credential as it was found (status facts, no judgement), and the pure decisions over it. Resolving may be slow or
// cached; deciding is a function of entry, time and what is wanted, so a cached entry is judged anew every time.
import type { KeyLimit, Metadata } from '../keys/key-rules.js'
import type { LimitCharge } from '../redis/fast.js'
import { holds, type Principal } from './principal.js'

export interface KeyEntry {
  keyId: string
  ownerUserId: string
  ownerActive: boolean
  name: string
  permissions: string[]
  metadata: Metadata
  revoked: boolean
  /** null: never */
  expiresAtMs: number | null
  limits: readonly KeyLimit[]
  /** the limits as charges of cost 1; rotated keys share their counters */
  charges: readonly LimitCharge[]
}

export interface SessionEntry {
  sessionId: string
  userId: string
  userActive: boolean
  permissions: readonly string[]
  ended: boolean
  expiresAtMs: number
  lastSeenAtMs: number
}

/** Where entries come from: PostgreSQL, or what stands in front of it. */
export interface CredentialSource {
  keyByHash: (hash: Buffer) => Promise<KeyEntry | null>
  /** only sessions of access tokens */
  sessionById: (id: string) => Promise<SessionEntry | null>
  /** only cookie sessions */
  sessionBySecretHash: (hash: Buffer) => Promise<SessionEntry | null>
}

export type KeyVerdict = 'valid' | 'revoked' | 'expired' | 'owner_suspended' | 'forbidden'

/** Charges of a key's limits. The braces keep a key's counters in one Redis slot. */
export function chargesOf(limitGroupId: string, limits: readonly KeyLimit[]): LimitCharge[] {
  return limits.map(({ name, quota, windowSeconds }) => ({ key: `key:{${limitGroupId}}:${name}`, quota, windowMs: windowSeconds * 1000, cost: 1 }))
}

/** Facts about the key first, then about its owner, then what was asked for: the first that fails is the answer. */
export function decideKey(entry: KeyEntry, nowMs: number, wanted: readonly string[]): KeyVerdict {
  if (entry.revoked) return 'revoked'
  if (entry.expiresAtMs !== null && entry.expiresAtMs <= nowMs) return 'expired'
  if (!entry.ownerActive) return 'owner_suspended'
  return wanted.every((permission) => holds(entry.permissions, permission)) ? 'valid' : 'forbidden'
}

/** Ended, past its absolute end, unused for too long, or of a suspended user: all the same to who presents it. */
export function sessionAlive(entry: SessionEntry, nowMs: number, idleMs: number): boolean {
  return !entry.ended && entry.userActive && entry.expiresAtMs > nowMs && entry.lastSeenAtMs + idleMs > nowMs
}

export function keyPrincipal({ ownerUserId, keyId, permissions }: KeyEntry): Principal {
  return { type: 'key', id: ownerUserId, keyId, permissions, authenticatedBy: 'key' }
}

export function sessionPrincipal({ userId, sessionId, permissions }: SessionEntry, authenticatedBy: 'token' | 'cookie'): Principal {
  return { type: 'user', id: userId, sessionId, permissions, authenticatedBy }
}

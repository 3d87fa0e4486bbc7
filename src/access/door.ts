// The one door: every route's authenticate and POST /keys/verify come through it. Each call resolves a credential to an
// entry (one read) and then decides, purely. It fails closed: a source that throws admits nobody.
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { sha256 } from '../kernel/secrets.js'
import { checksumOk } from '../keys/key-format.js'
import type { KeyLimit, Metadata } from '../keys/key-rules.js'
import type { LimitState, LimitStore } from '../redis/fast.js'
import type { UsageLedger } from '../usage/usage-ledger.js'
import type { Credential } from './credential.js'
import type { EndedSet } from './ended.js'
import { type CredentialSource, decideKey, type KeyEntry, keyPrincipal, type KeyVerdict, sessionAlive, type SessionEntry, sessionPrincipal } from './entry.js'
import type { Principal } from './principal.js'
import type { Touches } from './touches.js'

export type VerificationCode = KeyVerdict | 'not_found' | 'rate_limited'

export interface LimitReport {
  name: string
  quota: number
  remaining: number
  resetSeconds: number
}

/** What POST /keys/verify answers. A valid key shows what is known of it; a refused one only why. */
export interface Verification {
  valid: boolean
  code: VerificationCode
  keyId?: string
  name?: string
  owner?: { type: 'user'; id: string }
  permissions?: string[]
  metadata?: Metadata
  expiresAt?: string | null
  limits?: LimitReport[]
  /** null: no waiting helps, the cost is above a quota */
  retryAfterSeconds?: number | null
}

export interface VerifyInput {
  key: string
  permissions?: readonly string[]
  cost?: number
}

export interface Door {
  authenticate: (credential: Credential) => Promise<Principal>
  verify: (input: VerifyInput) => Promise<Verification>
}

export interface DoorDeps {
  store: CredentialSource
  /** the claims of an access token; throws token.invalid and token.expired */
  tokens: { verify: (token: string) => Promise<{ userId: string; sessionId: string }> }
  /** the hash under which a cookie's session is kept; null for a value that was not signed here */
  readCookie: (value: string) => Buffer | null
  limits: LimitStore
  touches: Touches
  /** told of each answered question about a known key */
  usage?: Pick<UsageLedger, 'record'>
  ended: EndedSet
  clock: Clock
  config: { sessionIdleSeconds: number }
}

const NOTHING: readonly string[] = []
const WHY: Record<Exclude<KeyVerdict, 'valid' | 'forbidden'>, string> = {
  revoked: 'It has been revoked',
  expired: 'It has expired',
  owner_suspended: 'The account it belongs to is suspended',
}

function refused(code: VerificationCode): Verification {
  return { valid: false, code }
}

function reportOf(limits: readonly KeyLimit[], states: readonly LimitState[]): LimitReport[] {
  return limits.map(({ name, quota }, at) => {
    const { remaining = 0, resetMs = 0 } = states[at] ?? {}
    return { name, quota, remaining, resetSeconds: Math.ceil(resetMs / 1000) }
  })
}

function described(entry: KeyEntry, limits: LimitReport[]): Verification {
  return {
    valid: true, code: 'valid', keyId: entry.keyId, name: entry.name, owner: { type: 'user', id: entry.ownerUserId }, permissions: entry.permissions,
    metadata: entry.metadata, expiresAt: entry.expiresAtMs === null ? null : new Date(entry.expiresAtMs).toISOString(), limits,
  }
}

export function createDoor({ store, tokens, readCookie, limits, touches, usage, ended, clock, config }: DoorDeps): Door {
  const idleMs = config.sessionIdleSeconds * 1000

  /** A mistyped key costs no read. */
  async function resolveKey(key: string): Promise<KeyEntry | null> {
    return checksumOk(key) ? store.keyByHash(sha256(key)) : null
  }

  function judge(entry: KeyEntry, wanted: readonly string[]): KeyVerdict {
    return ended.has(`key:${entry.keyId}`) ? 'revoked' : decideKey(entry, clock.now(), wanted)
  }

  async function byKey(key: string): Promise<Principal> {
    const entry = await resolveKey(key)
    if (!entry) throw problem('key.invalid')
    const verdict = judge(entry, NOTHING)
    // whoever holds the key may know why it fails; who guesses learns nothing
    if (verdict !== 'valid') throw problem('key.invalid', verdict === 'forbidden' ? {} : { detail: WHY[verdict] })
    touches.key(entry.keyId)
    return keyPrincipal(entry)
  }

  function admit(entry: SessionEntry | null, by: 'token' | 'cookie'): Principal {
    if (!entry || ended.has(`session:${entry.sessionId}`) || !sessionAlive(entry, clock.now(), idleMs)) throw problem('session.invalid')
    touches.session(entry.sessionId)
    return sessionPrincipal(entry, by)
  }

  async function byToken(token: string): Promise<Principal> {
    const { userId, sessionId } = await tokens.verify(token)
    if (ended.has(`session:${sessionId}`)) throw problem('session.invalid')
    const entry = await store.sessionById(sessionId)
    return admit(entry?.userId === userId ? entry : null, 'token')
  }

  return {
    /**
     * Who presents this credential. Charges no limit. Throws key.invalid, session.invalid, token.invalid, token.expired.
     */
    async authenticate({ kind, value }) {
      if (kind === 'key') return byKey(value)
      if (kind === 'token') return byToken(value)
      const hash = readCookie(value)
      return admit(hash && await store.sessionBySecretHash(hash), 'cookie')
    },

    /**
     * May the holder of this key do this, now? The first check that fails is the answer: not_found (also a mistyped key),
     * revoked, expired, owner_suspended, forbidden, rate_limited. Limits are charged last, so a refused request costs nothing.
     */
    async verify({ key, permissions = NOTHING, cost = 1 }) {
      const entry = await resolveKey(key)
      if (!entry) return refused('not_found')
      const verdict = judge(entry, permissions)
      if (verdict !== 'valid') {
        usage?.record(entry.keyId, entry.ownerUserId, verdict, cost)
        return refused(verdict)
      }
      let report: LimitReport[] = []
      if (entry.charges.length > 0) {
        const { allowed, states, retryAfterMs } = await limits.take(cost === 1 ? entry.charges : entry.charges.map((charge) => ({ ...charge, cost })))
        report = reportOf(entry.limits, states)
        if (!allowed) {
          usage?.record(entry.keyId, entry.ownerUserId, 'rate_limited', cost)
          const retryAfterSeconds = Number.isFinite(retryAfterMs) ? Math.ceil(retryAfterMs / 1000) : null
          return { valid: false, code: 'rate_limited', limits: report, retryAfterSeconds }
        }
      }
      touches.key(entry.keyId)
      usage?.record(entry.keyId, entry.ownerUserId, 'allowed', cost)
      return described(entry, report)
    },
  }
}

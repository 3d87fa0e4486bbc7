// Credentials that were found good, kept in memory for as long as rule R3 of docs/decision-engine.md allows. It admits nobody
// by itself and refuses nobody: what it does not hold, or may not use, is read anew, once for all who ask at that moment.
import { LRUCache } from 'lru-cache'
import { problem } from '../kernel/errors.js'
import type { TokenEntry } from './client-token-entry.js'
import type { KeyEntry, SessionEntry } from './entry.js'
import type { Credential } from './credential.js'
import type { Principal } from '../kernel/principal.js'
import type { Moment, Reading, Revocations } from '../revocation/index.js'
import { withDeadline } from '../kernel/timers.js'

/** `person`: somebody who is asked about, without a credential */
export type CredentialKind = Credential['kind'] | 'person'

/** A credential as it was read. `key` is set for an API key, `session` for what a session stands behind, `token` for an access token of an OAuth client. */
export interface Found {
  key: KeyEntry | null
  session: SessionEntry | null
  token?: TokenEntry
  principal: Principal
  ids: readonly string[]
  asOf: number
  /** ms since 1970 from which it opens nothing, as far as this reading knows; 0: it opens nothing now. Never null: a credential without an end has Infinity */
  endsAtMs: number
}

/** A credential in the cache, or just read. */
export interface Held extends Found, Reading {
  kind: CredentialKind
}

export interface DecisionCache {
  /** The moment that `find` is to be asked about. */
  now: () => Moment
  /** What is held under a hash and may be used at a moment that has just been taken, else null: then `read`. Synchronous. */
  find: (kind: CredentialKind, hash: string, at?: Moment) => Held | null
  /**
   * What stands under a hash: the held one when the log can be heard again, else what `load` reads, which is then proof by
   * itself. Null: there is nothing. Throws what `load` throws, and database.unavailable when no answer comes in time.
   */
  read: (kind: CredentialKind, hash: string, load: () => Promise<Found | null>) => Promise<Held | null>
  /** Is something that was just read still proof by itself? */
  isProof: (held: Held) => boolean
  entries: () => number
  bytes: () => number
  hits: () => number
  misses: () => number
}

export interface DecisionCacheDeps {
  revocations: Revocations
  /** Polls the log, together with all who wait for it; resolves within half a second, whatever comes of it. */
  restore: () => Promise<void>
  maxEntries: number
  maxBytes: number
  /** rejects after `ms`; tests pass their own time */
  deadline?: <T>(work: Promise<T>, ms: number) => Promise<T>
}

// an answer that comes later helps nobody: who waits gets 503 and comes back
const READ_DEADLINE_MS = 2_000
const ATTEMPTS = 3
// measured: the objects, their place in the list, the hash and two ids
const BASE_BYTES = 720

function bytesOf({ key, session, token, principal }: Held): number {
  const texts = principal.permissions.reduce((sum, text) => sum + text.length + 24, 0) + (token ? token.scopes.reduce((sum, text) => sum + text.length + 24, 300 + token.audience.length + 220 * (token.bound?.charges.length ?? 0)) : 0)
  if (session) return BASE_BYTES + texts + 220 * (session.bound?.charges.length ?? 0)
  return BASE_BYTES + texts + (key === null ? 0 : key.name.length + 220 * key.bound.charges.length + 2 * JSON.stringify(key.metadata).length)
}

export function createDecisionCache({ revocations, restore, maxEntries, maxBytes, deadline = withDeadline }: DecisionCacheDeps): DecisionCache {
  const cache = new LRUCache<string, Held>({ max: maxEntries, maxSize: maxBytes, sizeCalculation: bytesOf })
  const reading = new Map<string, Promise<Held | null>>()
  let hits = 0
  let misses = 0
  revocations.onForget(() => cache.clear())

  function usable(kind: CredentialKind, hash: string, at: Moment): Held | null {
    const held = cache.get(hash)
    if (held === undefined || held.kind !== kind) return null
    if (!revocations.isLeased(at)) return null
    // what time has ended is read anew: it may have been prolonged, or used on another node
    if (at.wallMs < held.endsAtMs && revocations.isCurrent(held, at)) return held
    cache.delete(hash)
    return null
  }

  /** Reads until the answer is proof: asked for less than a lease ago, and not overtaken by a revocation that is known here. */
  async function load(kind: CredentialKind, hash: string, source: () => Promise<Found | null>): Promise<Held | null> {
    let wasOutdated = false
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const askedAt = revocations.now()
      const epoch = revocations.epoch()
      const found = await source()
      if (!revocations.isFresh(askedAt)) continue
      if (!found) return null
      const held: Held = {
        kind, key: found.key, session: found.session, principal: found.principal, ids: found.ids, asOf: found.asOf, endsAtMs: found.endsAtMs,
        // a whole number takes no memory of its own; rounded down, the reading is no younger than it is
        steadyMs: Math.floor(askedAt.steadyMs), wallMs: askedAt.wallMs, checkedVersion: -1, ...(found.token ? { token: found.token } : {}),
      }
      const isOutdated = revocations.epoch() !== epoch || revocations.isOutdated(held)
      if (isOutdated && !wasOutdated) {
        wasOutdated = true
        continue
      }
      // asked after the revocation was known and still older than it: proof for now, as any fresh reading, but not to be kept
      if (!isOutdated && held.endsAtMs > revocations.now().wallMs) cache.set(hash, held)
      return held
    }
    throw problem('database.unavailable', { retryAfterSeconds: 1 })
  }

  return {
    now: revocations.now,

    find(kind, hash, at = revocations.now()) {
      const held = usable(kind, hash, at)
      if (held) hits += 1
      return held
    },

    async read(kind, hash, source) {
      if (!revocations.isLeased(revocations.now())) {
        await restore()
        const held = usable(kind, hash, revocations.now())
        if (held) {
          hits += 1
          return held
        }
      }
      misses += 1
      const name = `${kind}${hash}`
      let started = reading.get(name)
      if (!started) {
        started = load(kind, hash, source).finally(() => reading.delete(name))
        reading.set(name, started)
      }
      return deadline(started, READ_DEADLINE_MS)
    },

    isProof: (held) => revocations.isFresh(held) && !revocations.isOutdated(held),
    entries: () => cache.size,
    bytes: () => cache.calculatedSize,
    hits: () => hits,
    misses: () => misses,
  }
}

// The one way in: every route's authenticate, POST /keys/verify and the gateways come through it. Each call resolves a
// credential to an entry (held in memory, or one read) and then decides, purely. It fails closed: a source that throws admits nobody.
// What is at hand is answered at once, without a promise.
import { hash } from 'node:crypto'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import { checksumOk } from '../keys/index.js'
import { forRequest, type LimitReport } from '../limits/index.js'
import type { LimitStore } from '../shared-store/shared-store.js'
import type { UsageLedger } from '../usage/index.js'
import type { AccessToken } from '../tokens/index.js'
import { foundClientToken, foundGrantToken, type TokenEntry } from './client-token-entry.js'
import type { Credential } from './credential.js'
import type { DecisionCache, Found, Held } from './decision-cache.js'
import { type CredentialSource, decideKey, decideSession, foundKey, foundPerson, foundSession, type KeyVerdict } from './entry.js'
import { holds } from '../kernel/permissions.js'
import type { Principal } from '../kernel/principal.js'
import type { Moment } from '../revocation/index.js'
import type { LastUsed } from './last-used.js'
import type { ExhaustedLimits } from './exhausted-limits.js'
import { createPendingDecisions, createRoom } from './pending-decisions.js'
import {
  boundOf, charge, type Decision, type DenialCode, described, overLimit, refused, type MaybePromise, type Verification, type VerifyInput, type Wanted,
} from './verification.js'

export type { Decision, Verification, VerifyInput, Wanted } from './verification.js'

export interface Authorizer {
  /** Who presents this credential, from where. Charges no limit. Throws key.invalid, session.invalid, token.invalid, token.expired, access.denied (a key from elsewhere). */
  authenticate: (credential: Credential, address: string) => MaybePromise<Principal>
  /**
   * May the holder of this key do this, now? The first check that fails is the answer: not_found (also a mistyped key),
   * revoked, expired, owner_suspended, forbidden, rate_limited. Limits are charged last, so a refused request costs nothing.
   */
  verify: (input: VerifyInput) => MaybePromise<Verification>
  /** The answers to many questions, in their order, as if they had been asked one after the other. */
  verifyAll: (inputs: readonly VerifyInput[]) => Promise<Verification[]>
  /** What an access token of an OAuth client is worth now, whatever its audience; null: nothing. Charges no limit. */
  inspect: (token: string) => Promise<{ token: TokenEntry; principal: Principal } | null>
  /** What somebody may do now, in an organization or in none. Nothing where there is no such user, or they are suspended or not in it. Charges no limit. */
  permissionsOf: (userId: string, organizationId: string | null) => MaybePromise<readonly string[]>
  /** May the holder of this credential do this, now? In the order of `verify`; a session charges its user's limits, and what `wanted` adds. */
  check: (credential: Credential, wanted: Wanted, address: string) => MaybePromise<Decision>
}

export interface AuthorizerDeps {
  store: CredentialSource
  cache: DecisionCache
  /** the claims of an access token; throws token.invalid and token.expired */
  tokens: { verify: (token: string) => Promise<AccessToken> }
  /** the audience of tokens that say who somebody is */
  userinfo: () => string
  /** the hash under which a cookie's session is kept; null for a value that was not signed here */
  readCookie: (value: string) => Buffer | null
  limits: LimitStore
  lastUsed: LastUsed
  /** told which limits were in the way of who was refused */
  exhausted?: Pick<ExhaustedLimits, 'note'>
  /** told of each answered question about a known key */
  usage?: Pick<UsageLedger, 'record'>
  clock: Clock
  config: { sessionIdleSeconds: number }
}

const NOTHING: readonly string[] = []
// of all batches together: what Redis answers within a small part of a command's time-out
const MOST_ASKED = 64
const WHY: Record<Exclude<KeyVerdict, 'valid' | 'forbidden'>, string> = {
  revoked: 'It has been revoked',
  expired: 'It has expired',
  owner_suspended: 'The account it belongs to is suspended',
}
const INVALID = ['token.invalid', 'session.invalid', 'key.invalid'] as const

/** A credential's name in the cache, which so never holds what opens anything. One byte a character. */
function nameOf(value: string): string {
  return hash('sha256', value, 'binary')
}

export function createAuthorizer({ store, cache, tokens, userinfo, readCookie, limits, lastUsed, usage, exhausted, clock, config }: AuthorizerDeps): Authorizer {
  const idleMs = config.sessionIdleSeconds * 1000
  const room = createRoom(MOST_ASKED)

  async function readKey(name: string): Promise<Found | null> {
    const snapshot = await store.keyByHash(Buffer.from(name, 'binary'))
    return snapshot && foundKey(snapshot)
  }

  async function readToken(token: string): Promise<Found | null> {
    const verified = await tokens.verify(token)
    if (verified.kind === 'client') {
      if (verified.sessionId === null) {
        const client = await store.clientById(verified)
        return client && foundClientToken(client, verified)
      }
      const grant = await store.grantById(verified.sessionId, verified)
      return grant && foundGrantToken(grant, verified, { idleMs, userinfo: userinfo() })
    }
    const { userId, sessionId, organizationId, expiresAt } = verified
    const snapshot = await store.sessionById(sessionId, organizationId)
    // it says in which organization it is good, and whoever believes it without asking must not be told otherwise here
    if (organizationId !== null && snapshot?.entry.organization?.id !== organizationId) return null
    return snapshot?.entry.userId === userId ? foundSession(snapshot, 'token', idleMs, expiresAt.getTime()) : null
  }

  async function readSession(secretHash: Buffer): Promise<Found | null> {
    const snapshot = await store.sessionBySecretHash(secretHash)
    return snapshot && foundSession(snapshot, 'cookie', idleMs)
  }

  /** What stands behind a credential. A mistyped key and an unsigned cookie cost no read; a token is verified at its first sight only. */
  function resolve(credential: Credential, at: Moment): MaybePromise<Held | null> {
    const { kind, value } = credential
    const name = (credential.name ??= nameOf(value))
    const held = cache.find(kind, name, at)
    if (held) return held
    if (kind === 'key') return checksumOk(value) ? cache.read(kind, name, () => readKey(name)) : null
    if (kind === 'token') return cache.read(kind, name, () => readToken(value))
    const secretHash = readCookie(value)
    return secretHash && cache.read(kind, name, () => readSession(secretHash))
  }

  function admit(held: Held | null, kind: Credential['kind'], address: string, nowMs: number): Principal {
    if (held?.key) {
      const verdict = decideKey(held.key, nowMs, NOTHING, address)
      if (verdict === 'forbidden') throw problem('access.denied', { detail: 'This key may not be used from this address' })
      // whoever holds the key may know why it fails; who guesses learns nothing
      if (verdict !== 'valid') throw problem('key.invalid', { detail: WHY[verdict] })
      lastUsed.key(held.key.keyId, nowMs)
      return held.principal
    }
    // the audience is compared at every decision, never only when the token is first seen
    if (held?.token) throw problem('token.invalid', { detail: 'It was issued for another audience' })
    if (!held?.session || decideSession(held.session, nowMs, idleMs) !== 'valid') throw problem(kind === 'key' ? 'key.invalid' : 'session.invalid')
    lastUsed.session(held.session.sessionId, nowMs)
    return held.principal
  }

  function verified(held: Held | null, { permissions = NOTHING, cost = 1, limits: overrides, dryRun = false, address }: VerifyInput, nowMs: number): MaybePromise<Verification> {
    const entry = held?.key
    if (!entry) return refused('not_found')
    const { keyId, ownerId } = entry
    const verdict = decideKey(entry, nowMs, permissions, address)
    if (verdict !== 'valid') {
      if (!dryRun) usage?.record(keyId, ownerId, verdict, cost)
      return refused(verdict)
    }
    return charge(limits, forRequest(entry.bound, entry, cost, overrides), dryRun, (reports, refusal): Verification => {
      if (!dryRun) usage?.record(keyId, ownerId, refusal ? 'rate_limited' : 'allowed', cost)
      if (refusal) {
        // a request that brings limits of its own says nothing of those that are kept
        if (!dryRun && !overrides?.length) exhausted?.note({ keyId, ownerType: entry.isOrganizations ? 'organization' : 'user', ownerId }, reports, cost)
        return { valid: false, ...overLimit(reports, refusal) }
      }
      if (!dryRun) lastUsed.key(keyId, nowMs)
      return described(entry, reports)
    })
  }

  /** A credential of one audience opens nothing at another, and what has none nothing that wants one. */
  function denialOf({ key, session, token, principal }: Held, { permissions = NOTHING, audience, scopes = NOTHING }: Wanted, address: string, nowMs: number): DenialCode | null {
    if (token?.audience !== audience) return 'invalid'
    if (token && token.expiresAtMs <= nowMs) return 'expired'
    const verdict = key ? decideKey(key, nowMs, NOTHING, address) : session ? decideSession(session, nowMs, idleMs) : token ? 'valid' : 'revoked'
    if (verdict !== 'valid') return verdict
    if (!scopes.every((scope) => token?.scopes.includes(scope))) return 'insufficient_scope'
    return permissions.every((permission) => holds(principal.permissions, permission)) ? null : 'forbidden'
  }

  /** Of the limits that a gateway charged, those that are kept with the key or session come first; the gateway's own are told of nowhere. */
  function noteExhausted({ key, session, principal }: Held, reports: readonly LimitReport[], cost: number): void {
    const own = reports.slice(0, (key?.bound ?? session?.bound)?.limits.length ?? 0)
    if (own.length > 0) exhausted?.note({ keyId: key?.keyId ?? null, ownerType: key?.isOrganizations ? 'organization' : 'user', ownerId: key?.ownerId ?? principal.id }, own, cost)
  }

  function checked(held: Held | null, wanted: Wanted, address: string, nowMs: number): MaybePromise<Decision> {
    if (!held) return { allowed: false, code: 'invalid' }
    const { key, session, token, principal } = held
    const { cost = 1, dryRun = false } = wanted
    const note = (outcome: Exclude<DenialCode, 'invalid' | 'insufficient_scope'> | 'allowed'): void => {
      if (dryRun) return
      if (key) usage?.record(key.keyId, key.ownerId, outcome, cost)
      // a client that an organization has act for itself is counted as a key of it
      else if (token && principal.type === 'client' && principal.organizationId !== undefined) usage?.record(token.clientRowId, principal.organizationId, outcome, cost)
    }
    const denial = denialOf(held, wanted, address, nowMs)
    if (denial === 'invalid') return { allowed: false, code: denial }
    if (denial) {
      if (denial !== 'insufficient_scope') note(denial)
      return { allowed: false, code: denial, principal }
    }
    return charge(limits, boundOf(held, wanted), dryRun, (reports, refusal): Decision => {
      note(refusal ? 'rate_limited' : 'allowed')
      if (refusal) {
        if (!dryRun && wanted.keyLimits !== false) noteExhausted(held, reports, cost)
        return { allowed: false, principal, ...overLimit(reports, refusal) }
      }
      if (!dryRun && key) lastUsed.key(key.keyId, nowMs)
      if (!dryRun && session) lastUsed.session(session.sessionId, nowMs)
      return { allowed: true, principal, limits: reports }
    })
  }

  /** Reads at once what many questions are about and is not in memory: index -> what was read. */
  async function readAll(inputs: readonly VerifyInput[]): Promise<ReadonlyMap<number, Held | null>> {
    const read = new Map<number, Held | null>()
    const pending: Promise<unknown>[] = []
    const now = cache.now()
    inputs.forEach(({ key }, at) => {
      const held = resolve({ kind: 'key', value: key }, now)
      if (held instanceof Promise) pending.push(held.then((found) => read.set(at, found)))
    })
    await Promise.all(pending)
    return read
  }

  /** An override that is refused refuses the whole batch, before any of it is charged. */
  async function checkOverrides(inputs: readonly VerifyInput[], read: ReadonlyMap<number, Held | null>): Promise<void> {
    for (const [at, { key, permissions = NOTHING, cost = 1, limits: overrides, address }] of inputs.entries()) {
      if (!overrides) continue
      const entry = (read.has(at) ? read.get(at) : await resolve({ kind: 'key', value: key }, cache.now()))?.key
      if (entry && decideKey(entry, clock.now(), permissions, address) === 'valid') forRequest(entry.bound, entry, cost, overrides)
    }
  }

  return {
    async verifyAll(inputs) {
      const read = await readAll(inputs)
      await checkOverrides(inputs, read)
      const answers: MaybePromise<Verification>[] = []
      const waiting = createPendingDecisions()
      for (const [at, input] of inputs.entries()) {
        for (let full = room.full(); full; full = room.full()) await full
        // time has passed since the first look: what was in memory then is looked up again
        const early = read.get(at)
        const found = early === null || (early && cache.isProof(early)) ? early : resolve({ kind: 'key', value: input.key }, cache.now())
        const held = found instanceof Promise ? await found : found
        const counters = held?.key?.bound.charges ?? []
        // an override may charge any counter of the key's owner
        const isAlone = (input.limits?.length ?? 0) > 0
        const before = isAlone ? waiting.all() : waiting.about(counters)
        if (before) await before
        const answer = verified(held, input, clock.now())
        if (answer instanceof Promise) {
          waiting.add(counters, answer)
          room.take(answer)
        }
        answers.push(isAlone ? await answer : answer)
      }
      return Promise.all(answers.map(async (answer) => answer))
    },

    authenticate(credential, address) {
      const at = cache.now()
      const held = resolve(credential, at)
      return held instanceof Promise ? held.then((read) => admit(read, credential.kind, address, clock.now())) : admit(held, credential.kind, address, at.wallMs)
    },

    verify(input) {
      const at = cache.now()
      const held = resolve({ kind: 'key', value: input.key }, at)
      return held instanceof Promise ? held.then((read) => verified(read, input, clock.now())) : verified(held, input, at.wallMs)
    },

    permissionsOf(userId, organizationId) {
      const name = nameOf(`person ${userId} ${organizationId ?? ''}`)
      const held = cache.find('person', name)
      if (held) return held.principal.permissions
      return cache.read('person', name, async () => {
        const snapshot = await store.personById(userId, organizationId)
        return snapshot && foundPerson(snapshot, organizationId)
      }).then((read) => read?.principal.permissions ?? NOTHING)
    },

    async inspect(value) {
      try {
        const held = await resolve({ kind: 'token', value }, cache.now())
        const nowMs = clock.now()
        if (!held?.token || held.token.expiresAtMs <= nowMs || (held.session && decideSession(held.session, nowMs, idleMs) !== 'valid')) return null
        return { token: held.token, principal: held.principal }
      } catch (error) {
        if (isProblem(error, 'token.expired', ...INVALID)) return null
        throw error
      }
    },

    check(credential, wanted, address) {
      const at = cache.now()
      const held = resolve(credential, at)
      if (!(held instanceof Promise)) return checked(held, wanted, address, at.wallMs)
      return held.then((read) => checked(read, wanted, address, clock.now()), (error: unknown): Decision => {
        // a refusal, not a failure: the token itself is at fault
        if (isProblem(error, 'token.expired')) return { allowed: false, code: 'expired' }
        if (isProblem(error, ...INVALID)) return { allowed: false, code: 'invalid' }
        throw error
      })
    },
  }
}

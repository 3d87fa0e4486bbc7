// Sign-ins and their ends: token sessions (families of refresh tokens) and cookie sessions. PostgreSQL alone decides
// whether a session lives; what is told after the commit only makes nodes learn of an end sooner.
import { randomBytes } from 'node:crypto'
import type { Caller } from '../access/principal.js'
import type { AuditStore } from '../audit/audit-store.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, Page } from '../kernel/page.js'
import { type Secrets, sha256 } from '../kernel/secrets.js'
import type { TokenService } from '../tokens/token-service.js'
import { formatRefreshToken, isGenuine, judgeRefresh, parseRefreshToken } from './refresh-token.js'
import type { Moment, NewSession, SessionRow, SessionStore } from './session-store.js'

/** What a client needs to go on after signing in (RFC 6749 5.1, in camelCase). */
export interface TokenPair {
  accessToken: string
  tokenType: 'Bearer'
  /** seconds the access token lives */
  expiresIn: number
  refreshToken: string
}

export interface SessionView {
  id: string
  kind: 'token' | 'cookie'
  createdAt: string
  lastSeenAt: string
  /** the latest end; an unused session ends sooner */
  expiresAt: string
  address: string
  userAgent: string
  /** is it the session that asked? */
  current: boolean
}

/** `endOldest`: at the cap, end the oldest sessions instead of refusing. */
export interface OpenOptions {
  endOldest?: boolean
}

export interface SessionService {
  /** Starts a token session in the transaction of the sign-in. Throws session.cap_reached. */
  openToken: (tx: Tx, userId: string, caller: Caller, options?: OpenOptions) => Promise<TokenPair>
  /** Starts a cookie session whose id is `cookieSecret`; only its hash is kept. Throws session.cap_reached. */
  openCookie: (tx: Tx, userId: string, cookieSecret: string, caller: Caller, options?: OpenOptions) => Promise<SessionView>
  /** Trades a refresh token for a new pair. Throws refresh.invalid; reuse ends the session first (RFC 9700 4.14.2). */
  refresh: (caller: Caller, refreshToken: string) => Promise<TokenPair>
  /** Ends one of the caller's sessions. Throws session.not_found. */
  end: (caller: Caller, sessionId: string) => Promise<void>
  /** Ends the session the caller rides on; ended already is fine. */
  endOwn: (caller: Caller) => Promise<void>
  /** Ends the caller's other sessions; how many of them lived. */
  endOthers: (caller: Caller) => Promise<number>
  /** Ends all sessions of a user in the transaction of the change that demands it; how many of them lived. */
  endAll: (tx: Tx, userId: string, exceptSessionId?: string) => Promise<number>
  /** Ends the live session of a cookie that a new sign-in replaces, if there is one. */
  endReplaced: (caller: Caller, cookieSecret: string) => Promise<void>
  isLiveCookie: (cookieSecret: string) => Promise<boolean>
  /** Live sessions, the newest first. `currentId` marks the one that asks. */
  list: (userId: string, query: ListQuery, currentId?: string) => Promise<Page<SessionView>>
  /** One live session of a user. Throws session.not_found. */
  find: (userId: string, id: string, currentId?: string) => Promise<SessionView>
}

export interface SessionServiceDeps {
  store: SessionStore
  tokens: TokenService
  audit: AuditStore
  transact: Transact
  secrets: Secrets
  clock: Clock
  config: { accessTokenSeconds: number; sessionIdleSeconds: number; sessionAbsoluteSeconds: number; sessionsPerUser: number }
  /** Makes the nodes forget what was revoked, once the transaction that is open here, if any, has committed. */
  narrowed: () => Promise<void>
}

function viewOf({ id, kind, createdAt, lastSeenAt, expiresAt, address, userAgent }: SessionRow, currentId: string | undefined): SessionView {
  return {
    id, kind, createdAt: createdAt.toISOString(), lastSeenAt: lastSeenAt.toISOString(), expiresAt: expiresAt.toISOString(), address, userAgent,
    current: id === currentId,
  }
}

/** The session the caller rides on. An API key rides on none. */
function own({ principal }: Caller): { userId: string; sessionId: string } {
  if (!principal?.sessionId) throw problem('session.not_found')
  return { userId: principal.id, sessionId: principal.sessionId }
}

export function createSessionService({ store, tokens, audit, transact, secrets, clock, config, narrowed }: SessionServiceDeps): SessionService {
  const moment = (): Moment => {
    const nowMs = clock.now()
    return { now: new Date(nowMs), idleSince: new Date(nowMs - config.sessionIdleSeconds * 1_000) }
  }

  function newSession(kind: 'token' | 'cookie', userId: string, { address, userAgent }: Caller): NewSession {
    const nowMs = clock.now()
    const now = new Date(nowMs)
    return { id: newId(), userId, kind, address, userAgent, createdAt: now, lastSeenAt: now, expiresAt: new Date(nowMs + config.sessionAbsoluteSeconds * 1_000) }
  }

  /** Inserts a session if the user may have one more. */
  async function open(tx: Tx, caller: Caller, session: NewSession, { endOldest = false }: OpenOptions): Promise<void> {
    const { userId } = session
    const max = config.sessionsPerUser
    await store.lockUser(tx, userId)
    const ended = endOldest ? await store.endOldest(tx, userId, moment(), max - 1) : 0
    if (ended > 0) {
      await audit.record(tx, caller, { action: 'sessions.ended', targetType: 'user', targetId: userId, details: { count: ended, cap: max }, actorUserId: userId })
      await narrowed()
    }
    if (await store.insertBelow(tx, session, moment(), max)) return
    throw problem('session.cap_reached', { detail: `There are ${max} sessions already. End one (DELETE /api/v1/sessions/:id), or sign in with "endOldest": true` })
  }

  function pairOf(userId: string, sessionId: string, seed: Uint8Array, generation: number): TokenPair {
    return {
      accessToken: tokens.issue({ userId, sessionId }),
      tokenType: 'Bearer',
      expiresIn: config.accessTokenSeconds,
      refreshToken: formatRefreshToken(secrets, { sessionId, seed, generation }),
    }
  }

  /** Ends one session and writes why. Did we win? */
  async function endOne(caller: Caller, action: string, id: string, userId: string): Promise<boolean> {
    const won = await transact(async (tx) => {
      if (!(await store.end(tx, id, userId, moment()))) return false
      await audit.record(tx, caller, { action, targetType: 'session', targetId: id, actorUserId: userId })
      return true
    })
    if (won) await narrowed()
    return won
  }

  return {
    async openToken(tx, userId, caller, options = {}) {
      const session = newSession('token', userId, caller)
      const seed = randomBytes(32)
      await open(tx, caller, { ...session, refreshSeed: seed }, options)
      return pairOf(userId, session.id, seed, 0)
    },

    async openCookie(tx, userId, cookieSecret, caller, options = {}) {
      const session = newSession('cookie', userId, caller)
      await open(tx, caller, { ...session, secretHash: sha256(cookieSecret) }, options)
      return viewOf(session, session.id)
    },

    async refresh(caller, refreshToken) {
      const token = parseRefreshToken(refreshToken)
      if (!token) throw problem('refresh.invalid')
      // the second look is for whoever lost the rotation to a request of the same moment
      for (let look = 1; look <= 2; look += 1) {
        const session = await store.findRefresh(token.sessionId, moment())
        if (!session?.isLive || !isGenuine(secrets, session.seed, token)) throw problem('refresh.invalid')
        const verdict = judgeRefresh(token, session, clock.now())
        if (verdict === 'repeat') return pairOf(session.userId, token.sessionId, session.seed, token.generation + 1)
        if (verdict === 'reuse') {
          await endOne({ ...caller, principal: null }, 'refresh.reused', token.sessionId, session.userId)
          throw problem('refresh.invalid')
        }
        if (await store.rotate(token.sessionId, token.generation, moment())) return pairOf(session.userId, token.sessionId, session.seed, token.generation + 1)
      }
      throw problem('refresh.invalid')
    },

    async end(caller, sessionId) {
      const { userId } = own(caller)
      if (!(await endOne(caller, 'session.ended', sessionId, userId))) throw problem('session.not_found')
    },

    async endOwn(caller) {
      const { userId, sessionId } = own(caller)
      await endOne(caller, 'session.ended', sessionId, userId)
    },

    async endOthers(caller) {
      const { userId, sessionId } = own(caller)
      const ended = await transact(async (tx) => {
        const all = await store.endAll(tx, userId, moment(), sessionId)
        const live = all.filter(({ wasLive }) => wasLive)
        if (live.length > 0) await audit.record(tx, caller, { action: 'sessions.ended', targetType: 'user', targetId: userId, details: { count: live.length } })
        return live
      })
      if (ended.length > 0) await narrowed()
      return ended.length
    },

    async endAll(tx, userId, exceptSessionId) {
      const ended = await store.endAll(tx, userId, moment(), exceptSessionId)
      if (ended.length > 0) await narrowed()
      return ended.filter(({ wasLive }) => wasLive).length
    },

    async endReplaced(caller, cookieSecret) {
      const replaced = await store.findBySecret(sha256(cookieSecret), moment())
      if (replaced) await endOne(caller, 'session.ended', replaced.id, replaced.userId)
    },

    isLiveCookie: async (cookieSecret) => (await store.findBySecret(sha256(cookieSecret), moment())) !== null,

    async list(userId, query, currentId) {
      const { data, page } = await store.list(userId, query, moment())
      return { data: data.map((row) => viewOf(row, currentId)), page }
    },

    async find(userId, id, currentId) {
      const row = await store.find(id, userId, moment())
      if (!row) throw problem('session.not_found')
      return viewOf(row, currentId)
    },
  }
}

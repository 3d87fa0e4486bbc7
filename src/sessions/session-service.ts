// Sign-ins and their ends: token sessions (families of refresh tokens) and cookie sessions. PostgreSQL alone decides
// whether a session lives; what is told after the commit only makes nodes learn of an end sooner.
import { randomBytes } from 'node:crypto'
import { type Acr, type Assurance, assuranceOf, type Proof } from '../kernel/assurance.js'
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Along, Piece, Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { type Secrets, sha256 } from '../kernel/secrets.js'
import type { TokenService } from '../tokens/index.js'
import { formatRefreshToken, isGenuine, judgeRefresh, parseRefreshToken } from './refresh-token.js'
import type { Moment, NewSession, SessionKind, SessionOfUser, SessionRow, SessionStore } from './session-store.js'

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
  /** `impersonation`: somebody acts for the user in it */
  kind: SessionKind
  createdAt: string
  lastSeenAt: string
  /** the latest end; an unused session ends sooner */
  expiresAt: string
  address: string
  userAgent: string
  /** by what its owner proved themselves (RFC 8176) */
  amr: readonly string[]
  acr: Acr
  /** when they did last */
  authTime: string
  /** is it the session that asked? */
  current: boolean
}

/** What was proven; and `endOldest`: at the cap, end the oldest sessions instead of refusing. */
export interface OpenOptions extends Proof {
  endOldest?: boolean
}

/** How well and when the owner of a session has proven themselves; `accessToken` says the same. */
export interface Proven {
  amr: readonly string[]
  acr: Acr
  authTime: string
  accessToken?: string
  expiresIn?: number
}

/** A session that is to be opened by the statement of a sign-in, in a transaction that holds the user's row since the statement before. */
export interface Opening<T> {
  /** may the user have one more? */
  room: Piece
  along: Along
  /** what it is worth once it is written */
  opened: T
  /** When there is no room: ends the oldest where that was asked for. Throws session.cap_reached. */
  makeRoom: (tx: Tx) => Promise<void>
}

export interface Impersonation {
  sessionId: string
  accessToken: string
  expiresAt: Date
}

export interface SessionService {
  /** A token session that a sign-in is to open. */
  newToken: (userId: string, caller: Caller, options: OpenOptions) => Opening<TokenPair>
  /** A cookie session whose id is `cookieSecret`, of which only the hash is kept. */
  newCookie: (userId: string, cookieSecret: string, caller: Caller, options: OpenOptions) => Opening<SessionView>
  /** Starts a token session in the transaction that opens the account. Throws session.cap_reached. */
  openToken: (tx: Tx, userId: string, caller: Caller, proof: Proof) => Promise<TokenPair>
  /**
   * Starts a session in which the caller acts for a user, in the transaction that decides they may; one at a time for each of the caller's sessions.
   * It is worth no more than both may do, and nothing once the caller's own session is; it cannot be prolonged.
   */
  openImpersonation: (tx: Tx, userId: string, caller: Caller, seconds: number) => Promise<Impersonation>
  /** Trades a refresh token for a new pair. Throws refresh.invalid; reuse ends the session first (RFC 9700 4.14.2). */
  refresh: (caller: Caller, refreshToken: string) => Promise<TokenPair>
  /**
   * Notes in the transaction of the proof that the owner of the caller's session has proven themselves anew; every node hears of it. Two factors add to
   * what was proven before. Answers an access token that says so, where it is a session of tokens; one of a cookie has the id `cookieSecret` from now on, if
   * that is given. Throws session.not_found.
   */
  prove: (tx: Tx, caller: Caller, proof: Proof, cookieSecret?: string) => Promise<Proven>
  /**
   * Has the caller's session act in an organization, or in none, in the transaction that decides they may; every node hears of it. Answers an access token that says so,
   * where it is a session of tokens. Throws session.not_found.
   */
  actIn: (tx: Tx, caller: Caller, organizationId: string | null) => Promise<{ accessToken?: string; expiresIn?: number }>
  /** Ends one of the caller's sessions. Throws session.not_found. */
  end: (caller: Caller, sessionId: string) => Promise<void>
  /** Ends the session the caller rides on; ended already is fine. */
  endOwn: (caller: Caller) => Promise<void>
  /** Ends the caller's other sessions; how many of them lived. */
  endOthers: (caller: Caller) => Promise<number>
  /** Ends all sessions of a user, and what waits to become one, in the transaction of the change that demands it; how many of them lived. */
  endAll: (tx: Tx, userId: string, exceptSessionId?: string) => Promise<number>
  /** The live session of a cookie. */
  findCookie: (cookieSecret: string) => Promise<SessionOfUser | null>
  /** Ends the session of a cookie that a new sign-in has replaced, if it lives still. */
  endReplaced: (caller: Caller, replaced: SessionOfUser) => Promise<void>
  /** Live sessions, the newest first. `currentId` marks the one that asks. */
  list: (userId: string, query: ListQuery, currentId?: string) => Promise<PageText>
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
  publishRevocations: () => Promise<void>
}

function viewOf({ id, kind, createdAt, lastSeenAt, expiresAt, address, userAgent, amr, acr, authTime }: SessionRow, currentId: string | undefined): SessionView {
  return {
    id, kind, createdAt: createdAt.toISOString(), lastSeenAt: lastSeenAt.toISOString(), expiresAt: expiresAt.toISOString(), address, userAgent,
    amr, acr, authTime: authTime.toISOString(), current: id === currentId,
  }
}

/** What the tokens of one session are made from. */
type Family = { userId: string; seed: Uint8Array; organizationId?: string | null } & Assurance

/** The session the caller rides on. An API key rides on none. */
function own({ principal }: Caller): { userId: string; sessionId: string } {
  if (!principal?.sessionId) throw problem('session.not_found')
  return { userId: principal.id, sessionId: principal.sessionId }
}

export function createSessionService({ store, tokens, audit, transact, secrets, clock, config, publishRevocations }: SessionServiceDeps): SessionService {
  const moment = (): Moment => {
    const nowMs = clock.now()
    return { now: new Date(nowMs), idleSince: new Date(nowMs - config.sessionIdleSeconds * 1_000) }
  }

  function newSession(kind: SessionKind, userId: string, { address, userAgent }: Caller, proof: Proof): NewSession {
    const nowMs = clock.now()
    const now = new Date(nowMs)
    return {
      id: newId(), userId, kind, address, userAgent, createdAt: now, lastSeenAt: now, expiresAt: new Date(nowMs + config.sessionAbsoluteSeconds * 1_000),
      ...assuranceOf(proof, now),
    }
  }

  function opening<T>(caller: Caller, session: NewSession, opened: T, { endOldest = false }: OpenOptions): Opening<T> {
    const { userId } = session
    const max = config.sessionsPerUser
    const at = moment()
    return {
      opened,
      room: store.room(userId, at, max),
      along: store.inserting(session, at),
      async makeRoom(tx) {
        const ended = endOldest ? await store.endOldest(tx, userId, at, max - 1) : 0
        if (ended === 0) throw problem('session.cap_reached', { detail: `There are ${max} sessions already. End one (DELETE /api/v1/sessions/:id), or sign in with "endOldest": true` })
        await audit.record(tx, caller, { action: 'sessions.ended', targetType: 'user', targetId: userId, details: { count: ended, cap: max }, actorUserId: userId })
        await publishRevocations()
      },
    }
  }

  function pairOf({ userId, seed, amr, acr, authTime, organizationId = null }: Family, sessionId: string, generation: number): TokenPair {
    return {
      accessToken: tokens.issue({ userId, sessionId, amr, acr, authTime, organizationId }),
      tokenType: 'Bearer',
      expiresIn: config.accessTokenSeconds,
      refreshToken: formatRefreshToken(secrets, { sessionId, seed, generation }),
    }
  }

  /** Ends one session and writes why. Did we win? */
  async function endOne(caller: Caller, action: string, id: string, userId: string): Promise<boolean> {
    const why = audit.along(caller, { action, targetType: 'session', targetId: id, actorUserId: userId })
    const won = await transact((tx) => store.end(tx, id, userId, moment(), why))
    if (won) await publishRevocations()
    return won
  }

  function newToken(userId: string, caller: Caller, options: OpenOptions): Opening<TokenPair> {
    const session = newSession('token', userId, caller, options)
    const seed = randomBytes(32)
    return opening(caller, { ...session, refreshSeed: seed }, pairOf({ ...session, seed }, session.id, 0), options)
  }

  return {
    newToken,

    newCookie(userId, cookieSecret, caller, options) {
      const session = newSession('cookie', userId, caller, options)
      return opening(caller, { ...session, secretHash: sha256(cookieSecret) }, viewOf(session, session.id), options)
    },

    async openToken(tx, userId, caller, proof) {
      const { room, along, makeRoom, opened } = newToken(userId, caller, proof)
      await store.lockUser(tx, userId)
      if (!(await store.insertIf(tx, room, along))) await makeRoom(tx)
      return opened
    },

    async openImpersonation(tx, userId, caller, seconds) {
      const actor = own(caller)
      const session = newSession('impersonation', userId, caller, { amr: [] })
      const expiresAt = new Date(session.createdAt.getTime() + seconds * 1_000)
      await store.insertImpersonation(tx, { ...session, expiresAt, actor }, moment())
      const { id: sessionId, amr, acr, authTime } = session
      return { sessionId, expiresAt, accessToken: tokens.issue({ userId, sessionId, amr, acr, authTime, seconds, act: { sub: actor.userId, sid: actor.sessionId } }) }
    },

    async refresh(caller, refreshToken) {
      const token = parseRefreshToken(refreshToken)
      if (!token) throw problem('refresh.invalid')
      // the second look is for whoever lost the rotation to a request of the same moment
      for (let look = 1; look <= 2; look += 1) {
        const session = await store.findRefresh(token.sessionId, moment())
        if (!session?.isLive || !isGenuine(secrets, session.seed, token)) throw problem('refresh.invalid')
        const verdict = judgeRefresh(token, session, clock.now())
        if (verdict === 'repeat') return pairOf(session, token.sessionId, token.generation + 1)
        if (verdict === 'reuse') {
          await endOne({ ...caller, principal: null }, 'refresh.reused', token.sessionId, session.userId)
          throw problem('refresh.invalid')
        }
        if (await store.rotate(token.sessionId, token.generation, moment())) return pairOf(session, token.sessionId, token.generation + 1)
      }
      throw problem('refresh.invalid')
    },

    async prove(tx, caller, proof, cookieSecret) {
      const { userId, sessionId } = own(caller)
      const at = moment()
      const proven = await store.prove(tx, sessionId, userId, at, assuranceOf(proof, at.now), proof.isMultiFactor ?? false, cookieSecret === undefined ? null : sha256(cookieSecret))
      if (!proven) throw problem('session.not_found')
      await publishRevocations()
      const { kind, organizationId, ...assurance } = proven
      const token = kind === 'token' ? { accessToken: tokens.issue({ userId, sessionId, organizationId, ...assurance }), expiresIn: config.accessTokenSeconds } : {}
      return { ...assurance, authTime: at.now.toISOString(), ...token }
    },

    async actIn(tx, caller, organizationId) {
      const { userId, sessionId } = own(caller)
      const switched = await store.switch(tx, sessionId, userId, moment(), organizationId)
      if (!switched) throw problem('session.not_found')
      await publishRevocations()
      const { kind, ...assurance } = switched
      return kind === 'token' ? { accessToken: tokens.issue({ userId, sessionId, organizationId, ...assurance }), expiresIn: config.accessTokenSeconds } : {}
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
      if (ended.length > 0) await publishRevocations()
      return ended.length
    },

    async endAll(tx, userId, exceptSessionId) {
      const ended = await store.endAll(tx, userId, moment(), exceptSessionId)
      if (ended.length > 0) await publishRevocations()
      return ended.filter(({ wasLive }) => wasLive).length
    },

    findCookie: async (cookieSecret) => store.findBySecret(sha256(cookieSecret), moment()),

    async endReplaced(caller, { id, userId }) {
      await endOne(caller, 'session.ended', id, userId)
    },

    list: (userId, query, currentId) => store.list(userId, query, moment(), currentId ?? null),

    async find(userId, id, currentId) {
      const row = await store.find(id, userId, moment())
      if (!row) throw problem('session.not_found')
      return viewOf(row, currentId)
    },
  }
}

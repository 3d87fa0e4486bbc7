// Sessions: opened by a sign-in, carried by a refresh token or a cookie, ended by their owner, by time or by a change of what they stand for.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Cursors } from '../kernel/page.js'
import { type ChallengeService, createChallengeService } from './challenge-service.js'
import { createChallengeStore } from './challenge-store.js'
import { createCookieSigner, readSessionCookie } from './session-cookie.js'
import { createSessionService, type SessionService, type SessionServiceDeps } from './session-service.js'
import { createSessionStore } from './session-store.js'

export type { ChallengeService, Challenging } from './challenge-service.js'
export type { ChallengeRow } from './challenge-store.js'
export { cookieAttributes, cookieName, createCookieSigner, deviceCookieName, newCookieSecret } from './session-cookie.js'
export type { Opening, Proven, SessionService, SessionView, TokenPair } from './session-service.js'
export { formatRefreshToken, isGenuine, judgeRefresh, OF_GRANT, parseRefreshToken, RETRY_WINDOW_MS } from './refresh-token.js'
export type { SessionKind, SessionOfUser } from './session-store.js'

const KEPT_MS = 30 * 86_400_000

export interface SessionNeeds extends Omit<SessionServiceDeps, 'store'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
}

export interface SessionFeature {
  sessions: SessionService
  challenges: ChallengeService
  /** The hash of the secret in a session cookie; null when the cookie is none of ours. */
  readCookie: (value: string) => Buffer | null
  jobs: Job[]
}

/** The first UUIDv7 of a time: a row that ended before it was made before it. */
function firstIdOf(ms: number): string {
  return Math.max(0, ms).toString(16).padStart(12, '0').replace(/^(.{8})(.{4})$/, '$1-$2-7000-8000-000000000000')
}

export function createSessions({ prisma, pool, cursors, ...deps }: SessionNeeds): SessionFeature {
  const signer = createCookieSigner(deps.secrets)
  return {
    sessions: createSessionService({ ...deps, store: createSessionStore({ prisma, pool, cursors }) }),
    challenges: createChallengeService({ store: createChallengeStore({ prisma }), clock: deps.clock }),
    readCookie: (value) => readSessionCookie(signer, value),
    jobs: [
      tableExpiry(pool, {
        table: 'sessions', where: (beforeMs) => `id < '${firstIdOf(beforeMs)}'::uuid AND (ended_at <= $1 OR expires_at <= $1)`, before: () => deps.clock.now() - KEPT_MS,
      }),
      tableExpiry(pool, { table: 'sign_in_challenges', where: 'expires_at <= $1', before: deps.clock.now }),
    ],
  }
}

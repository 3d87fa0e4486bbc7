// The whole program on a database of its own, driven through app.inject: what a client sees, without a socket.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { randomBytes } from 'node:crypto'
import { buildApp } from '../../src/app.js'
import { type Config, readConfig } from '../../src/config.js'
import { type FakeClock, fakeClock } from './clock.js'
import { createTestDatabase, type Teardown, type TestDatabase } from './database.js'
import { ownRedis } from './redis.js'

export const PASSWORD = 'correct horse battery staple'
export const SECRET = 'a secret of the tests, 32 characters or more'

export type AuthorizationHeaders = { authorization: string }

export interface SignedIn {
  user: { id: string; email: string }
  accessToken: string
  refreshToken: string
  deviceToken: string
  headers: AuthorizationHeaders
}

export interface IssuedKey {
  id: string
  key: string
  headers: AuthorizationHeaders
}

export interface Helpers {
  /** request headers that carry an access token or an API key */
  bearer: (token: string) => AuthorizationHeaders
  /** a new member, signed up and signed in; the password is PASSWORD */
  signUp: (email?: string) => Promise<SignedIn>
  /** headers of the set-up administrator, the same one every time */
  admin: () => Promise<AuthorizationHeaders>
  /** the set-up administrator, the same one every time */
  adminUser: () => Promise<SignedIn>
  /** a new API key of the administrator */
  key: (permissions: string[]) => Promise<IssuedKey>
}

export interface AppOptions {
  config?: Partial<Config>
  /** on the run's Redis, under keys of its own (skip the test with NO_REDIS of support/redis.ts); a URL to share another app's */
  redis?: boolean | string
  clock?: FakeClock
  /** share another app's database: a second node */
  database?: TestDatabase
  /** adds to the app before it is ready: a route for the test */
  extend?: (app: FastifyInstance) => void
}

export interface TestApp {
  app: FastifyInstance
  clock: FakeClock
  database: TestDatabase
  redisUrl: string | null
  as: Helpers
}

/** The configuration of an empty environment, with a hash that costs next to nothing (thousands are made here), a silent log and sign-up open. */
export function testConfig(changes: Partial<Config> = {}): Config {
  // a clock that stands still gives no budget back: what a test file asks in all must fit
  const read = readConfig({ LOG_LEVEL: 'silent', SIGN_UP: 'open', PORT: '0', REQUESTS_PER_MINUTE: '1000000' })
  if ('mistakes' in read) throw new Error(JSON.stringify(read.mistakes))
  // room for a million decisions is made at the start, in most of a tenth of the time that a start takes
  return { ...read.config, bcryptCost: 4, decisionCacheEntries: 20_000, ...changes }
}

/** The parsed body of an answer with the expected status. Throws with the whole answer otherwise. */
export function expectJson<T>(response: LightMyRequestResponse, status: number): T {
  if (response.statusCode !== status) throw new Error(`${response.statusCode} instead of ${status}: ${response.body}`)
  return response.json<T>()
}

const bearer = (token: string): AuthorizationHeaders => ({ authorization: `Bearer ${token}` })

function helpersOf(app: FastifyInstance): Helpers {
  let administrator: Promise<SignedIn> | undefined
  const signedIn = (response: LightMyRequestResponse): SignedIn => {
    const body = expectJson<Omit<SignedIn, 'headers'>>(response, 201)
    return { ...body, headers: bearer(body.accessToken) }
  }
  const payload = { email: 'admin@example.com', password: PASSWORD }
  const postSetup = (): Promise<LightMyRequestResponse> => app.inject({ method: 'POST', url: '/api/v1/setup', payload: { token: app.setup.token(), ...payload } })
  const setUp = async (): Promise<SignedIn> => {
    const answer = await postSetup()
    if (answer.statusCode !== 409) return signedIn(answer)
    // signUp or another node on this database was first
    const body = expectJson<Omit<SignedIn, 'headers'>>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload }), 200)
    return { ...body, headers: bearer(body.accessToken) }
  }
  const adminUser = (): Promise<SignedIn> => (administrator ??= setUp())
  return {
    bearer,
    adminUser,
    admin: async () => (await adminUser()).headers,
    async signUp(email = `user-${randomBytes(6).toString('hex')}@example.com`) {
      // nobody signs up before the set-up
      if (!(await app.setup.isDone())) await postSetup()
      return signedIn(await app.inject({ method: 'POST', url: '/api/v1/auth/signup', payload: { email, password: PASSWORD } }))
    },
    async key(permissions) {
      const { headers } = await adminUser()
      const response = await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name: 'a test key', permissions } })
      const { id, key } = expectJson<{ id: string; key: string }>(response, 201)
      return { id, key, headers: bearer(key) }
    },
  }
}

/** Builds the app and waits until it is ready; closed, and its database dropped, when `t` ends. */
export async function startApp(t: Teardown, options: AppOptions = {}): Promise<TestApp> {
  const clock = options.clock ?? fakeClock()
  const database = options.database ?? (await createTestDatabase(t))
  const redisUrl = typeof options.redis === 'string' ? options.redis : options.redis === true ? ownRedis(t).url : null
  const app = await buildApp({ config: testConfig({ redisUrl, ...options.config }), database, secret: SECRET, clock })
  t.teardown(async () => {
    await app.close()
    const undeclared = [...app.undeclaredErrors]
    if (undeclared.length > 0) throw new Error(`Errors answered but not declared in config.errors:\n${undeclared.join('\n')}`)
  })
  options.extend?.(app)
  await app.ready()
  return { app, clock, database, redisUrl, as: helpersOf(app) }
}

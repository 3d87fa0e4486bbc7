// What is measured beside bare Fastify: for each scenario the request, made ready against the running program, and what its answers must hold.
import { hash } from '@node-rs/bcrypt'
import { bearer } from './api.js'
import { ADMIN } from './environment.js'
import { prepareGate } from './gate.js'
import { issueKey, JSON_BODY, type Prepared, signIn, type SignedIn, type World } from './world.js'

export interface Scenario {
  name: string
  /** the ratio that is wanted at least */
  target?: number
  prepare: (world: World) => Promise<Prepared>
}

const WHOAMI = '/api/v1/whoami'
const USERS = '/api/v1/users'
const DEEP_PAGE = 1000
const PAGE_ROWS = 50
const WALK_ROWS = 200
const LOGIN_CONNECTIONS = 4
export const LOGIN_SECONDS_MIN = 2
const LOGIN_PASSWORD = 'all accounts of the benchmark have it'

interface UserPage {
  data: { id: string }[]
  page: { nextCursor: string | null }
}

function reading({ connections, seconds }: World, label: string, path: string, headers: Record<string, string>, markers: string[]): Prepared {
  return { label, method: 'GET', path, headers, bodies: [], connections, seconds, markers, passwordHash: null }
}

export async function prepareVerify(world: World): Promise<Prepared> {
  const { accessToken } = await signIn(world)
  const caller = await issueKey(world, accessToken, { name: 'bench caller', permissions: ['gatehouse:keys.verify'] })
  const subject = await issueKey(world, accessToken, {
    name: 'bench subject', permissions: ['reports:read'], limits: [{ name: 'calls', quota: 1_000_000_000, windowSeconds: 60 }], metadata: { plan: 'free' },
  })
  return {
    label: 'POST /keys/verify (one permission, one limit)', method: 'POST', path: '/api/v1/keys/verify', headers: { ...bearer(caller.key), ...JSON_BODY },
    bodies: [JSON.stringify({ key: subject.key, permissions: ['reports:read'] })], connections: world.connections, seconds: world.seconds,
    markers: ['"valid":true', '"code":"valid"', `"keyId":"${subject.id}"`, '"remaining":'], passwordHash: null,
  }
}

async function prepareByToken(world: World): Promise<Prepared> {
  const { user, accessToken } = await signIn(world)
  return reading(world, 'GET /whoami by JWT', WHOAMI, bearer(accessToken), [`"id":"${user.id}"`, '"authenticatedBy":"token"'])
}

async function prepareByCookie(world: World): Promise<Prepared> {
  const { status, headers, text } = await world.api.send('/api/v1/auth/session', { method: 'POST', body: ADMIN })
  const cookie = headers.getSetCookie()[0]?.split(';')[0]
  if (status !== 201 || cookie === undefined) throw new Error(`POST /auth/session answered ${status} and no cookie: ${text.slice(0, 500)}`)
  const { user } = JSON.parse(text) as SignedIn
  return reading(world, 'GET /whoami by cookie', WHOAMI, { cookie }, [`"id":"${user.id}"`, '"authenticatedBy":"cookie"'])
}

async function prepareByKey(world: World): Promise<Prepared> {
  const { accessToken } = await signIn(world)
  const { id, key } = await issueKey(world, accessToken, { name: 'bench whoami' })
  return reading(world, 'GET /whoami by API key', WHOAMI, bearer(key), [`"keyId":"${id}"`, '"authenticatedBy":"key"'])
}

/** One account a connection, so that neither the failure counters nor one row's lock is what is measured. */
async function prepareLogin(world: World): Promise<Prepared> {
  const { api, bcryptCost, seconds } = world
  const { accessToken } = await signIn(world)
  // the cost is part of the name: an account keeps the hash that it was made with
  const accounts = Array.from({ length: LOGIN_CONNECTIONS }, (_, at) => ({ email: `login-${bcryptCost}-${at + 1}@bench.example`, password: LOGIN_PASSWORD }))
  for (const account of accounts) {
    const { status, text } = await api.send(USERS, { method: 'POST', headers: bearer(accessToken), body: { ...account, name: 'Bench login' } })
    if (status !== 201 && !text.includes('email.taken')) throw new Error(`POST /users answered ${status}: ${text.slice(0, 500)}`)
  }
  return {
    label: `POST /auth/login (bcrypt cost ${bcryptCost}, ${LOGIN_CONNECTIONS} connections)`, method: 'POST', path: '/api/v1/auth/login', headers: JSON_BODY,
    bodies: accounts.map((account) => JSON.stringify(account)), connections: LOGIN_CONNECTIONS, seconds: Math.max(seconds, LOGIN_SECONDS_MIN),
    markers: ['"accessToken":"', '"refreshToken":"', '"tokenType":"Bearer"'], passwordHash: await hash(LOGIN_PASSWORD, { cost: bcryptCost }),
  }
}

async function pageOf({ api }: World, accessToken: string, limit: number, cursor: string | null): Promise<UserPage> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor === null ? {} : { cursor }) })
  return api.json<UserPage>(`${USERS}?${query.toString()}`, { headers: bearer(accessToken) })
}

/** The cursor after so many rows; null for none. Walks there as a client would. */
async function cursorAfter(world: World, accessToken: string, rows: number): Promise<string | null> {
  let cursor: string | null = null
  for (let left = rows; left > 0; left -= WALK_ROWS) {
    const { page } = await pageOf(world, accessToken, Math.min(left, WALK_ROWS), cursor)
    if (page.nextCursor === null) throw new Error(`The list of users ends before row ${rows}`)
    cursor = page.nextCursor
  }
  return cursor
}

export async function preparePage(world: World, wantedPage: number): Promise<Prepared> {
  const { accessToken } = await signIn(world)
  const page = Math.max(1, Math.min(wantedPage, Math.floor(world.users / PAGE_ROWS)))
  const cursor = await cursorAfter(world, accessToken, (page - 1) * PAGE_ROWS)
  const { data } = await pageOf(world, accessToken, PAGE_ROWS, cursor)
  const ids = [data.at(0), data.at(-1)].flatMap((user) => (user ? [`"id":"${user.id}"`] : []))
  if (data.length < Math.min(PAGE_ROWS, world.users)) throw new Error(`Page ${page} of the users holds ${data.length} rows`)
  const query = new URLSearchParams({ limit: String(PAGE_ROWS), ...(cursor === null ? {} : { cursor }) })
  const label = `GET /users page ${page.toLocaleString('en')} (${PAGE_ROWS} rows, of ${world.users.toLocaleString('en')})`
  return reading(world, label, `${USERS}?${query.toString()}`, bearer(accessToken), [...ids, '"nextCursor":'])
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'verify', target: 0.75, prepare: prepareVerify },
  { name: 'whoami-token', target: 0.85, prepare: prepareByToken },
  { name: 'whoami-cookie', target: 0.85, prepare: prepareByCookie },
  { name: 'whoami-key', target: 0.85, prepare: prepareByKey },
  { name: 'gate', target: 0.85, prepare: prepareGate },
  { name: 'users-first', prepare: (world) => preparePage(world, 1) },
  { name: 'users-deep', prepare: (world) => preparePage(world, DEEP_PAGE) },
  { name: 'login', prepare: prepareLogin },
]

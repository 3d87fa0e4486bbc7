// What the OAuth rows need of Gatehouse: an API, clients of it, people who are signed in, and grants of theirs.
import { createHash } from 'node:crypto'
import { bearer } from './api.js'
import { signIn, type World } from './world.js'

export const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const CALLBACK = 'https://bench.example/cb'
const VERIFIER = 'the-verifier-of-a-benchmark-which-is-always-the-same'
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')
// a person has few grants at a client; a generator that had one client would fill its list up
const CLIENTS = 60
const PEOPLE = 8
const PASSWORD = 'all people of the benchmark have it'

export interface BenchClient {
  clientId: string
  clientSecret: string
}

export interface OAuthWorld {
  world: World
  /** of the API */
  resource: string
  admin: Record<string, string>
  /** cookies of people who are signed in, one a connection */
  cookies: string[]
}

export function basic({ clientId, clientSecret }: BenchClient): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`, ...FORM }
}

/** A client of the bench's own administrator. */
export async function newClient({ world: { api }, admin }: Pick<OAuthWorld, 'world' | 'admin'>, body: object): Promise<BenchClient> {
  const { clientId, clientSecret } = await api.json<{ clientId: string; clientSecret: string | null }>('/api/v1/clients', { method: 'POST', headers: admin, body: { name: 'Bench', ...body } })
  return { clientId, clientSecret: clientSecret ?? '' }
}

/** Somebody signs in; people of earlier runs are taken again. */
async function cookieOf({ api, bcryptCost }: World, admin: Record<string, string>, at: number): Promise<string> {
  const person = { email: `oauth-${bcryptCost}-${at % PEOPLE + 1}@bench.example`, password: PASSWORD }
  if (at < PEOPLE) {
    const { status, text } = await api.send('/api/v1/users', { method: 'POST', headers: admin, body: { ...person, name: 'Bench person' } })
    if (status !== 201 && !text.includes('email.taken')) throw new Error(`POST /users answered ${status}: ${text.slice(0, 300)}`)
  }
  const { status, headers, text } = await api.send('/api/v1/auth/session', { method: 'POST', body: { ...person, endOldest: true } })
  if (status !== 201) throw new Error(`POST /auth/session answered ${status}: ${text.slice(0, 300)}`)
  return headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
}

export async function prepareOAuth(world: World): Promise<OAuthWorld> {
  const { api, connections } = world
  const admin = bearer((await signIn(world)).accessToken)
  const resource = `https://bench.example/${Date.now().toString(36)}`
  await api.json('/api/v1/resources', { method: 'POST', headers: admin, body: { identifier: resource, name: 'Bench API', scopes: [{ name: 'read', description: 'Read', permissions: ['reports:read'] }] } })
  const cookies: string[] = []
  for (let at = 0; at < connections; at += 1) cookies.push(await cookieOf(world, admin, at))
  return { world, resource, admin, cookies }
}

export interface PeopleClients {
  /** public, with PKCE */
  clientIds: string[]
  authorizePaths: string[]
  tokenBody: string
}

/** Clients that people sign in to, whose id tokens are signed by that algorithm. */
export async function peopleClients(oauth: OAuthWorld, algorithm: 'RS256' | 'ES256', scope: string): Promise<PeopleClients> {
  const clientIds: string[] = []
  for (let at = 0; at < CLIENTS; at += 1) {
    const { clientId } = await newClient(oauth, {
      kind: 'web', authMethod: 'none', redirectUris: [CALLBACK], firstParty: true, idTokenAlgorithm: algorithm, scopes: ['openid', 'offline_access', 'read'], resources: [oauth.resource],
    })
    clientIds.push(clientId)
  }
  const query = { response_type: 'code', redirect_uri: CALLBACK, scope, code_challenge: CHALLENGE, code_challenge_method: 'S256', state: 'bench', ...(scope.includes('read') ? { resource: oauth.resource } : {}) }
  return {
    clientIds, authorizePaths: clientIds.map((id) => `/oauth/authorize?${new URLSearchParams({ client_id: id, ...query }).toString()}`),
    tokenBody: new URLSearchParams({ grant_type: 'authorization_code', redirect_uri: CALLBACK, code_verifier: VERIFIER }).toString(),
  }
}

/** A refresh token of each person's. */
export async function refreshTokens({ world: { api }, cookies }: OAuthWorld, { clientIds, authorizePaths, tokenBody }: PeopleClients): Promise<{ clientId: string; tokens: string[] }> {
  const [clientId = '', path = ''] = [clientIds[0], authorizePaths[0]]
  const tokens: string[] = []
  for (const cookie of cookies) {
    const { status, headers } = await fetch(`${api.origin}${path}`, { headers: { cookie }, redirect: 'manual' })
    const location = headers.get('location') ?? ''
    const code = URL.canParse(location) ? new URL(location).searchParams.get('code') : null
    if (code === null) throw new Error(`The authorization endpoint answered ${status} ${location}`)
    const answer = await fetch(`${api.origin}/oauth/token`, { method: 'POST', headers: FORM, body: `${tokenBody}&client_id=${clientId}&code=${code}` })
    const { refresh_token: token } = (await answer.json()) as { refresh_token?: string }
    if (token === undefined) throw new Error(`The token endpoint answered ${answer.status} without a refresh token`)
    tokens.push(token)
  }
  return { clientId, tokens }
}

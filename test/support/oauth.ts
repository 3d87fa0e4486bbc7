// OAuth as clients of tests speak it: forms by app.inject, assertions, and an API with scopes.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { importJWK, type JWTPayload, SignJWT } from 'jose'
import { request } from 'undici'
import { expectJson, PASSWORD, type TestApp } from './app.js'
import { type Pages, pagesOf } from './pages.js'

export const API = 'https://api.example.com'
export const OTHER_API = 'https://other.example.com'
export const CALLBACK = 'https://app.example.com/cb'

export interface OAuthClientBody {
  id: string
  clientId: string
  clientSecret: string | null
  version: number
}

export interface OAuthFailure {
  error: string
  error_description: string
}

export type Form = Record<string, string | readonly string[]>

export function formOf(fields: Form): string {
  return new URLSearchParams(Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one]))).toString()
}

/** Form-encoded halves, joined and encoded (RFC 6749 2.3.1). */
export function basic(clientId: string, secret: string): { authorization: string } {
  const half = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+')
  return { authorization: `Basic ${Buffer.from(`${half(clientId)}:${half(secret)}`).toString('base64')}` }
}

export interface ClientKeys {
  jwks: { keys: Record<string, unknown>[] }
  /** An assertion with these claims over the usual ones. */
  assertion: (claims: JWTPayload & Record<string, unknown>, header?: Record<string, unknown>) => Promise<string>
}

/** A client's own key, ES256. */
export function clientKeys(kid = 'k1'): ClientKeys {
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' }] },
    async assertion(claims, header = {}) {
      const key = await importJWK(privateKey.export({ format: 'jwk' }) as Parameters<typeof importJWK>[0], 'ES256')
      return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(key)
    },
  }
}

export interface OAuthHouse {
  /** Posts a form to an endpoint below /oauth. */
  post: (endpoint: string, fields: Form | string, headers?: Record<string, string>, node?: FastifyInstance) => Promise<LightMyRequestResponse>
  /** A client, let in by the administrator. */
  client: (body: object) => Promise<OAuthClientBody>
  /** A resource with scopes `read` (reports:read) and `write` (reports:write). */
  resource: (identifier: string, more?: object) => Promise<{ id: string; version: number }>
  /** `400 invalid_grant`, or the status alone. */
  outcome: (answer: LightMyRequestResponse | Promise<LightMyRequestResponse>) => Promise<string>
  /** An access token that a service has for itself. */
  token: (client: OAuthClientBody, fields?: Form) => Promise<string>
  /** What a gate rule of that audience says to a token: a status and an error code. */
  gate: (path: string, headers: Record<string, string>, node?: FastifyInstance) => Promise<LightMyRequestResponse>
}

export async function oauthHouse({ app, as }: Pick<TestApp, 'app' | 'as'>): Promise<OAuthHouse> {
  const admin = await as.admin()
  const house: OAuthHouse = {
    post: (endpoint, fields, headers = {}, node = app) => node.inject({
      method: 'POST', url: `/oauth/${endpoint}`, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload: typeof fields === 'string' ? fields : formOf(fields),
    }),
    client: async (body) => expectJson(await app.inject({ method: 'POST', url: '/api/v1/clients', headers: admin, payload: { name: 'An app', ...body } }), 201),
    resource: async (identifier, more = {}) => expectJson(await app.inject({
      method: 'POST', url: '/api/v1/resources', headers: admin,
      payload: { identifier, name: 'An API', scopes: [{ name: 'read', description: 'Read your reports', permissions: ['reports:read'] }, { name: 'write', description: 'Write reports', permissions: ['reports:write'] }], ...more },
    }), 201),
    async outcome(answer) {
      const { statusCode, body } = await answer
      const error = statusCode >= 400 && body.startsWith('{') ? (JSON.parse(body) as Partial<OAuthFailure>).error : undefined
      return error === undefined ? String(statusCode) : `${statusCode} ${error}`
    },
    async token({ clientId, clientSecret }, fields = {}) {
      return expectJson<{ access_token: string }>(await house.post('token', { grant_type: 'client_credentials', ...fields }, basic(clientId, clientSecret ?? '')), 200).access_token
    },
    gate: (path, headers, node = app) => node.inside.inject({
      url: '/gate/haproxy', headers: { host: 'gatehouse', ...headers, 'x-original-method': 'GET', 'x-original-host': 'api.example.com', 'x-original-uri': path, 'x-original-proto': 'https', 'x-original-address': '192.0.2.1' },
    }),
  }
  return house
}

export function claimsOf(token: string, part: 0 | 1 = 1): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString()) as Record<string, unknown>
}

/** What PKCE asks of a client. */
export function pkce(verifier = randomBytes(32).toString('base64url')): { verifier: string; challenge: string } {
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

export interface AuthorizeAnswer {
  /** the address that leads back to the client, its query read; null: it is a page of ours */
  back: URLSearchParams | null
  /** where a page of ours leads, or the page itself */
  location: string
  response: LightMyRequestResponse
}

/** A person in a browser: signs in, says yes, and is led back. */
export interface OAuthPerson {
  pages: Pages
  email: string
  /** Opens an authorization request. */
  open: (query: Form) => Promise<AuthorizeAnswer>
  /** The same, and does what the pages ask for until it is led back, or to a page that is none of these. */
  through: (query: Form, how?: { deny?: boolean; email?: string }) => Promise<AuthorizeAnswer>
  /** Signs in at the page alone. */
  signIn: () => Promise<void>
}

function answerOf(response: LightMyRequestResponse): AuthorizeAnswer {
  const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(response.body)?.[1]
  const location = (response.headers.location ?? refresh ?? '').replaceAll('&amp;', '&')
  const isOurs = location === '' || location.startsWith('/')
  return { response, location, back: isOurs ? null : new URL(location).searchParams }
}

export function personOf(app: FastifyInstance, email: string): OAuthPerson {
  const pages = pagesOf(app)
  const open: OAuthPerson['open'] = async (query) => answerOf(await pages.open(`/oauth/authorize?${formOf(query)}`))

  async function step({ location }: AuthorizeAnswer, { deny = false, email: as = email }: { deny?: boolean; email?: string }): Promise<AuthorizeAnswer | null> {
    if (location.startsWith('/ui/sign-in')) return answerOf(await pages.submit(location, { email: as, 'current-password': PASSWORD }))
    if (location.startsWith('/ui/step-up')) return answerOf(await pages.submit(location, { 'current-password': PASSWORD }))
    if (location.startsWith('/ui/consent')) {
      const version = /name="version" value="(\d+)"/.exec((await pages.open(location)).body)?.[1] ?? ''
      return answerOf(await pages.submit(location, { answer: deny ? 'no' : 'yes', version }))
    }
    return location.startsWith('/oauth/authorize') ? answerOf(await pages.open(location)) : null
  }

  return {
    pages, email, open,
    async through(query, how = {}) {
      let answer = await open(query)
      for (let steps = 0; steps < 8 && answer.back === null; steps += 1) {
        const next = await step(answer, how)
        if (next === null) break
        answer = next
      }
      return answer
    },
    async signIn() {
      await pages.submit('/ui/sign-in', { email, 'current-password': PASSWORD })
    },
  }
}

export interface TokenBody {
  access_token: string
  refresh_token?: string
  id_token?: string
  scope: string
  expires_in: number
}

/** An authorization request of a client, with what it needs to redeem its code. */
export function requestOf(client: OAuthClientBody, more: Form = {}): { query: Form; redeem: (code: string, over?: Form) => Form; verifier: string } {
  const { verifier, challenge } = pkce()
  return {
    verifier,
    query: { client_id: client.clientId, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid email', state: 'st', nonce: 'n-1', code_challenge: challenge, code_challenge_method: 'S256', ...more },
    redeem: (code, over = {}) => ({ grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier, ...over }),
  }
}

/** A browser at an app, over sockets: what it asks is sent its cookies, as a page that somebody opens, and leads nowhere by itself. */
export function browserOf(): (address: string, headers?: Record<string, string>) => Promise<Response> {
  const jar = new Map<string, string>()
  return async (address, more = {}) => {
    // fetch would say that a script asks
    const { statusCode, headers, body } = await request(address, { headers: { 'sec-fetch-mode': 'navigate', accept: 'text/html', ...more, cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') } })
    for (const line of [headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return new Response(await body.text(), { status: statusCode, headers: { location: String(headers['location'] ?? '') } })
  }
}

// OAuth as clients of tests speak it: forms by app.inject, assertions, and an API with scopes.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { importJWK, type JWTPayload, SignJWT } from 'jose'
import { expectJson, type TestApp } from './app.js'

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

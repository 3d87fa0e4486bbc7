// Another implementation beside ours (oidc-provider), for requests that something is wrong with: the same clients, the same question, and what each says in a
// word: where it is told, and by which error.
import { Provider } from 'oidc-provider'
import { serveOnLoopback } from './upstream.js'
import type { Teardown } from './database.js'

export const ORACLE_CALLBACK = 'https://app.example.com/cb'

/** `GET /authorize` and its like, as they stand at either. */
export interface Asked {
  endpoint: 'authorize' | 'token' | 'par' | 'introspect' | 'revoke' | 'userinfo'
  method?: 'GET' | 'POST'
  /** the query of a GET, the form of a POST */
  text: string
  headers?: Record<string, string>
}

export interface OracleClient {
  clientId: string
  clientSecret: string
}

export interface Oracle {
  issuer: string
  ask: (asked: Asked) => Promise<string>
}

const PATHS = { authorize: '/auth', token: '/token', par: '/request', introspect: '/token/introspection', revoke: '/token/revocation', userinfo: '/me' } as const

/** `redirect invalid_request`, `page`, `sign-in`, `400 invalid_grant`. */
export function wordOf(status: number, location: string | null, body: string): string {
  if (location !== null) {
    if (!location.startsWith(ORACLE_CALLBACK)) return 'sign-in'
    const { search, hash } = new URL(location)
    const error = new URLSearchParams(hash === '' ? search : hash.slice(1)).get('error')
    return `redirect ${error ?? 'code'}`
  }
  if (body.startsWith('{')) {
    const { error } = JSON.parse(body) as { error?: string }
    return error === undefined ? String(status) : `${status} ${error}`
  }
  return status >= 400 && body.includes('<') ? 'page' : String(status)
}

/** oidc-provider on loopback, with PKCE for all, pushed requests, resources and the endpoints that ours has. */
export async function startOracle(t: Teardown, { web, service }: { web: OracleClient; service: OracleClient }, api: string): Promise<Oracle> {
  const holder: { provider?: Provider } = {}
  const issuer = await serveOnLoopback(t, (request, response) => holder.provider?.callback()(request, response))
  const quiet = console.warn
  console.warn = () => undefined
  holder.provider = new Provider(issuer, {
    clients: [
      { client_id: web.clientId, client_secret: web.clientSecret, redirect_uris: [ORACLE_CALLBACK], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic' },
      { client_id: service.clientId, client_secret: service.clientSecret, redirect_uris: [], grant_types: ['client_credentials'], response_types: [], token_endpoint_auth_method: 'client_secret_basic' },
    ],
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
    scopes: ['openid', 'offline_access', 'email', 'profile', 'read'],
    features: {
      devInteractions: { enabled: false }, clientCredentials: { enabled: true }, introspection: { enabled: true }, revocation: { enabled: true }, pushedAuthorizationRequests: { enabled: true }, claimsParameter: { enabled: true },
      resourceIndicators: { enabled: true, defaultResource: () => undefined, getResourceServerInfo: (_context: unknown, identifier: string) => {
        if (identifier !== api) throw Object.assign(new Error('invalid_target'), { error: 'invalid_target', status: 400, statusCode: 400, expose: true, error_description: 'no' })
        return { scope: 'read', accessTokenFormat: 'jwt' }
      } },
    },
    cookies: { keys: ['a'] },
  })
  console.warn = quiet
  return {
    issuer,
    async ask({ endpoint, method = endpoint === 'authorize' || endpoint === 'userinfo' ? 'GET' : 'POST', text, headers = {} }) {
      const url = `${issuer}${PATHS[endpoint]}${method === 'GET' && text !== '' ? `?${text}` : ''}`
      const answer = await fetch(url, { method, redirect: 'manual', headers: { accept: endpoint === 'authorize' ? 'text/html' : 'application/json', ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}), ...headers }, ...(method === 'POST' ? { body: text } : {}) })
      return wordOf(answer.status, answer.headers.get('location'), await answer.text())
    },
  }
}

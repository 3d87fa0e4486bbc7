// A browser that signs in by another system, and an administrator who has set one up. Cookies are kept as a browser does, the way to the upstream
// goes over a socket, and what Gatehouse is asked by app.inject.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { type AuthorizationHeaders, expectJson, PASSWORD, type TestApp } from './app.js'
import { CLIENT_ID, CLIENT_SECRET } from './upstream.js'

export const PUBLIC_URL = 'http://localhost:3000'
/** a configuration that lets the upstreams of tests be asked */
export const FEDERATED = { publicUrl: PUBLIC_URL, outboundAllow: ['127.0.0.0/8'] }

export interface ProviderAnswer {
  id: string
  redirectUri: string
  version: number
}

/** The administrator, signed in anew: a test that moves the clock outlives a token. */
export async function freshAdmin({ app, as }: Pick<TestApp, 'app' | 'as'>): Promise<AuthorizationHeaders> {
  await as.admin()
  const { accessToken } = expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD, endOldest: true } }), 200)
  return as.bearer(accessToken)
}

/** A provider of that issuer, added by the administrator. */
export async function addProvider(house: Pick<TestApp, 'app' | 'as'>, issuer: string, more: object = {}): Promise<ProviderAnswer> {
  const payload = { kind: 'oidc', name: 'Upstream', issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, trustedEmailDomains: ['*'], ...more }
  return expectJson(await house.app.inject({ method: 'POST', url: '/api/v1/identity-providers', headers: await freshAdmin(house), payload }), 201)
}

export interface Landed {
  path: string
  /** of the query */
  federation: string | null
  error: string | null
  code: string | null
  response: LightMyRequestResponse
}

export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #app: FastifyInstance

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  async ask(options: InjectOptions): Promise<LightMyRequestResponse> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await this.#app.inject({ ...options, headers: { ...(cookie === '' ? {} : { cookie }), ...options.headers } })
    for (const { name, value } of response.cookies) {
      if (value === '') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return response
  }

  start(providerId: string, payload: object = {}): Promise<LightMyRequestResponse> {
    return this.ask({ method: 'POST', url: `/api/v1/auth/providers/${providerId}/start`, headers: { 'sec-fetch-site': 'same-origin' }, payload: { returnTo: '/app', ...payload } })
  }

  /** Begins to link, as who the headers say. */
  startLink(providerId: string, headers: AuthorizationHeaders): Promise<LightMyRequestResponse> {
    return this.ask({ method: 'POST', url: '/api/v1/me/identities', headers, payload: { providerId, returnTo: '/account' } })
  }

  /** Goes to the upstream, through what it redirects to itself, and comes to the URL that leads back. */
  async goTo(authorizationUrl: string): Promise<string> {
    const jar = new Map<string, string>()
    let url = authorizationUrl
    for (let hops = 0; hops < 8 && !url.startsWith(PUBLIC_URL); hops += 1) {
      const response = await fetch(url, { redirect: 'manual', headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') } })
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        jar.set(name, value)
      }
      const location = response.headers.get('location')
      if (location === null) throw new Error(`${response.status} at ${url}: ${await response.text()}`)
      url = new URL(location, url).href
    }
    return url.slice(PUBLIC_URL.length)
  }

  /** Follows the URL that leads back. */
  async comeBack(url: string): Promise<Landed> {
    const response = await this.ask({ url })
    const location = new URL(response.headers.location ?? '/none', PUBLIC_URL)
    return { path: location.pathname, federation: location.searchParams.get('federation'), error: location.searchParams.get('error'), code: location.searchParams.get('federation_code'), response }
  }

  /** All of it: out, there, and back. */
  async signIn(providerId: string, payload: object = {}): Promise<Landed> {
    const { authorizationUrl } = expectJson<{ authorizationUrl: string }>(await this.start(providerId, payload), 200)
    return this.comeBack(await this.goTo(authorizationUrl))
  }

  async link(providerId: string, headers: AuthorizationHeaders): Promise<Landed> {
    const { authorizationUrl } = expectJson<{ authorizationUrl: string }>(await this.startLink(providerId, headers), 200)
    return this.comeBack(await this.goTo(authorizationUrl))
  }

  redeem(code: string | null): Promise<LightMyRequestResponse> {
    return this.ask({ method: 'POST', url: '/api/v1/auth/providers/token', headers: { 'sec-fetch-site': 'same-origin' }, payload: { code: code ?? '' } })
  }

  /** Who is signed in here by cookie; null: nobody. */
  async whoIsIn(): Promise<{ id: string; email: string | null; name: string | null } | null> {
    const response = await this.ask({ url: '/api/v1/auth/session' })
    return response.statusCode === 200 ? response.json<{ user: { id: string; email: string | null; name: string | null } }>().user : null
  }
}

// What the OAuth rows ask of Gatehouse, each made ready against the running program, and what is wanted of it.
import { basic, FORM, newClient, type OAuthWorld, peopleClients, refreshTokens } from './oauth-world.js'
import type { Flow, Load } from './protocol.js'

export type Request = Omit<Load, 'connections' | 'seconds' | 'length'>

/** A request that is sent as it is, again and again. */
export interface RequestRow {
  name: string
  label: string
  /** which of the peer's requests is the same */
  theirs: 'token' | 'introspection' | 'discovery' | 'jwks'
  /** ratios to a bare Fastify and to the peer, and requests a second, that are wanted at least */
  bare: number
  peer?: number
  rate?: number
  prepare: (oauth: OAuthWorld) => Promise<Request>
}

/** Requests each of which takes what the last one gave. */
export interface FlowRow {
  name: string
  label: string
  theirs: 'refresh' | 'code' | null
  /** wanted at least, a second */
  rate: number
  /** wanted at most */
  p99Ms?: number
  prepare: (oauth: OAuthWorld) => Promise<Omit<Flow, 'seconds'>>
}

async function serviceToken({ world: { api } }: OAuthWorld, headers: Record<string, string>): Promise<string> {
  const response = await fetch(`${api.origin}/oauth/token`, { method: 'POST', headers, body: 'grant_type=client_credentials' })
  const { access_token: token } = (await response.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`The token endpoint answered ${response.status}`)
  return token
}

const reading = (path: string, markers: string[]) => async ({ world: { api } }: OAuthWorld): Promise<Request> => ({ url: `${api.origin}${path}`, method: 'GET', headers: {}, bodies: [], markers })

export const REQUEST_ROWS: readonly RequestRow[] = [
  {
    name: 'oauth-client-credentials', label: 'client_credentials', theirs: 'token', bare: 0.18, peer: 2, rate: 10_000,
    async prepare(oauth) {
      const service = await newClient(oauth, { kind: 'service', resources: [oauth.resource], scopes: ['read'] })
      return { url: `${oauth.world.api.origin}/oauth/token`, method: 'POST', headers: basic(service), bodies: ['grant_type=client_credentials'], markers: ['"access_token":"', '"token_type":"Bearer"'] }
    },
  },
  {
    name: 'oauth-introspection', label: 'introspection', theirs: 'introspection', bare: 0.65, peer: 4,
    async prepare(oauth) {
      const service = await newClient(oauth, { kind: 'service', resources: [oauth.resource], scopes: ['read'] })
      const reader = await newClient(oauth, { kind: 'resource', resources: [oauth.resource] })
      const token = await serviceToken(oauth, basic(service))
      return { url: `${oauth.world.api.origin}/oauth/introspect`, method: 'POST', headers: basic(reader), bodies: [`token=${token}`], markers: ['"active":true', `"client_id":"${service.clientId}"`] }
    },
  },
  { name: 'oauth-discovery', label: 'discovery', theirs: 'discovery', bare: 0.9, prepare: reading('/.well-known/openid-configuration', ['"issuer":"', '"jwks_uri":"']) },
  { name: 'oauth-jwks', label: 'JWKS', theirs: 'jwks', bare: 0.9, prepare: reading('/.well-known/jwks.json', ['"keys":[', '"alg":"EdDSA"']) },
]

const common = ({ world: { api } }: OAuthWorld) => ({ origin: api.origin, tokenPath: '/oauth/token', tokenHeaders: FORM })

const refreshing = (name: string, scope: string, markers: string[]) => async (oauth: OAuthWorld): Promise<Omit<Flow, 'seconds'>> => {
  const { clientId, tokens } = await refreshTokens(oauth, await peopleClients(oauth, 'RS256', scope))
  return { ...common(oauth), kind: 'refresh', name, authorizePaths: [], tokenBody: `grant_type=refresh_token&client_id=${clientId}`, credentials: tokens, markers: ['"refresh_token":"', ...markers] }
}

const redeeming = (algorithm: 'RS256' | 'ES256') => async (oauth: OAuthWorld): Promise<Omit<Flow, 'seconds'>> => {
  const { authorizePaths, tokenBody } = await peopleClients(oauth, algorithm, 'openid')
  return { ...common(oauth), kind: 'code', name: `code ${algorithm}`, authorizePaths, tokenBody, credentials: oauth.cookies, markers: ['"access_token":"', '"id_token":"'] }
}

export const FLOW_ROWS: readonly FlowRow[] = [
  { name: 'oauth-refresh', label: 'refresh', theirs: null, rate: 2_500, p99Ms: 40, prepare: refreshing('refresh', 'offline_access read', []) },
  { name: 'oauth-refresh-id-token', label: 'refresh with an id token, RS256', theirs: 'refresh', rate: 1_000, prepare: refreshing('refresh with an id token', 'openid offline_access', ['"id_token":"']) },
  { name: 'oauth-code-rs256', label: 'code flow, RS256', theirs: 'code', rate: 500, prepare: redeeming('RS256') },
  { name: 'oauth-code-es256', label: 'code flow, ES256', theirs: null, rate: 1_200, prepare: redeeming('ES256') },
]

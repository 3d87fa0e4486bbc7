// The conversation with a provider, by openid-client over the safe fetch: where the browser is sent, and what is believed of what it comes back with.
// Checked, each by the library or here: state, nonce, PKCE, `iss` of the answer (RFC 9207), the token's signature, issuer, audience, azp and times, and
// that /userinfo speaks of the same subject.
import {
  allowInsecureRequests, authorizationCodeGrant, buildAuthorizationUrl, calculatePKCECodeChallenge, clockTolerance, Configuration, customFetch, type CustomFetchOptions,
  enableNonRepudiationChecks, fetchUserInfo, getJwksCache, setJwksCache, type ServerMetadata,
} from 'openid-client'
import type { Clock } from '../kernel/clock.js'
import { type AppError, problem } from '../kernel/errors.js'
import { type Arrived, issuerOfTenant, subjectOf } from './claims-rules.js'
import { clientAuthentication } from './client-authentication.js'
import { readGithub } from './github.js'
import type { Known, ProviderMetadata } from './provider-metadata.js'
import type { ProviderRow } from './provider-store.js'
import { failureOf } from './upstream-failure.js'

/** What is kept of the way out, for the way back. */
export interface Secrets {
  state: string
  nonce: string
  verifier: string
}

export interface Upstream {
  /** Where to send the browser. Throws provider.unavailable, federation.refused. */
  authorizationUrl: (provider: ProviderRow, secrets: Secrets, asked: { redirectUri: string; isStepUp: boolean }) => Promise<string>
  /** Who came back, by the parameters of the way back. Throws provider.unavailable, federation.denied, federation.refused. */
  arrived: (provider: ProviderRow, clientSecret: string | null, secrets: Secrets, asked: { redirectUri: string; params: URLSearchParams }) => Promise<Arrived>
}

const CLOCKS_APART_SECONDS = 30
const TOKEN_TYPES = ['application/json', 'application/jwk-set+json', 'application/jwt']
// what an answer is read by; all else that providers add is nobody's business
const ANSWER = ['code', 'state', 'iss', 'error', 'error_description', 'error_uri']

const refused = (why: string): AppError => problem('federation.refused', { cause: new Error(why) })

/** The claims of a token that nobody has checked yet. */
function unchecked(token: unknown): Record<string, unknown> {
  const [, payload = ''] = typeof token === 'string' ? token.split('.') : []
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? claims as Record<string, unknown> : {}
  } catch {
    return {} // the library refuses it
  }
}

/** Of the keys of all tenants those that sign for one of these: a key that says for whom it is signs for nobody else. */
async function keysOf(answer: Response, issuers: readonly string[]): Promise<Response> {
  const said: unknown = await answer.json()
  const keys = typeof said === 'object' && said !== null && 'keys' in said && Array.isArray(said.keys) ? said.keys as { issuer?: unknown }[] : []
  return Response.json({ keys: keys.filter(({ issuer }) => issuer === undefined || (typeof issuer === 'string' && issuers.includes(issuer))) })
}

export function createUpstream({ metadata: known, clock }: { metadata: ProviderMetadata; clock: Clock }): Upstream {
  const asking = (provider: ProviderRow) => (url: string, { method, headers, body }: CustomFetchOptions): Promise<Response> => known.ask(provider, url, {
    method: method === 'POST' ? 'POST' : 'GET', headers, accept: TOKEN_TYPES, ...(body instanceof URLSearchParams ? { body: body.toString() } : {}),
  })

  async function configured(provider: ProviderRow, secret: string | null, metadata: ServerMetadata): Promise<Configuration> {
    const config = new Configuration(metadata, provider.clientId, { [clockTolerance]: CLOCKS_APART_SECONDS }, await clientAuthentication(provider, secret, metadata, clock))
    config[customFetch] = asking(provider)
    // a token is believed by its signature, not for having come over TLS
    if (provider.kind === 'oidc') enableNonRepudiationChecks(config)
    // where plain http may be asked at all is the safe fetch's to say
    allowInsecureRequests(config)
    return config
  }

  /**
   * Metadata for many tenants name no issuer but a template: which one it is stands in the token. The answer to the code is fetched first, read for its
   * tenant, and then judged like any other, by the issuer that follows.
   */
  async function ofTenant(provider: ProviderRow, secret: string | null, metadata: ServerMetadata, url: URL, checks: Parameters<typeof authorizationCodeGrant>[2]): Promise<Configuration> {
    const template = await configured(provider, secret, metadata)
    let answer: Response | undefined
    template[customFetch] = async (place, options) => {
      const fetched = await asking(provider)(place, options)
      answer = fetched.clone()
      return fetched
    }
    const bare = new URL(url)
    bare.searchParams.delete('iss')
    const failure: unknown = await authorizationCodeGrant(template, bare, checks).then(() => null, (error: unknown) => error)
    if (!answer || answer.status !== 200) throw failure ?? refused('no token was asked for')
    const body: unknown = await answer.json().catch(() => null)
    const issuer = issuerOfTenant(metadata.issuer, unchecked((body as { id_token?: unknown } | null)?.id_token)['tid'], provider.tenants)
    if (issuer === null) throw refused('the tenant may not come')
    const config = await configured(provider, secret, { ...metadata, issuer })
    const again = new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } })
    config[customFetch] = async (place, options) => {
      if (place === metadata.token_endpoint) return again
      const fetched = await asking(provider)(place, options)
      return place === metadata.jwks_uri && fetched.ok ? keysOf(fetched, [issuer, metadata.issuer]) : fetched
    }
    return config
  }

  async function readOidc(provider: ProviderRow, secret: string | null, { metadata, isMultiTenant, jwks }: Known, { state, nonce, verifier }: Secrets, url: URL): Promise<Arrived> {
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true }
    const config = isMultiTenant ? await ofTenant(provider, secret, metadata, url, { ...checks }) : await configured(provider, secret, metadata)
    // which keys count is another matter for each tenant
    if (!isMultiTenant && 'uat' in jwks) setJwksCache(config, jwks as never)
    const tokens = await authorizationCodeGrant(config, url, checks)
    if (!isMultiTenant) Object.assign(jwks, getJwksCache(config))
    const claims = { ...tokens.claims() } as Record<string, unknown>
    const subject = subjectOf(claims['sub'])
    if (subject === null) throw refused('the subject is none')
    // the library looks at azp where there are several audiences; one that names somebody else is wrong beside one audience, too
    if (claims['azp'] !== undefined && claims['azp'] !== provider.clientId) throw refused('the token was issued to another client')
    const lacksEmail = claims['email'] === undefined && provider.scopes.includes('email')
    const more = lacksEmail && metadata.userinfo_endpoint !== undefined ? await fetchUserInfo(config, tokens.access_token, subject) : {}
    return { issuer: String(claims['iss']), subject, claims: { ...more, ...claims }, isMultiTenant }
  }

  return {
    async authorizationUrl(provider, { state, nonce, verifier }, { redirectUri, isStepUp }) {
      try {
        const { metadata } = await known.find(provider)
        const config = await configured(provider, null, metadata)
        return buildAuthorizationUrl(config, {
          redirect_uri: redirectUri, scope: provider.scopes.join(' '), state, code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
          ...(provider.kind === 'oidc' ? { nonce } : {}), ...(provider.formPost ? { response_mode: 'form_post' } : {}), ...(isStepUp ? { prompt: 'login' } : {}),
        }).href
      } catch (error) {
        throw failureOf(error)
      }
    },
    async arrived(provider, clientSecret, secrets, { redirectUri, params }) {
      const url = new URL(redirectUri)
      for (const [name, value] of params) if (ANSWER.includes(name)) url.searchParams.append(name, value)
      try {
        const found = await known.find(provider)
        if (provider.kind === 'oidc') return await readOidc(provider, clientSecret, found, secrets, url)
        const config = await configured(provider, clientSecret, found.metadata)
        const tokens = await authorizationCodeGrant(config, url, { expectedState: secrets.state, pkceCodeVerifier: secrets.verifier })
        return await readGithub(provider, (place, options) => known.ask(provider, place, options), tokens.access_token)
      } catch (error) {
        throw failureOf(error)
      }
    },
  }
}

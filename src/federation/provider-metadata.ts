// What a provider says of itself (OpenID Connect Discovery), kept for an hour; while the provider is away, for a day. Its addresses are judged like the
// one they came from, and a provider that keeps failing is left alone for a while, so that sign-ins do not pile up waiting for it.
import { circuitBreaker, type CircuitBreakerPolicy, ConsecutiveBreaker, handleAll } from 'cockatiel'
import type { ServerMetadata } from 'openid-client'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Outbound, OutboundRequest } from '../outbound/index.js'
import { isTemplateOf } from './claims-rules.js'
import type { ProviderRow } from './provider-store.js'
import { isAway, UpstreamFault } from './upstream-failure.js'

export interface Known {
  metadata: ServerMetadata
  isMultiTenant: boolean
  /** what openid-client keeps of the provider's keys: for five minutes, or until a token names one that is not among them */
  jwks: object
}

export interface ProviderMetadata {
  /** Throws provider.unavailable, and federation.refused for metadata that cannot be right. */
  find: (provider: ProviderRow) => Promise<Known>
  /** Asks a provider for something, unless it has failed five times in a row just now. */
  ask: (provider: Pick<ProviderRow, 'id'>, url: string, options: OutboundRequest) => Promise<Response>
}

interface Entry extends Known {
  issuer: string
  freshUntilMs: number
  usableUntilMs: number
}

const FRESH_MS = 3_600_000
const USABLE_MS = 24 * FRESH_MS
const MOST_PROVIDERS = 100
const MOST_METADATA = 128 * 1024
const FAILURES = 5
const LEFT_ALONE_MS = 15_000
const ENDPOINTS = ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint'] as const
const NEEDED: readonly string[] = ['authorization_endpoint', 'token_endpoint', 'jwks_uri']

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isList = (value: unknown): value is string[] => Array.isArray(value) && value.every((one) => typeof one === 'string')

/** Of a document somebody else wrote, what is read of it here, each in its type. */
function readMetadata(said: unknown, configured: string): { metadata: ServerMetadata; isMultiTenant: boolean } {
  if (!isObject(said) || typeof said['issuer'] !== 'string') throw problem('federation.refused', { cause: new Error('the metadata are none') })
  const { issuer } = said
  const isMultiTenant = isTemplateOf(configured, issuer)
  if (issuer !== configured && !isMultiTenant) throw problem('federation.refused', { cause: new Error('the metadata are of another issuer') })
  const metadata: { -readonly [K in keyof ServerMetadata]: ServerMetadata[K] } = { issuer }
  for (const name of ENDPOINTS) {
    const url = said[name]
    if (typeof url === 'string') metadata[name] = url
    else if (NEEDED.includes(name)) throw problem('federation.refused', { cause: new Error(`the metadata have no ${name}`) })
  }
  for (const name of ['id_token_signing_alg_values_supported', 'token_endpoint_auth_methods_supported'] as const) {
    const list = said[name]
    if (isList(list)) metadata[name] = list
  }
  if (said['authorization_response_iss_parameter_supported'] === true) metadata.authorization_response_iss_parameter_supported = true
  return { metadata, isMultiTenant }
}

/** What is known of GitHub without asking: it has no metadata to be had for a browser's sign-in. */
function githubMetadata(issuer: string): ServerMetadata {
  return { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/access_token`, token_endpoint_auth_methods_supported: ['client_secret_post'] }
}

/** Kept as the newest; of more than there may be, the oldest goes: providers that are deleted leave nothing behind for ever. */
function remember<T>(map: Map<string, T>, id: string, value: T): T {
  map.delete(id)
  map.set(id, value)
  const [oldest] = map.keys()
  if (map.size > MOST_PROVIDERS && oldest !== undefined) map.delete(oldest)
  return value
}

export function createProviderMetadata({ outbound, clock }: { outbound: Outbound; clock: Clock }): ProviderMetadata {
  const entries = new Map<string, Entry>()
  const breakers = new Map<string, CircuitBreakerPolicy>()
  const loading = new Map<string, Promise<Entry>>()

  async function ask({ id }: Pick<ProviderRow, 'id'>, url: string, options: OutboundRequest): Promise<Response> {
    const breaker = breakers.get(id) ?? remember(breakers, id, circuitBreaker(handleAll, { halfOpenAfter: LEFT_ALONE_MS, breaker: new ConsecutiveBreaker(FAILURES) }))
    const answer = await breaker.execute(async () => {
      const got = await outbound.fetch(url, { ...options, way: 'providers' })
      // a code of a stranger's making may be more than a provider bears: what is posted keeps nobody else out
      if (got.status >= 500 && options.method !== 'POST') throw new UpstreamFault(got.status)
      return got
    })
    if (answer.status >= 500) throw new UpstreamFault(answer.status)
    return answer
  }

  async function load(provider: ProviderRow): Promise<Entry> {
    const { issuer } = provider
    const place = issuer.replace(/\/$/, '')
    const answer = await ask(provider, `${place}/.well-known/openid-configuration`, { accept: ['application/json'], mostBytes: MOST_METADATA })
    if (answer.status !== 200) throw problem('provider.unavailable', { cause: new Error(`the metadata are answered ${answer.status}`) })
    const read = readMetadata(await answer.json().catch((cause: unknown) => { throw problem('federation.refused', { cause }) }), issuer)
    for (const name of ENDPOINTS) if (read.metadata[name] !== undefined) outbound.check(read.metadata[name])
    const nowMs = clock.now()
    return { ...read, issuer, jwks: {}, freshUntilMs: nowMs + FRESH_MS, usableUntilMs: nowMs + USABLE_MS }
  }

  return {
    ask,
    async find(provider) {
      const { id, kind, issuer } = provider
      if (kind === 'github') return { metadata: githubMetadata(issuer), isMultiTenant: false, jwks: {} }
      const known = entries.get(id)
      const isUsable = known?.issuer === issuer && clock.now() < known.usableUntilMs
      if (isUsable && clock.now() < known.freshUntilMs) return known
      let pending = loading.get(id)
      if (!pending) loading.set(id, pending = load(provider).finally(() => loading.delete(id)))
      try {
        return remember(entries, id, await pending)
      } catch (error) {
        if (isUsable && isAway(error)) return known
        throw error
      }
    },
  }
}

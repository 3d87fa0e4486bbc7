// How a client proves who it is (RFC 6749 2.3, RFC 7523): by the one way that it is registered with, and by one way at a time. Whatever is wrong is
// invalid_client, and nothing says which part of it.
import type { Clock } from '../kernel/clock.js'
import { equalBytes, sha256 } from '../kernel/secrets.js'
import { ASSERTION_TYPE, judgeAssertion } from './assertion-rules.js'
import type { ClientDirectory, KnownClient } from './client-directory.js'
import type { KeyDirectory } from './key-directory.js'
import type { ClientKey, SignatureAlgorithm } from './key-set-rules.js'
import { OAuthError } from './oauth-error.js'
import type { Parameters } from './parameters.js'
import type { UsedStore } from './used-store.js'

export interface ClientAuthentication {
  /** The client of a request. `authorization`: its header. Throws OAuthError invalid_client (401) and invalid_request. */
  authenticate: (authorization: string | undefined, parameters: Parameters) => KnownClient | Promise<KnownClient>
}

export interface ClientAuthenticationDeps {
  directory: ClientDirectory
  keys: KeyDirectory
  used: UsedStore
  clock: Clock
  issuer: () => string
}

// RFC 7617: one space, token68
const BASIC = /^basic ([A-Za-z0-9+/]+={0,2})$/i
const MOST_ASSERTION = 8_192

const wrong = (authenticate?: string, cause?: string): OAuthError => new OAuthError('invalid_client', 'The client is unknown, or has not proven who it is', {
  status: 401, ...(authenticate === undefined ? {} : { authenticate }), ...(cause === undefined ? {} : { cause: new Error(cause) }),
})

/** A half of what RFC 6749 2.3.1 puts into Basic: encoded as a form is, before it is joined by a colon. */
function formDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}

/** Client and secret of an Authorization header. Throws invalid_client. */
function readBasic(header: string): { clientId: string; secret: string } {
  const encoded = BASIC.exec(header)?.[1]
  const text = encoded === undefined ? '' : new TextDecoder('utf-8', { fatal: false }).decode(Buffer.from(encoded, 'base64'))
  const at = text.indexOf(':')
  const [clientId, secret] = at < 0 || text.includes('\ufffd') ? [null, null] : [formDecoded(text.slice(0, at)), formDecoded(text.slice(at + 1))]
  if (clientId === null || secret === null || clientId === '') throw wrong('Basic realm="gatehouse"')
  return { clientId, secret }
}

/** Has the client's key signed it, by that algorithm (RFC 7515 5.2)? */
async function isSigned({ key }: ClientKey, algorithm: SignatureAlgorithm, assertion: string): Promise<boolean> {
  const { compactVerify } = await import('jose')
  return compactVerify(assertion, key, { algorithms: [algorithm] }).then(() => true, () => false)
}

function objectOf(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function requireMethod(client: KnownClient | null, method: KnownClient['authMethod'], challenge?: string): KnownClient {
  if (client === null || !client.enabled || client.authMethod !== method) throw wrong(challenge)
  return client
}

const TYPES = new Set(['JWT', 'jwt', 'client-authentication+jwt'])
const ALGORITHMS = new Set<unknown>(['RS256', 'PS256', 'ES256', 'EdDSA'])

export function createClientAuthentication({ directory, keys, used, clock, issuer }: ClientAuthenticationDeps): ClientAuthentication {
  function bySecret(client: KnownClient | null, method: KnownClient['authMethod'], secret: string, challenge?: string): KnownClient {
    const known = requireMethod(client, method, challenge)
    const given = sha256(secret)
    const nowMs = clock.now()
    let isRight = false
    // all of them, so that no time tells which
    for (const { hash, expiresAtMs } of known.secrets) if (equalBytes(hash, given) && (expiresAtMs === null || expiresAtMs > nowMs)) isRight = true
    if (!isRight) throw wrong(challenge)
    return known
  }

  /** `after` of what may have to be waited for. */
  function withClient(clientId: string, after: (client: KnownClient | null) => KnownClient): KnownClient | Promise<KnownClient> {
    const found = directory.client(clientId)
    return found instanceof Promise ? found.then(after) : after(found)
  }

  async function byAssertion(parameters: Parameters): Promise<KnownClient> {
    if (parameters.get('client_assertion_type') !== ASSERTION_TYPE) throw wrong(undefined, 'its type is not known')
    const assertion = parameters.get('client_assertion')
    const [head = '', body = '', signature = '', ...rest] = assertion.split('.')
    if (rest.length > 0 || signature === '' || assertion.length > MOST_ASSERTION) throw wrong(undefined, 'it is no signed JWT')
    const [header, claims] = [objectOf(head), objectOf(body)]
    const clientId = typeof claims['sub'] === 'string' ? claims['sub'] : ''
    if (parameters.has('client_id') && parameters.get('client_id') !== clientId) throw wrong(undefined, 'client_id is another')
    const client = requireMethod(await directory.client(clientId), 'private_key_jwt')
    const { alg, typ, kid, crit } = header
    if (!ALGORITHMS.has(alg) || crit !== undefined || (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ)))) throw wrong(undefined, 'its header is not one that is taken')
    const candidates = await keys.keys(client, typeof kid === 'string' ? kid : undefined)
    const algorithm = alg as SignatureAlgorithm
    const signed = await Promise.all(candidates.filter((key) => key.algorithms.includes(algorithm)).map((key) => isSigned(key, algorithm, assertion)))
    if (!signed.some(Boolean)) throw wrong(undefined, 'no key of the client has signed it')
    const judged = judgeAssertion(claims, { clientId, audience: issuer(), nowMs: clock.now() })
    if (typeof judged === 'string') throw wrong(undefined, judged)
    // on whatever node it comes first, it comes once (RFC 7523 3, item 7)
    if (!(await used.use(sha256(`assertion ${client.id} ${judged.jti}`), new Date(judged.expiresAtMs)))) throw wrong(undefined, 'it was used before')
    return client
  }

  return {
    authenticate(authorization, parameters) {
      const ways = [authorization !== undefined, parameters.has('client_secret'), parameters.has('client_assertion') || parameters.has('client_assertion_type')].filter(Boolean)
      if (ways.length > 1) throw new OAuthError('invalid_request', 'The client proves who it is in more than one way')
      if (authorization !== undefined) {
        const { clientId, secret } = readBasic(authorization)
        if (parameters.has('client_id') && parameters.get('client_id') !== clientId) throw new OAuthError('invalid_request', 'client_id is another than in Authorization')
        return withClient(clientId, (client) => bySecret(client, 'client_secret_basic', secret, 'Basic realm="gatehouse"'))
      }
      if (parameters.has('client_assertion') || parameters.has('client_assertion_type')) return byAssertion(parameters)
      const clientId = parameters.get('client_id')
      if (clientId === '') throw wrong(undefined, 'no client is named')
      if (parameters.has('client_secret')) return withClient(clientId, (client) => bySecret(client, 'client_secret_post', parameters.get('client_secret')))
      return withClient(clientId, (client) => requireMethod(client, 'none'))
    },
  }
}

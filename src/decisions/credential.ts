// The one grammar of credentials in a request. Pure: headers in, at most one credential out. Strict: what it does not
// know it refuses, and two credentials are never weighed against each other.
import { problem } from '../kernel/errors.js'

export interface Credential {
  kind: 'token' | 'cookie' | 'key'
  value: string
  /** its name in the decision cache; the authorizer writes it down when it has worked it out */
  name?: string
}

export interface CredentialHeaders {
  authorization: string | undefined
  apiKey: string | undefined
  /** the session cookie's value */
  cookie: string | undefined
}

// RFC 6750 2.1: one space, one b64token; the scheme's case does not matter (RFC 9110 11.1)
const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The request's credential, or null. `Authorization: Bearer` carries an access token (three dot-separated parts) or an API key.
 * Throws credentials.malformed (another scheme or form) and credentials.ambiguous (more than one).
 */
export function findCredential({ authorization, apiKey, cookie }: CredentialHeaders): Credential | null {
  const found: Credential[] = []
  if (authorization !== undefined) {
    const value = BEARER.exec(authorization)?.[1]
    if (value === undefined) throw problem('credentials.malformed', { detail: 'Use Authorization: Bearer <access token or API key>' })
    found.push({ kind: value.includes('.') ? 'token' : 'key', value })
  }
  if (apiKey !== undefined) found.push({ kind: 'key', value: apiKey })
  if (cookie !== undefined) found.push({ kind: 'cookie', value: cookie })
  if (found.length > 1) throw problem('credentials.ambiguous', { detail: 'Send one of Authorization, X-API-Key and the session cookie' })
  return found[0] ?? null
}

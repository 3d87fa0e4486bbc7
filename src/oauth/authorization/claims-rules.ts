// The `claims` parameter (OpenID Connect Core 5.5): claims that are asked for by name. Each is one that a scope tells anyhow, so it is that scope which is asked
// for and consented to; those for the id token are put in there. Pure.
import { OAuthError } from '../../clients/index.js'

/** Which claims a scope tells (OpenID Connect Core 5.4), of those there are here. */
export const CLAIMS_OF = { profile: ['name', 'updated_at', 'locale'], email: ['email', 'email_verified'] } as const

export interface AskedClaims {
  /** names for the id token */
  idToken: string[]
  /** scopes that tell what was asked for */
  scopes: string[]
  /** values of acr of which one must be met; empty: none must */
  essentialAcr: string[]
}

const MOST_CHARACTERS = 4_000
const NOTHING: AskedClaims = { idToken: [], scopes: [], essentialAcr: [] }

type Member = Record<string, unknown>

const isObject = (value: unknown): value is Member => typeof value === 'object' && value !== null && !Array.isArray(value)

function membersOf(claims: Member, name: string): Member {
  const value = claims[name]
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw new OAuthError('invalid_request', `claims.${name} must be an object`)
  return value
}

function essentialAcrOf({ acr }: Member): string[] {
  if (!isObject(acr) || acr['essential'] !== true) return []
  const list: unknown[] = Array.isArray(acr['values']) ? acr['values'] : []
  const values = [...list, acr['value']]
  return values.filter((one): one is string => typeof one === 'string')
}

/** Throws OAuthError invalid_request. */
export function readClaims(text: string): AskedClaims {
  if (text === '') return NOTHING
  if (text.length > MOST_CHARACTERS) throw new OAuthError('invalid_request', 'claims is too long')
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    throw new OAuthError('invalid_request', 'claims is not JSON')
  }
  if (!isObject(read)) throw new OAuthError('invalid_request', 'claims must be an object')
  const [idToken, userinfo] = [membersOf(read, 'id_token'), membersOf(read, 'userinfo')]
  const names = new Set([...Object.keys(idToken), ...Object.keys(userinfo)])
  const known: readonly string[] = Object.values(CLAIMS_OF).flat()
  return {
    idToken: Object.keys(idToken).filter((name) => known.includes(name)),
    scopes: Object.entries(CLAIMS_OF).flatMap(([scope, claims]) => (claims.some((one) => names.has(one)) ? [scope] : [])),
    essentialAcr: essentialAcrOf(idToken),
  }
}

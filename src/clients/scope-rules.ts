// Scopes: how they are written (RFC 6749 3.3), which of them say something about a person (OpenID Connect Core 5.4), and what the others are worth. Pure.
import { holds, lacking } from '../kernel/permissions.js'

export interface ResourceScope {
  name: string
  /** shown to whoever is asked for consent */
  description: string
  /** of the application: what the scope is worth, to who holds it */
  permissions: string[]
}

/** What says who somebody is, and `offline_access`: a refresh token that outlives the sign-in. */
export const IDENTITY_SCOPES = ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'] as const

export const SCOPE_PATTERN = '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$'
export const SCOPE_LENGTH = 100
/** A text of scopes is no longer than that, however many there are. */
export const SCOPES_LENGTH = 2_000
const FORM = new RegExp(SCOPE_PATTERN)

/** The scopes of a text, each once, in its order. Null: it is none. */
export function parseScope(text: string): string[] | null {
  if (text.length > SCOPES_LENGTH) return null
  const names = text.split(' ').filter((one) => one !== '')
  return names.every((name) => name.length <= SCOPE_LENGTH && FORM.test(name)) ? [...new Set(names)] : null
}

export function isIdentityScope(name: string): boolean {
  return (IDENTITY_SCOPES as readonly string[]).includes(name)
}

/** What of an API matters here. */
export interface ScopedApi {
  scopes: readonly ResourceScope[]
  openToAll: boolean
}

/**
 * The names of the scopes that a client may have of an API within what its organization is entitled to (null: it has none, and may have all). One that is worth more is not had in part:
 * whoever reads a token by itself sees its name alone. One that is worth no permission is measured by no entitlement: where the API is not open to all, it is an operator's to give.
 */
export function scopesWithin({ scopes, openToAll }: ScopedApi, entitlement: readonly string[] | null): string[] {
  const isWithin = ({ permissions }: ResourceScope): boolean => entitlement === null || (permissions.length === 0 ? openToAll : lacking(entitlement, permissions).length === 0)
  return scopes.filter(isWithin).map(({ name }) => name)
}

/** Is there anything at an API for a client of an organization? Its name alone opens what asks for no scope. */
export function isWithinReach(api: ScopedApi, entitlement: readonly string[] | null): boolean {
  return entitlement === null || api.openToAll || scopesWithin(api, entitlement).length > 0
}

/** What a resource's scopes of these names are worth, each permission once. */
export function permissionsOf(scopes: readonly ResourceScope[], names: readonly string[]): string[] {
  return [...new Set(scopes.flatMap(({ name, permissions }) => (names.includes(name) ? permissions : [])))]
}

/** The scopes that permit, as they are now, what the ones of their names did not: nobody has consented to that. A new name was consented to by nobody. */
export function widenedScopes(before: readonly ResourceScope[], now: readonly ResourceScope[]): string[] {
  const had = new Map(before.map(({ name, permissions }) => [name, permissions]))
  return now.filter(({ name, permissions }) => {
    const known = had.get(name)
    return known !== undefined && permissions.some((permission) => !holds(known, permission))
  }).map(({ name }) => name)
}

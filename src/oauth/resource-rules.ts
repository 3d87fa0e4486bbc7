// Which API a token is to be for, and which of its scopes a client may have there. Pure.
import { isWithinReach, type KnownClient, type KnownResource, OAuthError, parseScope, scopesWithin } from '../clients/index.js'

/** May a client ask for a resource at all: one it was let in to, and its organization is entitled to something of, or, where nobody vouched for it, one that is open to all? */
export function mayAskFor({ registration, resources, entitlement }: Pick<KnownClient, 'registration' | 'resources' | 'entitlement'>, resource: Pick<KnownResource, 'identifier' | 'openToAll' | 'scopes'>): boolean {
  return isWithinReach(resource, entitlement) && (resources.includes(resource.identifier) || (registration !== 'administrator' && resource.openToAll))
}

/** The scopes of a resource that a client may have. */
export function scopesAt(client: Pick<KnownClient, 'registration' | 'resources' | 'scopes' | 'entitlement'>, resource: KnownResource): string[] {
  if (!mayAskFor(client, resource)) return []
  const names = scopesWithin(resource, client.entitlement)
  return client.registration !== 'administrator' && resource.openToAll ? names : names.filter((name) => client.scopes.includes(name))
}

/** The scopes of a text. Throws OAuthError invalid_scope. */
export function readScope(text: string): string[] {
  const scopes = parseScope(text)
  if (scopes === null) throw new OAuthError('invalid_scope', 'The scope is not a list of names')
  return scopes
}

// Which API a token is to be for, and which of its scopes a client may have there. Pure.
import { isWithin, type KnownClient, type KnownResource, OAuthError, parseScope } from '../clients/index.js'

/** May a client ask for a resource at all: one it was let in to, or, where nobody vouched for it, one that is open to all? */
export function mayAskFor({ registration, resources }: Pick<KnownClient, 'registration' | 'resources'>, { identifier, openToAll }: Pick<KnownResource, 'identifier' | 'openToAll'>): boolean {
  return resources.includes(identifier) || (registration !== 'administrator' && openToAll)
}

/** The scopes of a resource that a client may have. */
export function scopesAt(client: Pick<KnownClient, 'registration' | 'resources' | 'scopes' | 'entitlement'>, resource: KnownResource): string[] {
  if (!mayAskFor(client, resource)) return []
  const names = resource.scopes.filter((scope) => isWithin(scope, client.entitlement)).map(({ name }) => name)
  return client.registration !== 'administrator' && resource.openToAll ? names : names.filter((name) => client.scopes.includes(name))
}

/** The scopes of a text. Throws OAuthError invalid_scope. */
export function readScope(text: string): string[] {
  const scopes = parseScope(text)
  if (scopes === null) throw new OAuthError('invalid_scope', 'The scope is not a list of names')
  return scopes
}

// An access token of an OAuth client as it was found: for which audience, by which scopes, and what stands behind it now. A token opens what was asked for,
// consented to, and is still allowed to its client, within what its user holds at this moment; and only at its audience. Pure.
import { isIdentityScope, isWithinReach, permissionsOf, type ScopedApi, scopesWithin } from '../clients/index.js'
import { intersection } from '../kernel/permissions.js'
import { type Bound, type Limit, limitsOfOwner } from '../limits/index.js'
import type { Principal } from '../kernel/principal.js'
import type { ClientToken } from '../tokens/index.js'
import type { Found } from './decision-cache.js'
import { foundSession, type SessionFacts, type Snapshot } from './entry.js'

/** What a client is and may ask for, as far as one of its tokens is concerned. */
export interface ClientFacts {
  clientRowId: string
  enabled: boolean
  /** may it act for itself (client_credentials)? */
  actsAlone: boolean
  clientScopes: readonly string[]
  /** may it ask for any scope of the resource, as one that nobody vouched for may of what is open to all? */
  isOpen: boolean
  /** the resource that is the token's audience, if it may still ask for that; null: none */
  resource: (ScopedApi & { id: string }) | null
  /** the organization that owns the client: that is enabled only while it is active; null: none */
  organization: { id: string; entitlement: readonly string[]; limits: readonly Limit[] } | null
  /** was this very token revoked? */
  revoked: boolean
}

/** Of a token that somebody's grant stands behind. */
export interface GrantFacts extends ClientFacts {
  session: SessionFacts
  /** what was consented to */
  scopes: readonly string[]
  /** the sign-in that it hangs on; null: it is of an offline grant, and hangs on none */
  parent: { id: string; isLive: boolean; expiresAtMs: number; lastSeenAtMs: number } | null
}

/** What a decision about a token asks for, beside permissions. */
export interface TokenEntry {
  clientId: string
  clientRowId: string
  subject: string
  audience: string
  scopes: readonly string[]
  tokenId: string
  issuedAtMs: number
  expiresAtMs: number
  /** of a client that acts for itself: the limits of the organization that owns it, as charges of cost 1; null: nothing */
  bound: Bound | null
}

/** What the client may ask for at the token's audience now. Null: nothing there. */
function allowedOf({ clientScopes, isOpen, resource, organization }: ClientFacts, isUserinfo: boolean): ((scope: string) => boolean) | null {
  if (isUserinfo) return (scope) => isIdentityScope(scope) && clientScopes.includes(scope)
  const entitlement = organization?.entitlement ?? null
  if (resource === null || !isWithinReach(resource, entitlement)) return null
  const names = scopesWithin(resource, entitlement)
  return (scope) => names.includes(scope) && (isOpen || clientScopes.includes(scope))
}

function entryOf({ clientId, subject, audience, tokenId, issuedAt, expiresAt }: ClientToken, clientRowId: string, scopes: readonly string[]): TokenEntry {
  return { clientId, clientRowId, subject, audience, scopes, tokenId, issuedAtMs: issuedAt.getTime(), expiresAtMs: expiresAt.getTime(), bound: null }
}

/** A token that a client has for itself. Null: it opens nothing, whatever is asked for. */
export function foundClientToken({ entry: facts, asOf }: Snapshot<ClientFacts>, token: ClientToken): Found | null {
  const { clientRowId, enabled, actsAlone, resource, revoked, organization } = facts
  const allowed = allowedOf(facts, false)
  if (!enabled || !actsAlone || revoked || allowed === null || resource === null) return null
  const scopes = token.scopes.filter(allowed)
  const principal: Principal = Object.freeze({
    type: 'client', id: clientRowId, clientId: token.clientId, audience: token.audience, scopes, permissions: permissionsOf(resource.scopes, scopes), authenticatedBy: 'token',
    ...(organization ? { organizationId: organization.id } : {}),
  })
  const bound = organization && limitsOfOwner({ ownerId: organization.id, ownerLimits: organization.limits })
  const entry = { ...entryOf(token, clientRowId, scopes), bound: bound && bound.charges.length > 0 ? bound : null }
  return { key: null, session: null, token: entry, principal, ids: [clientRowId, resource.id, token.tokenId, ...(organization ? [organization.id] : [])], asOf, endsAtMs: token.expiresAt.getTime() }
}

/** A token that a client has of a person. `userinfo`: the audience of tokens that say who somebody is. Null like above. */
export function foundGrantToken({ entry: facts, asOf }: Snapshot<GrantFacts>, token: ClientToken, { idleMs, userinfo }: { idleMs: number; userinfo: string }): Found | null {
  const { clientRowId, enabled, resource, revoked, session, parent, organization } = facts
  const isUserinfo = token.audience === userinfo
  const allowed = allowedOf(facts, isUserinfo)
  // a role that asks for a second factor now is not satisfied by what was proven without one
  if (!enabled || revoked || allowed === null || session.wantsMfa || session.userId !== token.subject || parent?.isLive === false) return null
  const scopes = token.scopes.filter((scope) => facts.scopes.includes(scope) && allowed(scope))
  const permissions = intersection(resource === null || isUserinfo ? [] : permissionsOf(resource.scopes, scopes), session.permissions)
  const parentEndsMs = parent === null ? Infinity : Math.min(parent.expiresAtMs, parent.lastSeenAtMs + idleMs)
  const notAfterMs = Math.min(token.expiresAt.getTime(), parentEndsMs)
  const found = foundSession({ entry: { ...session, permissions, expiresAtMs: Math.min(session.expiresAtMs, parentEndsMs) }, asOf }, 'token', idleMs, notAfterMs)
  const principal: Principal = Object.freeze({ ...found.principal, clientId: token.clientId, audience: token.audience, scopes })
  const ids = [...found.ids, clientRowId, token.tokenId, ...(parent === null ? [] : [parent.id]), ...(resource === null ? [] : [resource.id]), ...(organization ? [organization.id] : [])]
  return { ...found, principal, token: entryOf(token, clientRowId, scopes), ids }
}

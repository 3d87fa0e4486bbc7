// A credential as it was found (status facts, no judgement), and the pure decisions over it. Resolving may be slow or
// cached; deciding is a function of entry, time and what is wanted, so a cached entry is judged anew every time.
import { impersonatedPermissions } from '../authority/index.js'
import type { Acr } from '../kernel/assurance.js'
import type { Metadata } from '../keys/index.js'
import { type Bound, type Limit, limitsOfKey, limitsOfOwner, planOf } from '../limits/index.js'
import type { ClientFacts, GrantFacts } from './client-token-entry.js'
import type { Found } from './decision-cache.js'
import { createShare } from '../kernel/shared.js'
import { createNetworkTest } from '../kernel/networks.js'
import { holds, intersection, isOfGatehouse } from '../kernel/permissions.js'
import { type Principal, UNTIL_MFA } from '../kernel/principal.js'

/** A key as it stands in the database. */
export interface KeyFacts {
  keyId: string
  /** a user, or an organization */
  ownerId: string
  isOrganizations: boolean
  ownerActive: boolean
  name: string
  permissions: string[]
  metadata: Metadata
  revoked: boolean
  /** the earlier of the seller's and the owner's end; null: never */
  expiresAtMs: number | null
  /** what the owner's roles permit, for a bound key, or what the organization that owns it is entitled to; null: what is written holds by itself */
  ownerPermissions: readonly string[] | null
  /** of the owner: a change of one is a change of the key */
  roles: readonly string[]
  /** of the seller and of the owner, both apply; empty: from anywhere */
  addresses: readonly string[]
  ownerAddresses: readonly string[]
  limitGroupId: string
  limits: readonly Limit[]
  /** those that all keys and sessions of the owner share */
  ownerLimits: readonly Limit[]
  /** the limits of those roles that have some, as they are stored */
  plans: readonly unknown[]
}

/** With what every answer needs, worked out once. */
export interface KeyEntry extends Omit<KeyFacts, 'limits' | 'ownerLimits' | 'ownerPermissions' | 'roles' | 'plans' | 'addresses' | 'ownerAddresses'> {
  /** may it be used from there? null: from anywhere */
  allowsFrom: ((address: string) => boolean) | null
  /** ISO 8601 */
  expiresAt: string | null
  /** all limits, as charges of cost 1 */
  bound: Bound
  /** where plugins/http/verification.ts keeps what it wrote of this entry: the entry's own, so that it goes with it */
  answer: PreparedAnswer
}

/** The part of an answer that is the same as long as its entry is. */
export interface PreparedAnswer {
  /** empty until it is first asked for */
  text: string
}

export interface SessionFacts {
  sessionId: string
  userId: string
  userActive: boolean
  permissions: readonly string[]
  roles: readonly string[]
  ended: boolean
  expiresAtMs: number
  lastSeenAtMs: number
  acr: Acr
  authTimeMs: number
  /** does a role ask for a second factor that this session lacks? */
  wantsMfa: boolean
  ownerLimits: readonly Limit[]
  plans: readonly unknown[]
  /** who acts for the user in it, as they are now; null: nobody */
  actor: ActorFacts | null
  /** that they act in, as a member of it; null: in none, or not any more */
  organization: OrganizationFacts | null
}

/** Somebody without a credential: what they may do is asked about. */
export interface PersonFacts {
  userId: string
  active: boolean
  permissions: readonly string[]
  roles: readonly string[]
  organization: OrganizationFacts | null
}

/** An active organization, and what somebody is in it. */
export interface OrganizationFacts {
  id: string
  entitlement: readonly string[]
  limits: readonly Limit[]
  isOwner: boolean
  /** of their roles in it */
  permissions: readonly string[]
}

/** A person who acts for another, and the session of theirs that they do it in. */
export interface ActorFacts {
  userId: string
  sessionId: string
  /** is the account active, and the session there and not ended? */
  isLive: boolean
  expiresAtMs: number
  lastSeenAtMs: number
  permissions: readonly string[]
  roles: readonly string[]
}

export interface SessionEntry extends Omit<SessionFacts, 'ownerLimits' | 'plans' | 'actor' | 'organization' | 'acr' | 'authTimeMs' | 'wantsMfa'> {
  /** what counts for its user, as charges of cost 1; null: nothing */
  bound: Bound | null
}

/** An entry and the last revocation that its snapshot of the database held. */
export interface Snapshot<T> {
  entry: T
  asOf: number
}

/** Where entries come from. */
export interface CredentialSource {
  keyByHash: (hash: Buffer) => Promise<Snapshot<KeyFacts> | null>
  /** only sessions of access tokens; `organizationId`: that the token is for */
  sessionById: (id: string, organizationId: string | null) => Promise<Snapshot<SessionFacts> | null>
  /** a grant's session with its client, and the resource of that identifier if both may still have it; `tokenId`: whether that token was revoked */
  grantById: (id: string, token: { clientId: string; audience: string; tokenId: string }) => Promise<Snapshot<GrantFacts> | null>
  /** the same of a client that acts for itself */
  clientById: (token: { clientId: string; audience: string; tokenId: string }) => Promise<Snapshot<ClientFacts> | null>
  /** somebody as they are, and in an organization */
  personById: (id: string, organizationId: string | null) => Promise<Snapshot<PersonFacts> | null>
  /** only cookie sessions */
  sessionBySecretHash: (hash: Buffer) => Promise<Snapshot<SessionFacts> | null>
}

export type KeyVerdict = 'valid' | 'revoked' | 'expired' | 'owner_suspended' | 'forbidden'
export type SessionVerdict = Exclude<KeyVerdict, 'forbidden'>

function holdsAll(held: readonly string[], wanted: readonly string[]): boolean {
  for (const permission of wanted) {
    if (!holds(held, permission)) return false
  }
  return true
}

/**
 * Facts about the key first, then about its owner, then what was asked for: the first that fails is the answer. `address`: where the
 * request comes from; a key that may be used from some places only is forbidden where nobody says from where.
 */
export function decideKey(
  entry: Pick<KeyEntry, 'revoked' | 'expiresAtMs' | 'ownerActive' | 'permissions' | 'allowsFrom'>, nowMs: number, wanted: readonly string[], address: string | undefined,
): KeyVerdict {
  if (entry.revoked) return 'revoked'
  if (entry.expiresAtMs !== null && entry.expiresAtMs <= nowMs) return 'expired'
  if (!entry.ownerActive) return 'owner_suspended'
  if (entry.allowsFrom !== null && (address === undefined || !entry.allowsFrom(address))) return 'forbidden'
  return holdsAll(entry.permissions, wanted) ? 'valid' : 'forbidden'
}

/** Ended, past its absolute end or unused for too long, of a suspended user: the first that holds is the answer. */
export function decideSession(entry: Pick<SessionEntry, 'ended' | 'expiresAtMs' | 'lastSeenAtMs' | 'userActive'>, nowMs: number, idleMs: number): SessionVerdict {
  if (entry.ended) return 'revoked'
  if (entry.expiresAtMs <= nowMs || entry.lastSeenAtMs + idleMs <= nowMs) return 'expired'
  return entry.userActive ? 'valid' : 'owner_suspended'
}

// keys of one plan have the same limits and metadata, and most keys one of a few sets of permissions
const share = createShare()

/** A bound key permits no more than what is written, and no more than its owner holds now. */
function permissionsOf({ permissions, ownerPermissions }: KeyFacts): string[] {
  return share(ownerPermissions === null ? permissions : intersection(permissions, ownerPermissions))
}

function addressTest({ addresses, ownerAddresses }: KeyFacts): KeyEntry['allowsFrom'] {
  const lists = [addresses, ownerAddresses].filter((list) => list.length > 0).map(createNetworkTest)
  return lists.length === 0 ? null : (address) => lists.every((isIn) => isIn(address))
}

/** A key's principal and the conditions under which its entry may be kept. */
export function foundKey({ entry, asOf }: Snapshot<KeyFacts>): Found {
  const { keyId, ownerId, isOrganizations, expiresAtMs } = entry
  const permissions = permissionsOf(entry)
  const limitGroupId = entry.limitGroupId === keyId ? keyId : entry.limitGroupId
  // property by property, here and in the cache: a copied object takes twice the memory
  const key: KeyEntry = {
    keyId, ownerId, isOrganizations, ownerActive: entry.ownerActive, name: entry.name, permissions, metadata: share(entry.metadata), revoked: entry.revoked, expiresAtMs,
    limitGroupId, expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(), bound: limitsOfKey({ ownerId, limitGroupId, limits: share(entry.limits), ownerLimits: share(entry.ownerLimits), plan: share(planOf(entry.plans)) }),
    answer: { text: '' }, allowsFrom: addressTest(entry),
  }
  const principal: Principal = Object.freeze({ type: 'key', id: ownerId, keyId, permissions, authenticatedBy: 'key', ...(isOrganizations ? { organizationId: ownerId } : {}) })
  const endsAtMs = entry.revoked || !entry.ownerActive ? 0 : (expiresAtMs ?? Infinity)
  return { key, session: null, principal, ids: [keyId, ownerId].concat(share(entry.roles)), asOf, endsAtMs }
}

/** What a session is worth in which somebody acts for its user: no more than both, and nothing once either side has ended or may do too much. */
function actedFor(facts: SessionFacts, { sessionId, userId, isLive, expiresAtMs, lastSeenAtMs, permissions, roles }: ActorFacts, idleMs: number): Acted {
  const both = impersonatedPermissions(facts.permissions, permissions)
  return {
    act: { sub: userId, sid: sessionId }, ids: [sessionId, userId, ...roles], permissions: both ?? [], ended: facts.ended || !isLive || both === null,
    expiresAtMs: Math.min(facts.expiresAtMs, expiresAtMs, lastSeenAtMs + idleMs),
  }
}

/**
 * What somebody may do who acts in an organization: at the application what its roles give them within its entitlement, and nothing of their own, which is not its data's; of
 * Gatehouse what they may anyhow.
 */
function actingIn(own: readonly string[], organization: OrganizationFacts | null): readonly string[] {
  if (organization === null) return own
  const { isOwner, permissions, entitlement } = organization
  return share([...own.filter(isOfGatehouse), ...(isOwner ? entitlement : intersection(permissions, entitlement))])
}

/** What somebody may do, whatever they come with; in an organization nothing where they are not in it. */
export function foundPerson({ entry: { userId, active, permissions, roles, organization }, asOf }: Snapshot<PersonFacts>, organizationId: string | null): Found {
  const may = organizationId !== null && organization === null ? [] : actingIn(permissions, organization)
  const principal: Principal = Object.freeze({ type: 'user', id: userId, permissions: active ? may : [], authenticatedBy: 'token', ...(organization ? { organizationId: organization.id } : {}) })
  return { key: null, session: null, principal, ids: [userId, ...roles, ...(organizationId === null ? [] : [organizationId])], asOf, endsAtMs: active ? Infinity : 0 }
}

interface Acted {
  act: { sub: string; sid: string } | null
  ids: readonly string[]
  permissions: readonly string[]
  ended: boolean
  expiresAtMs: number
}

/** The same for a session; `notAfterMs` is the end of the token that stands for it. */
export function foundSession({ entry: facts, asOf }: Snapshot<SessionFacts>, authenticatedBy: 'token' | 'cookie', idleMs: number, notAfterMs = Infinity): Found {
  const { ownerLimits, plans, actor, organization: of, acr, authTimeMs, wantsMfa, ...rest } = facts
  const organization = actor === null ? of : null
  const { userId, sessionId, roles } = rest
  const own: Acted = { act: null, ids: [], permissions: wantsMfa ? UNTIL_MFA : actingIn(facts.permissions, organization), ended: facts.ended, expiresAtMs: facts.expiresAtMs }
  const { act, ids, permissions, ended, expiresAtMs } = actor === null ? own : actedFor(facts, actor, idleMs)
  const bound = organization ? limitsOfOwner({ ownerId: organization.id, ownerLimits: share(organization.limits) }) : limitsOfOwner({ ownerId: userId, ownerLimits: share(ownerLimits), plan: share(planOf(plans)) })
  const entry: SessionEntry = { ...rest, permissions, ended, expiresAtMs, bound: bound.charges.length > 0 ? bound : null }
  const principal: Principal = Object.freeze({ type: 'user', id: userId, sessionId, permissions, acr: share(acr), authTimeMs, authenticatedBy, ...(organization ? { organizationId: organization.id } : {}), ...(act === null ? {} : { act }), ...(wantsMfa && act === null ? { wantsMfa } : {}) })
  const endsAtMs = entry.ended || !entry.userActive ? 0 : Math.min(entry.expiresAtMs, entry.lastSeenAtMs + idleMs, notAfterMs)
  return { key: null, session: entry, principal, ids: [sessionId, userId, ...roles, ...ids, ...(organization ? [organization.id] : [])], asOf, endsAtMs }
}

// Who may do what in an organization, and what may be said about one. Pure. Two words that are not to be mixed up: permissions are the application's, and
// open its doors; rights are to what the organization has here: its members, roles and keys. Neither reaches beyond the organization.
import { type Held, refuseWithout } from '../authority/index.js'
import { type FieldError, problem } from '../kernel/errors.js'
import { isUuid } from '../kernel/ids.js'
import { type Metadata, metadataFaults } from '../kernel/metadata.js'
import { holds, intersection, isOfGatehouse, isPermission, lacking } from '../kernel/permissions.js'
import type { Caller, Principal } from '../kernel/principal.js'
import { type Limit, limitMistakes } from '../limits/index.js'

/** What a role may let a member do with the organization itself. Deleting it, and making owners, is for owners alone. */
export const RIGHTS = ['organization.write', 'members.read', 'members.write', 'roles.write', 'keys.read', 'keys.write', 'clients.read', 'clients.write', 'webhooks.read', 'webhooks.write', 'usage.read', 'audit.read'] as const
export type Right = (typeof RIGHTS)[number]

export const READ = 'gatehouse:organizations.read'
export const WRITE = 'gatehouse:organizations.write'
export const ENTITLE = 'gatehouse:organizations.entitle'
export const OWN = 'gatehouse:own.organizations'

/** Seeing is part of changing. */
const IMPLIED: Partial<Record<Right, readonly Right[]>> = { 'members.read': ['members.write'], 'keys.read': ['keys.write'], 'clients.read': ['clients.write'], 'webhooks.read': ['webhooks.write'] }

export type OrganizationStatus = 'active' | 'suspended'

/** A membership as it counts: with the roles that there are. */
export interface Membership {
  isOwner: boolean
  permissions: readonly string[]
  rights: readonly string[]
}

/** What somebody may do in an organization at this moment. */
export interface Standing {
  isMember: boolean
  isOwner: boolean
  /** holds gatehouse:organizations.write */
  isOperator: boolean
  /** the application's, that they may use or give there */
  permissions: readonly string[]
  rights: readonly Right[]
}

const isRight = (text: string): text is Right => RIGHTS.some((right) => right === text)

/** What a member's roles are worth: what is written, within the entitlement; an owner has all of it. */
export function permissionsOf({ isOwner, permissions }: Membership, entitlement: readonly string[]): string[] {
  return isOwner ? [...entitlement] : intersection(permissions, entitlement)
}

/** `membership` null: they are not in it. `held`: what they hold in Gatehouse itself, as an operator may. In one that is suspended its members may do nothing. */
export function standingOf({ status, entitlement }: { status: OrganizationStatus; entitlement: readonly string[] }, membership: Membership | null, held: readonly string[]): Standing {
  const isOperator = holds(held, WRITE)
  const active = status === 'active' ? membership : null
  const isOwner = active?.isOwner === true
  return {
    isMember: membership !== null, isOwner, isOperator,
    permissions: [...(active ? permissionsOf(active, entitlement) : []), ...(isOperator ? held.filter((one) => !isOfGatehouse(one)) : [])],
    rights: isOwner || isOperator ? RIGHTS : (active?.rights.filter(isRight) ?? []),
  }
}

export function hasRight({ rights }: Standing, right: Right): boolean {
  return rights.includes(right) || (IMPLIED[right] ?? []).some((wider) => rights.includes(wider))
}

/** Throws access.denied. */
export function refuseRight(standing: Standing, right: Right): void {
  if (!hasRight(standing, right)) throw problem('access.denied', { detail: `Needs the right ${right} in the organization` })
}

/** Throws access.denied. */
export function refuseOthers({ isOwner, isOperator }: Standing): void {
  if (!isOwner && !isOperator) throw problem('access.denied', { detail: 'This is for owners of the organization' })
}

/** What is about to be given in an organization. */
export interface Given {
  permissions: readonly string[]
  rights: readonly string[]
  isOwner?: boolean
}

function notHeld(what: readonly string[], where: string): void {
  if (what.length > 0) throw problem('permission.not_held', { detail: `${where}: ${what.slice(0, 20).join(', ')}` })
}

/** Refuses to give what the giver does not hold in the organization, or what that is not entitled to. Throws permission.not_held. */
export function refuseBeyond(standing: Standing, entitlement: readonly string[], { permissions, rights, isOwner = false }: Given): void {
  notHeld(lacking(entitlement, permissions), 'The organization is not entitled to')
  notHeld(lacking(standing.permissions, isOwner ? entitlement : permissions), 'Not held in the organization')
  notHeld(rights.filter((right) => !isRight(right) || !hasRight(standing, right)), 'Not held in the organization')
  if (isOwner && !standing.isOwner && !standing.isOperator) throw problem('permission.not_held', { detail: 'Owners are made by owners' })
}

/** Refuses to take from somebody who may do more with the organization than the taker. Throws permission.not_held. */
export function refuseTaking(standing: Standing, { rights, isOwner }: Pick<Given, 'rights' | 'isOwner'>): void {
  if (isOwner === true) {
    if (!standing.isOwner && !standing.isOperator) throw problem('permission.not_held', { detail: 'Owners are unmade by owners' })
    return
  }
  notHeld(rights.filter((right) => isRight(right) && !hasRight(standing, right)), 'Not held in the organization')
}

/** A person who is here themselves: whoever acts for another, by a key or by an application is nobody's member. */
export function personOf({ principal }: Caller): Principal | null {
  return principal?.type === 'user' && !principal.act && principal.wantsMfa !== true && principal.audience === undefined ? principal : null
}

/** What roles are worth together. Throws role.unknown when one of the wanted is not among those that were found in the organization. */
export function worthOf(wanted: readonly string[], found: readonly Given[]): Given {
  if (found.length < new Set(wanted).size) throw problem('role.unknown')
  return { permissions: found.flatMap(({ permissions }) => permissions), rights: found.flatMap(({ rights }) => rights) }
}

/** What its operator says of an organization; the rest is its own. */
export interface OperatorFields {
  status?: OrganizationStatus
  metadata?: Metadata
  entitlement?: string[]
  limits?: Limit[]
  clientsMax?: number
  webhooksMax?: number
}

/** Throws request.invalid, naming every mistake. */
export function checkOrganization({ slug, metadata, entitlement, limits }: { slug?: string } & OperatorFields): void {
  const errors: FieldError[] = [
    // one that is an id would be taken for one
    ...(slug !== undefined && isUuid(slug) ? [{ path: '/slug', message: 'must not be an id' }] : []),
    ...(metadata ? metadataFaults(metadata).map((message) => ({ path: '/metadata', message })) : []),
    ...(entitlement ?? []).flatMap((one, at) => (isPermission(one) && !isOfGatehouse(one) ? [] : [{ path: `/entitlement/${at}`, message: 'is no permission of an application' }])),
    ...(limits ? limitMistakes(limits) : []),
  ]
  if (errors.length > 0) throw problem('request.invalid', { errors })
}

/** Is more allowed than before? */
export const isWider = (before: readonly string[], after: readonly string[]): boolean => lacking(before, after).length > 0

/** Refuses the operator's fields to who is none, each by its permission. Throws access.denied. */
export function refuseOperatorFields(held: Held, { status, metadata, entitlement, limits, clientsMax, webhooksMax }: OperatorFields): void {
  if (metadata !== undefined || status === 'active') refuseWithout(held, WRITE)
  if (status === 'suspended') refuseWithout(held, WRITE, 'gatehouse:brake')
  if (entitlement !== undefined) refuseWithout(held, ENTITLE)
  if (limits !== undefined) refuseWithout(held, 'gatehouse:limits.write')
  if (clientsMax !== undefined) refuseWithout(held, 'gatehouse:clients.write')
  if (webhooksMax !== undefined) refuseWithout(held, 'gatehouse:webhooks.write')
}

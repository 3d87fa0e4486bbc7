// What an acting credential may give, and over whom it reaches. Pure: facts in, refusals out.
// Gaining over somebody (their password, e-mail, factors, a key in their name) takes all that they may do; ending (suspending, revoking,
// narrowing) takes the part of it that is Gatehouse's; reading takes the read permission alone.
import type { Caller } from '../kernel/principal.js'
import { problem } from '../kernel/errors.js'
import { networksWithin } from '../kernel/networks.js'
import { APPLICATION, holds, intersection, isOfGatehouse, isOwnRight, lacking } from '../kernel/permissions.js'
import { CATALOGUE, weightOf } from '../kernel/permission-catalogue.js'

/** What was read of the acting credential, behind the gate. */
export interface ActingFacts {
  /** is the person, or the key's owner, active? */
  active: boolean
  rolePermissions: readonly string[]
  /** is the session or the key neither ended nor revoked? */
  live: boolean
  /** of a key; null: a session */
  kind: 'bound' | 'standing' | null
  written: readonly string[]
  expiresAt: Date | null
  ownerExpiresAt: Date | null
  addresses: readonly string[]
  ownerAddresses: readonly string[]
}

/** Within what a grant has to stay: no later end, no address outside. */
export interface Fence {
  /** Infinity: none */
  endsAtMs: number
  /** each list holds for itself; an empty one is everywhere */
  addresses: readonly (readonly string[])[]
}

export interface Held {
  permissions: readonly string[]
  fence: Fence
}

/** What a person may do, as far as reach is concerned. */
export interface TargetFacts {
  id: string
  kind: 'person' | 'service'
  status: 'active' | 'suspended'
  /** without what everybody has by role member, here and below: it is free to give */
  rolePermissions: readonly string[]
  /** written on their live keys */
  keyPermissions: readonly string[]
  /** what they may do in organizations, in which whoever signs in as them may act; a key of theirs does not */
  organizationPermissions?: readonly string[]
}

/** Whom an act is put down to: a user's id and the acting credential, `key:ID`, `token:ID`, `cookie:ID` or `host`. */
export interface Issuer {
  by: string | null
  via: string
}

export const UNFENCED: Fence = { endsAtMs: Infinity, addresses: [] }
export const NOTHING_HELD: Held = { permissions: [], fence: UNFENCED }

/** Does the credential live, and whom it belongs to? One that holds no permission may. */
export const isHeld = (held: Held): boolean => held !== NOTHING_HELD

/** Whom an act of this caller is put down to. */
export function issuerOf({ principal, host }: Caller): Issuer {
  if (!principal) return { by: null, via: host === true ? 'host' : '' }
  return { by: principal.id, via: `${principal.authenticatedBy}:${principal.keyId ?? principal.sessionId ?? ''}` }
}

function earliest(...ends: (Date | null)[]): number {
  return Math.min(...ends.map((end) => end?.getTime() ?? Infinity))
}

/** What the credential holds at this moment: nothing when it, or whom it belongs to, has ended. */
export function heldBy(facts: ActingFacts, nowMs: number): Held {
  const endsAtMs = earliest(facts.expiresAt, facts.ownerExpiresAt)
  if (!facts.active || !facts.live || endsAtMs <= nowMs) return NOTHING_HELD
  if (facts.kind === null) return { permissions: facts.rolePermissions, fence: UNFENCED }
  const permissions = facts.kind === 'standing' ? facts.written : intersection(facts.written, facts.rolePermissions)
  return { permissions, fence: { endsAtMs, addresses: [facts.addresses, facts.ownerAddresses] } }
}

/** A session or key holds its permissions for now; who gives them away for longer, or to further places, gives more than it holds. */
function outside(fence: Fence, wanted: Fence): string | null {
  if (wanted.endsAtMs > fence.endsAtMs) return 'an end later than that of the credential that gives it'
  const isInside = fence.addresses.every((outer) => outer.length === 0 || wanted.addresses.some((inner) => networksWithin(inner, outer)))
  return isInside ? null : 'addresses beyond those of the credential that gives it'
}

function refuseOutside(held: Held, fence: Fence): void {
  const beyond = outside(held.fence, fence)
  if (beyond !== null) throw problem('permission.not_held', { detail: `It would have ${beyond}` })
}

/**
 * Refuses to give what is not held: permissions with their weight, ends and addresses. `fence`: of a key, which is a credential with nothing
 * written on it, too; a role or an account has none, and one that permits nothing is free to give. Throws permission.not_held.
 */
export function refuseGrant(held: Held, permissions: readonly string[], fence?: Fence): void {
  const wanted = weightOf(permissions)
  const missing = lacking(held.permissions, wanted)
  if (missing.length > 0) throw problem('permission.not_held', { detail: `Not held: ${missing.slice(0, 20).join(', ')}` })
  if (fence || wanted.length > 0) refuseOutside(held, fence ?? UNFENCED)
}

/** Refuses a power that is needed in person, as of now. Throws access.denied. */
export function refuseWithout(held: Held, ...anyOf: string[]): void {
  if (anyOf.every((permission) => lacking(held.permissions, [permission]).length > 0)) throw problem('access.denied', { detail: `Needs one of: ${anyOf.join(', ')}` })
}

function all({ rolePermissions, keyPermissions }: TargetFacts): string[] {
  return [...rolePermissions, ...keyPermissions]
}

/**
 * Refuses to gain over somebody who may do what the caller may not. `fence`: within which it is gained, where a key is what one gets; a
 * password or an address for mail is for ever and from anywhere, and no key that is not gives it away. Throws permission.not_held.
 */
export function refuseGain(held: Held, target: TargetFacts, fence?: Fence): void {
  const wanted = weightOf([...all(target), ...(fence ? [] : (target.organizationPermissions ?? []))])
  if (lacking(held.permissions, wanted).length > 0) throw problem('permission.not_held', { detail: 'This account, or a key of it, may do what you may not' })
  if (wanted.length > 0) refuseOutside(held, fence ?? UNFENCED)
}

/** Refuses to end or narrow what may do more within Gatehouse than the caller. Throws permission.not_held. */
export function refuseEnd(held: Held, permissions: readonly string[]): void {
  const part = permissions.filter((permission) => isOfGatehouse(permission) && !isOwnRight(permission))
  if (lacking(held.permissions, part).length > 0) throw problem('permission.not_held', { detail: 'It may do within Gatehouse what you may not' })
}

/** The Gatehouse part of a person, for `refuseEnd`. */
export const partOf = all

const IMPERSONATE = 'gatehouse:users.impersonate'
// to look, and to set right what is the person's own; what gives, lets in or lasts is not among it
const WHILE_IMPERSONATING = [APPLICATION, 'gatehouse:own.profile', 'gatehouse:own.sessions', ...Object.keys(CATALOGUE).filter((name) => name.endsWith('.read'))]

/**
 * What somebody may do who acts for another: what both may, and of Gatehouse only what looks and repairs. Null: not at all, for they may act for nobody
 * any more, or not for somebody who may do this much.
 */
export function impersonatedPermissions(ofTarget: readonly string[], ofActor: readonly string[]): string[] | null {
  if (!holds(ofActor, IMPERSONATE) || lacking(ofActor, weightOf(ofTarget)).length > 0) return null
  return intersection(intersection(ofTarget, ofActor), WHILE_IMPERSONATING)
}

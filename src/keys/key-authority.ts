// What the services of keys share: whose a key is, what its fields fence, and how a new one is written. Pure but for `insertKey`.
import type { Caller, Principal } from '../kernel/principal.js'
import { type AuthorityService, type Fence, type GateScope, type Held, refuseGrant } from '../authority/index.js'
import type { Along, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import { NOBODY } from '../kernel/ids.js'
import { holds, intersection } from '../kernel/permissions.js'
import { sha256 } from '../kernel/secrets.js'
import { hasRight, type Opened, refuseBeyond, type StandingService } from '../organizations/index.js'
import { formatKey } from './key-format.js'
import type { KeyKind, KeyOwner, KeyRow, KeyStore, NewKeyRow } from './key-store.js'
import { type IssuedKey, viewOf } from './key-view.js'

export const WRITE = 'gatehouse:keys.write'
const READ = 'gatehouse:keys.read'
export const BRAKE = 'gatehouse:brake'
export const OWN = 'gatehouse:own.keys'
export const LIMITS = 'gatehouse:limits.write'

export function actorOf({ principal }: Caller): Principal {
  if (!principal) throw problem('credentials.missing')
  return principal
}

/** A person's own key, or the very key that asks. A key is nobody's person: it needs a permission even for its siblings. */
export function isOwn(principal: Principal, row: Pick<KeyRow, 'id' | 'ownerUserId'>): boolean {
  return principal.type === 'user' ? row.ownerUserId === principal.id : row.id === principal.keyId
}

export function maySeeAll({ permissions }: Principal): boolean {
  return [READ, WRITE, BRAKE].some((permission) => holds(permissions, permission))
}

/** Has the caller a right to the keys of an organization? Null: of none, which takes as long. */
export async function hasHand(standings: Pick<StandingService, 'standing'>, caller: Caller, organizationId: string | null, right: 'keys.read' | 'keys.write'): Promise<boolean> {
  const standing = await standings.standing(caller, organizationId ?? NOBODY)
  return standing !== null && hasRight(standing, right)
}

/** A key that the caller may know of, as far as the request's credential tells. What there is not takes as long as what is another's. Throws key.not_found. */
export async function seenKey({ store, standings }: { store: KeyStore; standings: Pick<StandingService, 'standing'> }, caller: Caller, id: string, right: 'keys.read' | 'keys.write', tx?: Tx): Promise<KeyRow> {
  const principal = actorOf(caller)
  // who may see all of them has no look-up to spare
  const owner = maySeeAll(principal) ? null : await store.ownerOf(id, tx)
  const isSeen = maySeeAll(principal) || (owner !== null && isOwn(principal, { id, ...owner })) || (await hasHand(standings, caller, owner?.organizationId ?? null, right))
  const row = isSeen ? await store.find(id, tx) : null
  if (!row) throw problem('key.not_found')
  return row
}

/** The organization of a key, behind its gate. Throws key.not_found where the caller is neither in it nor may sell or end keys. */
export async function openOrganization(tx: Tx, standings: StandingService, caller: Caller, organizationId: string, scope: GateScope): Promise<Opened> {
  try {
    return await standings.open(tx, caller, organizationId, { mode: 'beside', scope, mayAlso: [WRITE, BRAKE] })
  } catch (error) {
    // whose a key is is not told to who may not see it
    throw isProblem(error, 'organization.not_found') ? problem('key.not_found', { cause: error }) : error
  }
}

/**
 * An organization, for who issues a key to it: its people with the right, within what they hold there, and who sells to it as to any owner. `isSold`: they are the latter. Holds
 * its `capLock`. Throws organization.not_found, access.denied.
 */
export async function openToIssue(tx: Tx, standings: Pick<StandingService, 'open'>, caller: Caller, organizationId: string): Promise<Opened & { isSold: boolean }> {
  const opened = await standings.open(tx, caller, organizationId, { mode: 'beside', scope: { cap: capLock({ ownerUserId: null, organizationId }) }, mayAlso: [WRITE] })
  const isSold = holds(opened.held.permissions, WRITE)
  if (!isSold && !hasRight(opened.standing, 'keys.write')) throw problem('access.denied', { detail: 'Needs the right keys.write in the organization' })
  return { ...opened, isSold }
}

/**
 * Refuses to give somebody a secret of an organization's with these permissions: its members give what they hold in it; who sells to it acts as it, which takes all that it
 * may do. Throws permission.not_held.
 */
export function refuseSecret({ organization: { entitlement }, standing, held }: Opened, isMembers: boolean, permissions: readonly string[], fence: Fence): void {
  if (isMembers) {
    refuseBeyond(standing, entitlement, { permissions, rights: [] })
    return
  }
  refuseSold(held, entitlement, permissions, fence)
}

/** Who sells to an organization acts as it: they hold what they give, and all that it may do. Throws permission.not_held. */
export function refuseSold(held: Held, entitlement: readonly string[], permissions: readonly string[], fence: Fence): void {
  refuseGrant(held, permissions, fence)
  refuseGrant(held, entitlement, fence)
}

/** What a key is worth of what is written on it. */
export const worthOf = (permissions: readonly string[], { organization: { entitlement } }: Opened): string[] => intersection(permissions, entitlement)

/** The fence that a key's own fields are. */
export function fenceOf({ expiresAt, addresses }: Pick<KeyRow, 'expiresAt' | 'addresses'>): Fence {
  return { endsAtMs: expiresAt?.getTime() ?? Infinity, addresses: [addresses] }
}

/** Limits are prices: who sets or changes them must be allowed to. Throws permission.not_held. */
export function refuseLimits(held: Held): void {
  if (!holds(held.permissions, LIMITS)) throw problem('permission.not_held', { detail: `Not held: ${LIMITS}` })
}

export interface KeyCaps {
  own: number
  sold: number
}

const capOf = (caps: KeyCaps, kind: KeyKind): number => (kind === 'bound' ? caps.own : caps.sold)

/** What those who would have one more live key of an owner wait for, one after the other. */
export const capLock = ({ ownerUserId, organizationId }: KeyOwner): string => `keys:${organizationId ?? ownerUserId ?? ''}`

export function capReached(caps: KeyCaps, kind: KeyKind): Error {
  const cap = capOf(caps, kind)
  return problem('key.cap_reached', { detail: `An owner has at most ${cap} live keys ${kind === 'bound' ? 'of their own' : 'that were sold to them'}: revoke one first` })
}

/** Refuses one more live key for an owner who has as many as they may; waits for others that ask for this owner. Throws key.cap_reached. */
export async function refuseAtCap(
  tx: Tx, { store, authority, caps, clock }: { store: KeyStore; authority: Pick<AuthorityService, 'guardCap'>; caps: KeyCaps; clock: Clock }, owner: KeyOwner, kind: KeyKind,
): Promise<void> {
  const cap = capOf(caps, kind)
  await authority.guardCap(tx, capLock(owner))
  if ((await store.countLive(tx, owner, kind, new Date(clock.now()), cap)) >= cap) throw capReached(caps, kind)
}

/** Writes a new key, with what goes along, and shows it, this once. With `caps` it is one more for its owner, whose `capLock` is held. Throws key.cap_reached. */
export async function insertKey(
  tx: Tx, { store, keyPrefix, clock }: { store: KeyStore; keyPrefix: string; clock: Clock }, row: Omit<NewKeyRow, 'start' | 'keyHash' | 'createdAt' | 'updatedAt'>, along: Along, caps?: KeyCaps,
): Promise<IssuedKey> {
  const { key, start } = formatKey(keyPrefix)
  const now = new Date(clock.now())
  const inserted = await store.insert(tx, { ...row, start, keyHash: sha256(key), createdAt: now, updatedAt: now }, caps ? capOf(caps, row.kind) : null, along)
  if (!inserted) throw caps ? capReached(caps, row.kind) : new Error('a key without a cap was not inserted')
  return { ...viewOf(inserted, now.getTime()), key }
}


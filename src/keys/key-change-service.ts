// Changing and rotating a key. Narrowing is ending a part of it; widening is issuing anew: all of the result must be held, and whoever
// widens vouches for it from then on. A rotation keeps issuer, end and rights, and notes who received the new secret.
import type { Caller, Principal } from '../kernel/principal.js'
import { type Held, issuerOf, refuseEnd, refuseGain, refuseGrant, refuseWithout } from '../authority/index.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import { holds } from '../kernel/permissions.js'
import { type Hand, refuseForeignFields, widens } from './key-hands.js'
import { canonicalAddresses, checkKeyInput, keyEndsAt, keyStatus } from './key-rules.js'
import { hasRight, type Opened } from '../organizations/index.js'
import { actorOf, fenceOf, insertKey, isOwn, openOrganization, seenKey, OWN, refuseAtCap, refuseLimits, refuseSecret, worthOf, WRITE } from './key-authority.js'
import type { KeyChange, KeyServiceDeps } from './key-service.js'
import type { KeyPatch, KeyRow } from './key-store.js'
import { type IssuedKey, type KeyView, viewOf } from './key-view.js'

export interface KeyChangeService {
  /** Throws key.not_found, key.revoked, key.rotated, precondition.failed, access.denied, permission.not_held, request.invalid, key.cap_reached. */
  update: (caller: Caller, id: string, expected: number | '*', patch: KeyChange) => Promise<KeyView>
  /** A new key in this one's place, which ends after the grace; what this one replaced ends now. Throws key.not_found, key.revoked, key.expired, key.rotated, access.denied, permission.not_held. */
  rotate: (caller: Caller, id: string, options: { graceSeconds: number }) => Promise<IssuedKey>
}

/** A key behind its gate, and by whose hands it is touched. */
interface OpenedKey {
  row: KeyRow
  held: Held
  principal: Principal
  /** that owns it */
  organization: Opened | null
  hands: Set<Hand>
}

const time = (text: string | null): Date | null => (text === null ? null : new Date(text))

function patchOf({ expiresAt, ownerExpiresAt, addresses, ownerAddresses, ...rest }: KeyChange): KeyPatch {
  return {
    ...rest, ...(expiresAt === undefined ? {} : { expiresAt: time(expiresAt) }), ...(ownerExpiresAt === undefined ? {} : { ownerExpiresAt: time(ownerExpiresAt) }),
    ...(addresses ? { addresses: canonicalAddresses(addresses) } : {}), ...(ownerAddresses ? { ownerAddresses: canonicalAddresses(ownerAddresses) } : {}),
  }
}

export function createKeyChangeService(deps: KeyServiceDeps): KeyChangeService {
  const { store, authority, standings, audit, transact, clock, publishRevocations } = deps

  /** The key behind the gate, and what its changer holds. Throws key.not_found, also for one that the caller may not touch, and key.revoked, key.rotated. */
  async function open(tx: Tx, caller: Caller, id: string): Promise<OpenedKey> {
    const principal = actorOf(caller)
    const known = await seenKey(deps, caller, id, 'keys.write', tx)
    const scope = { ...(known.ownerUserId ? { users: [known.ownerUserId] } : {}), narrowedCredentials: [`key:${id}`] }
    const organization = known.organizationId ? await openOrganization(tx, standings, caller, known.organizationId, scope) : null
    const held = organization?.held ?? (await authority.hold(tx, caller, scope))
    const row = await store.lock(tx, id)
    if (!row) throw problem('key.not_found')
    const isOwner = organization ? hasRight(organization.standing, 'keys.write') : principal.type === 'user' && isOwn(principal, row)
    const isSeller = holds(held.permissions, WRITE)
    if (!isOwner && !isSeller) throw problem('key.not_found')
    if (row.revokedAt) throw problem('key.revoked')
    if (row.rotatedToId !== null) throw problem('key.rotated')
    return { row, held, principal, organization, hands: new Set([...(isOwner ? ['owner' as const] : []), ...(isSeller ? ['seller' as const] : [])]) }
  }

  /** Refuses what the caller may not do to this key, and says whether they vouch for it from now on. */
  async function judge(tx: Tx, { row, held, hands, organization }: OpenedKey, patch: KeyPatch): Promise<boolean> {
    refuseForeignFields(row, hands, patch)
    const isWider = widens(row, patch)
    const isForOwner = hands.has('owner')
    if (patch.limits) refuseLimits(held)
    // one's own, for who sells nothing: narrowing needs nothing but being its owner
    if (!organization && !hands.has('seller') && (isWider || patch.name !== undefined)) refuseWithout(held, OWN)
    if (!isForOwner) refuseEnd(held, row.permissions)
    if (!isWider) return false
    const result = { ...row, ...patch }
    if (organization) {
      refuseSecret(organization, isForOwner, result.permissions, fenceOf(result))
      return true
    }
    refuseGrant(held, result.permissions, fenceOf(result))
    if (!isForOwner) refuseGain(held, await authority.target(tx, row.ownerUserId ?? ''), fenceOf(result))
    return true
  }

  return {
    async update(caller, id, expected, change) {
      checkKeyInput(change, clock.now())
      return transact(async (tx) => {
        const opened = await open(tx, caller, id)
        const { row } = opened
        if (expected !== '*' && expected !== row.version) throw problem('precondition.failed')
        const patch = patchOf(change)
        const isWider = await judge(tx, opened, patch)
        const now = new Date(clock.now())
        // an end that is put off brings an ended key back: it counts as one more
        if (keyStatus(row, now.getTime()) === 'expired' && keyStatus({ ...row, ...patch }, now.getTime()) === 'active') await refuseAtCap(tx, deps, row, row.kind)
        const { by, via } = issuerOf(caller)
        const vouched = isWider ? { issuedBy: by, issuedVia: via, issuedAt: now } : {}
        if (!(await store.update(tx, id, row.version, { ...patch, ...vouched }, now))) throw problem('precondition.failed')
        const details = { fields: Object.keys(patch).toSorted(), widened: isWider, ...(patch.permissions ? { permissions: patch.permissions } : {}) }
        await publishRevocations()
        await audit.record(tx, caller, { action: 'key.updated', targetType: 'key', targetId: id, details })
        const updated = await store.find(id, tx)
        if (!updated) throw problem('key.not_found')
        return viewOf(updated, clock.now())
      })
    },

    rotate: (caller, id, { graceSeconds }) => transact(async (tx) => {
      const { row, held, hands, organization } = await open(tx, caller, id)
      const now = clock.now()
      if (keyStatus(row, now) === 'expired') throw problem('key.expired')
      if (organization) refuseSecret(organization, hands.has('owner'), worthOf(row.permissions, organization), fenceOf({ expiresAt: keyEndsAt(row), addresses: row.addresses }))
      else if (hands.has('owner')) refuseWithout(held, OWN, WRITE)
      else {
        // who rotates another's key gets its secret: they must hold what it opens, and be able to act as its owner
        const fence = fenceOf({ expiresAt: keyEndsAt(row), addresses: row.addresses })
        refuseGrant(held, row.permissions, fence)
        refuseGain(held, await authority.target(tx, row.ownerUserId ?? ''), fence)
      }
      const endsMs = Math.min(keyEndsAt(row)?.getTime() ?? Infinity, now + graceSeconds * 1000)
      const successorId = newId()
      if (!(await store.supersede(tx, id, successorId, new Date(endsMs), new Date(now)))) throw problem('key.rotated')
      // one predecessor lives on at most: however often a key is rotated, its secrets do not pile up
      await store.endPredecessors(tx, id, row.limitGroupId, new Date(now))
      const { by, via } = issuerOf(caller)
      const { ownerUserId, organizationId, name, kind, permissions, limits, metadata, limitGroupId, expiresAt, addresses, ownerExpiresAt, ownerAddresses, issuedBy, issuedVia, issuedAt } = row
      const issued = await insertKey(tx, deps, {
        id: successorId, ownerUserId, organizationId, name, kind, permissions, limits, metadata, limitGroupId, expiresAt, addresses, ownerExpiresAt, ownerAddresses,
        issuedBy, issuedVia, issuedAt, secretTo: by, secretVia: via, secretAt: new Date(now),
      }, audit.along(caller, { action: 'key.rotated', targetType: 'key', targetId: id, details: { rotatedToId: successorId, graceSeconds } }))
      await publishRevocations()
      return issued
    }),
  }
}

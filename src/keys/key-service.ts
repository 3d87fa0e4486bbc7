// API keys as their owners, sellers and administrators see them: who may see, issue and revoke which key. Changes and rotation are in
// key-change-service.ts, revocation of many in key-sweep-service.ts; whether a key opens anything is decided in src/decisions.
import type { Caller, Principal } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Fence, type Held, issuerOf, refuseEnd, refuseGain, refuseGrant, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { holds } from '../kernel/permissions.js'
import { hasRight, type StandingService } from '../organizations/index.js'
import { actorOf, BRAKE, capLock, fenceOf, hasHand, insertKey, isOwn, type KeyCaps, maySeeAll, openOrganization, openToIssue, seenKey, OWN, refuseLimits, refuseSecret, WRITE } from './key-authority.js'
import { refuseForeignFields } from './key-hands.js'
import { canonicalAddresses, checkKeyInput, type KeyLimit, type Metadata } from './key-rules.js'
import type { KeyKind, KeyOwner, KeyStore } from './key-store.js'
import type { KeySweepService } from './key-sweep-service.js'
import { type IssuedKey, type KeyView, viewOf } from './key-view.js'

export type { IssuedKey, KeyView }

export interface KeyChange {
  name?: string
  permissions?: string[]
  limits?: KeyLimit[]
  metadata?: Metadata
  /** ISO 8601; null: never */
  expiresAt?: string | null
  ownerExpiresAt?: string | null
  addresses?: string[]
  ownerAddresses?: string[]
}

export type NewKey = Omit<KeyChange, 'ownerExpiresAt' | 'ownerAddresses'> & { name: string; ownerUserId?: string; organizationId?: string }

export interface KeyService {
  /** The caller's own keys, or those of an organization in which they have the right to; with gatehouse:keys.read everybody's. */
  list: (caller: Caller, query: ListQuery) => Promise<PageText>
  /** Is `list` of the caller's own keys, and nobody else's? */
  seesOwnAlone: (caller: Caller, query: ListQuery) => boolean
  /** Throws key.not_found, also for a key the caller may not see. */
  find: (caller: Caller, id: string) => Promise<KeyView>
  /** Refuses who may not issue for that owner, as far as the request's credential tells; `issue` asks again, at the commit. Throws access.denied. */
  mayIssue: (caller: Caller, input: { ownerUserId?: string | null | undefined; organizationId?: string | null | undefined }) => Promise<void>
  /** Throws access.denied, owner.unknown, organization.not_found, permission.not_held, key.cap_reached, request.invalid. */
  issue: (caller: Caller, input: NewKey) => Promise<IssuedKey>
  /** Revokes for ever; a second time changes nothing. `grants: revoke` begins a sweep of what it had issued, which takes the right to end keys of others. Throws key.not_found, access.denied, permission.not_held, precondition.failed. */
  revoke: (caller: Caller, id: string, expected?: number | '*', grants?: 'keep' | 'revoke') => Promise<{ revokedAt: string; sweepId?: string }>
  /** Is one of the keys of an answer still live? */
  isLive: (id: string) => Promise<boolean>
}

export interface KeyServiceDeps {
  store: KeyStore
  authority: AuthorityService
  standings: StandingService
  audit: AuditStore
  transact: Transact
  clock: Clock
  keyPrefix: string
  /** live keys an owner may have: made by themselves, and sold to them */
  caps: KeyCaps
  sweeps: Pick<KeySweepService, 'beginBelow'>
  /** Makes the nodes forget what was changed, once the transaction that is open here, if any, has committed. */
  publishRevocations: () => Promise<void>
}

const isOwnIssue = (principal: Principal, ownerUserId: string): boolean => principal.type === 'user' && ownerUserId === principal.id

/** What is needed to issue at all: the right to one's own keys, or to sell. */
function neededFor(principal: Principal, ownerUserId: string): string[] {
  return isOwnIssue(principal, ownerUserId) ? [OWN, WRITE] : [WRITE]
}

export function createKeyService(deps: KeyServiceDeps): KeyService {
  const { store, authority, standings, audit, transact, clock, sweeps, publishRevocations } = deps

  /** Who may issue for this owner, which kind of key that makes, and what the issuer holds. Throws access.denied, owner.unknown, permission.not_held. */
  async function judge(tx: Tx, caller: Caller, ownerUserId: string, fence: Fence): Promise<{ held: Held; kind: KeyKind }> {
    const principal = actorOf(caller)
    const held = await authority.hold(tx, caller, { users: [ownerUserId], cap: capLock({ ownerUserId, organizationId: null }) })
    refuseWithout(held, ...neededFor(principal, ownerUserId))
    if (isOwnIssue(principal, ownerUserId)) return { held, kind: 'bound' }
    const owner = await authority.target(tx, ownerUserId).catch((error: unknown) => {
      throw isProblem(error, 'user.not_found') ? problem('owner.unknown') : error
    })
    // whoever acts with a key of somebody's acts as them (X-Auth-Subject)
    refuseGain(held, owner, fence)
    return { held, kind: owner.kind === 'service' || ownerUserId === principal.id ? 'bound' : 'standing' }
  }

  /** The same for an organization: who is in it issues within what they hold there, and who sells to it as to any owner. Throws organization.not_found. */
  async function judgeFor(tx: Tx, caller: Caller, organizationId: string, permissions: readonly string[], fence: Fence): Promise<{ held: Held; kind: KeyKind }> {
    const { isSold, ...opened } = await openToIssue(tx, standings, caller, organizationId)
    refuseSecret(opened, !isSold, permissions, fence)
    return { held: opened.held, kind: isSold ? 'standing' : 'bound' }
  }

  return {
    seesOwnAlone: (caller, { organizationId }) => !maySeeAll(actorOf(caller)) && organizationId === undefined,
    async list(caller, query) {
      const principal = actorOf(caller)
      const { organizationId } = query
      if (maySeeAll(principal)) return store.list(query, clock.now(), null)
      // of an organization that is not theirs to see there are as many as of one that there is not: none
      const isTheirs = typeof organizationId === 'string' && (await hasHand(standings, caller, organizationId, 'keys.read'))
      const owner: KeyOwner = isTheirs ? { ownerUserId: null, organizationId } : { ownerUserId: principal.id, organizationId: null }
      return store.list(query, clock.now(), owner)
    },

    async find(caller, id) {
      return viewOf(await seenKey(deps, caller, id, 'keys.read'), clock.now())
    },

    async mayIssue(caller, { ownerUserId, organizationId }) {
      const principal = actorOf(caller)
      if (organizationId && (await hasHand(standings, caller, organizationId, 'keys.write'))) return
      const needed = organizationId ? [WRITE] : neededFor(principal, ownerUserId ?? principal.id)
      // that there is such an organization is not told
      if (organizationId && !holds(principal.permissions, WRITE) && (await standings.standing(caller, organizationId)) === null) throw problem('organization.not_found')
      if (!needed.some((permission) => holds(principal.permissions, permission))) throw problem('access.denied', { detail: `Needs one of: ${needed.join(', ')}` })
    },

    async issue(caller, { ownerUserId, organizationId, name, permissions = [], limits = [], metadata = {}, expiresAt = null, addresses = [] }) {
      const principal = actorOf(caller)
      if (ownerUserId !== undefined && organizationId !== undefined) throw problem('request.invalid', { errors: [{ path: '/organizationId', message: 'is instead of ownerUserId' }] })
      const owner: KeyOwner = organizationId === undefined ? { ownerUserId: ownerUserId ?? principal.id, organizationId: null } : { ownerUserId: null, organizationId }
      checkKeyInput({ name, limits, metadata, expiresAt, permissions, addresses }, clock.now())
      return transact(async (tx) => {
        const fence = { expiresAt: expiresAt === null ? null : new Date(expiresAt), addresses: canonicalAddresses(addresses) }
        const { held, kind } = organizationId === undefined ? await judge(tx, caller, ownerUserId ?? principal.id, fenceOf(fence)) : await judgeFor(tx, caller, organizationId, permissions, fenceOf(fence))
        refuseForeignFields({ kind }, new Set(['seller'] as const), { metadata })
        if (organizationId === undefined) refuseGrant(held, permissions, fenceOf(fence))
        if (limits.length > 0) refuseLimits(held)
        const id = newId()
        const { by, via } = issuerOf(caller)
        const now = new Date(clock.now())
        return insertKey(tx, deps, {
          id, ...owner, name, kind, permissions, limits, metadata, limitGroupId: id, ...fence, ownerExpiresAt: null, ownerAddresses: [],
          issuedBy: by, issuedVia: via, issuedAt: now, secretTo: by, secretVia: via, secretAt: now,
        }, audit.along(caller, { action: 'key.issued', targetType: 'key', targetId: id, details: { ownerUserId: organizationId ?? owner.ownerUserId ?? '', kind, permissions } }), deps.caps)
      })
    },

    async revoke(caller, id, expected = '*', wish = 'keep') {
      const principal = actorOf(caller)
      const known = await seenKey(deps, caller, id, 'keys.write')
      const isTheirs = isOwn(principal, known)
      const { revokedAt, sweepId } = await transact(async (tx) => {
        // grants that this key has under way commit before it ends, and can be found; later ones see it ended
        const scope = { narrowedCredentials: [`key:${id}`] }
        const opened = known.organizationId === null || isTheirs ? null : await openOrganization(tx, standings, caller, known.organizationId, scope)
        const held = opened?.held ?? (await authority.hold(tx, caller, scope))
        const isMembers = opened !== null && hasRight(opened.standing, 'keys.write')
        // one's own things end without any permission, also for who was demoted this second
        if (!isTheirs && !isMembers && !holds(held.permissions, BRAKE)) {
          refuseWithout(held, WRITE, BRAKE)
          refuseEnd(held, known.permissions)
        }
        const revoked = await store.revoke(tx, id, expected === '*' ? null : expected, new Date(clock.now()))
        const begun = wish === 'revoke' ? { sweepId: await sweeps.beginBelow(tx, caller, held, id) } : {}
        if (revoked) {
          await audit.record(tx, caller, { action: 'key.revoked', targetType: 'key', targetId: id, details: { ownerUserId: revoked.organizationId ?? revoked.ownerUserId ?? '' } })
          return { revokedAt: revoked.revokedAt, ...begun }
        }
        const row = await store.lock(tx, id)
        if (!row) throw problem('key.not_found')
        if (!row.revokedAt) throw problem('precondition.failed')
        return { revokedAt: row.revokedAt, ...begun }
      })
      await publishRevocations()
      return { revokedAt: (revokedAt ?? new Date(clock.now())).toISOString(), ...(sweepId === undefined ? {} : { sweepId }) }
    },

    async isLive(id) {
      const row = await store.find(id)
      return row !== null && viewOf(row, clock.now()).status === 'active'
    },
  }
}

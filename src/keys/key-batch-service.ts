// Keys that are at customers already, brought along by the hundred: each is drafted and judged as if it were issued alone, and those of a batch are
// written in one transaction by a handful of statements. What is wrong with one takes nothing from the others. Whoever brings a key may do so for
// whom they could sell one to: they would learn its secret then, so that knowing its hash gives them nothing. Members of an organization bring what they have the secret of, for
// that one alone, as they may issue there: a hash that they know could be that of somebody else's key.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Fence, type Held, issuerOf, refuseGain, refuseGrant, type TargetFacts, UNFENCED } from '../authority/index.js'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import type { Opened, StandingService } from '../organizations/index.js'
import { actorOf, capLock, capReached, fenceOf, type KeyCaps, openToIssue, refuseLimits, refuseSecret, refuseSold, WRITE } from './key-authority.js'
import type { BatchKey, ExistingKey, KeyBatchStore, OwnerIds } from './key-batch-store.js'
import { readSecret } from './key-format.js'
import { refuseForeignFields } from './key-hands.js'
import { canonicalAddresses, checkKeyInput, type KeyLimit, type Metadata } from './key-rules.js'
import type { KeyKind } from './key-store.js'

/** A key as a row brings it: the key itself, or its hash and its first characters. */
export interface BroughtKey {
  name: string
  /** one of the two */
  ownerUserId?: string
  organizationId?: string
  key?: string
  /** SHA-256 of the whole key, in hex or base64 */
  hash?: string
  start?: string
  permissions?: string[]
  limits?: KeyLimit[]
  metadata?: Metadata
  /** ISO 8601; null: never */
  expiresAt?: string | null
  addresses?: string[]
}

export type KeyDraft = Omit<BatchKey, 'id' | 'kind'>

export interface KeyBatches {
  /** Checks a row against what the request's credential holds, or for an organization `of` its people alone by its form; nothing is written. Throws request.invalid, permission.not_held. */
  draftFor: (caller: Caller, input: BroughtKey, of?: string) => KeyDraft
  /** The keys that are known by the hashes of drafts, by the hex of these. */
  existing: (drafts: readonly KeyDraft[]) => Promise<Map<string, ExistingKey>>
  /** Issues drafted keys, with `of` to that organization by who may there; in their order the id of each, or why there is none: owner.unknown, organization.not_found, permission.not_held, request.invalid, key.cap_reached, key.taken. Throws access.denied, organization.not_found: then none is. */
  issueAll: (tx: Tx, caller: Caller, drafts: readonly KeyDraft[], of?: string) => Promise<(string | AppError)[]>
}

export interface KeyBatchDeps {
  store: KeyBatchStore
  authority: Pick<AuthorityService, 'require' | 'targets' | 'guardCaps'>
  standings: Pick<StandingService, 'entitlements' | 'open'>
  audit: Pick<AuditStore, 'recordAll'>
  caps: KeyCaps
  clock: Clock
}

const hexOf = ({ keyHash }: Pick<KeyDraft, 'keyHash'>): string => keyHash.toString('hex')

/** What is known of owners at the commit, by their ids. */
interface Owners {
  users: ReadonlyMap<string, TargetFacts>
  /** what each is entitled to */
  organizations: ReadonlyMap<string, readonly string[]>
}

const isId = (id: string | null): id is string => id !== null
const ownerIdOf = ({ ownerUserId, organizationId }: Pick<KeyDraft, 'ownerUserId' | 'organizationId'>): string => organizationId ?? ownerUserId ?? ''

/** Throws organization.not_found, permission.not_held. */
function kindForOrganization(held: Held, entitlement: readonly string[] | undefined, permissions: readonly string[], fence: Fence): KeyKind {
  if (!entitlement) throw problem('organization.not_found')
  refuseSold(held, entitlement, permissions, fence)
  return 'standing'
}

/** Which kind of key it is. Throws owner.unknown, organization.not_found, permission.not_held, request.invalid. */
function kindAmong(caller: Caller, held: Held, owners: Owners, { ownerUserId, organizationId, permissions, limits, metadata, ...rest }: KeyDraft): KeyKind {
  const fence = fenceOf({ ...rest, addresses: [...rest.addresses] })
  const kind = organizationId === null
    ? kindForUser(caller, held, owners.users.get(ownerUserId ?? ''), fence)
    : kindForOrganization(held, owners.organizations.get(organizationId), permissions, fence)
  refuseForeignFields({ kind }, new Set(['seller'] as const), { metadata })
  refuseGrant(held, permissions, fence)
  if (limits.length > 0) refuseLimits(held)
  return kind
}

/** The same of a key for the one organization that its issuer has come to issue in. Throws permission.not_held, request.invalid. */
function kindIn(opened: Opened, isSold: boolean, { permissions, limits, metadata, ...rest }: KeyDraft): KeyKind {
  const kind = isSold ? 'standing' : 'bound'
  refuseSecret(opened, !isSold, permissions, fenceOf({ ...rest, addresses: [...rest.addresses] }))
  refuseForeignFields({ kind }, new Set(['seller'] as const), { metadata })
  if (limits.length > 0) refuseLimits(opened.held)
  return kind
}

/** Throws owner.unknown, permission.not_held. */
function kindForUser(caller: Caller, held: Held, owner: TargetFacts | undefined, fence: Fence): KeyKind {
  if (!owner) throw problem('owner.unknown')
  const { type, id } = actorOf(caller)
  const isOwn = owner.id === id
  // whoever acts with a key of somebody's acts as them
  if (!isOwn || type !== 'user') refuseGain(held, owner, fence)
  return owner.kind === 'service' || isOwn ? 'bound' : 'standing'
}

export function createKeyBatches({ store, authority, standings, audit, caps, clock }: KeyBatchDeps): KeyBatches {
  /** Takes one of what an owner may have more of. Throws key.cap_reached. */
  function takeRoom(room: Map<string, number>, ownerId: string, kind: KeyKind): void {
    const left = room.get(`${ownerId} ${kind}`) ?? 0
    if (left <= 0) throw capReached(caps, kind)
    room.set(`${ownerId} ${kind}`, left - 1)
  }

  /** Passes the gates of all owners, for who sells to any of them. Throws access.denied. */
  async function judgeAmong(tx: Tx, caller: Caller, drafts: readonly KeyDraft[], { users, organizations }: OwnerIds): Promise<(draft: KeyDraft) => KeyKind> {
    const held = await authority.require(tx, caller, WRITE, { users })
    if (drafts.length > 0) await authority.guardCaps(tx, drafts.map(capLock))
    // the gates of organizations come after all others
    const owners: Owners = { users: await authority.targets(tx, users), organizations: organizations.length === 0 ? new Map() : await standings.entitlements(tx, organizations) }
    return (draft) => kindAmong(caller, held, owners, draft)
  }

  /** Passes the gates of one organization. Throws access.denied, organization.not_found. */
  async function judgeIn(tx: Tx, caller: Caller, of: string): Promise<(draft: KeyDraft) => KeyKind> {
    const { isSold, ...opened } = await openToIssue(tx, standings, caller, of)
    return (draft) => kindIn(opened, isSold, draft)
  }

  return {
    draftFor(caller, { name, ownerUserId, organizationId, key, hash, start, permissions = [], limits = [], metadata = {}, expiresAt = null, addresses = [] }, of) {
      const secret = readSecret({ key, hash, start })
      if ((ownerUserId === undefined) === (organizationId === undefined)) throw problem('request.invalid', { errors: [{ path: '/organizationId', message: 'is instead of ownerUserId' }] })
      checkKeyInput({ name, limits, metadata, expiresAt, permissions, addresses }, clock.now())
      // asked again at the commit, with its fence; here so that a refusal leaves its trace
      if (of === undefined) refuseGrant({ permissions: actorOf(caller).permissions, fence: UNFENCED }, permissions)
      return { name, ownerUserId: ownerUserId ?? null, organizationId: organizationId ?? null, ...secret, permissions, limits, metadata, expiresAt: expiresAt === null ? null : new Date(expiresAt), addresses: canonicalAddresses(addresses) }
    },

    existing: (drafts) => store.existing(drafts.map(hexOf)),

    async issueAll(tx, caller, drafts, of) {
      const users = [...new Set(drafts.map(({ ownerUserId }) => ownerUserId).filter(isId))]
      const organizations = [...new Set(drafts.map(({ organizationId }) => organizationId).filter(isId))]
      const kindOf = of === undefined ? await judgeAmong(tx, caller, drafts, { users, organizations }) : await judgeIn(tx, caller, of)
      if (drafts.length === 0) return []
      const now = new Date(clock.now())
      const counted = await store.countLive(tx, { users, organizations }, { bound: caps.own, standing: caps.sold }, now)
      const room = new Map(counted.map(({ ownerId, kind, n }) => [`${ownerId} ${kind}`, (kind === 'bound' ? caps.own : caps.sold) - n]))
      // what is there takes nobody's room; whoever brings the same at this moment is told so by the statement that inserts
      const known = new Set((await store.existing(drafts.map(hexOf), tx)).keys())
      const judged = drafts.map((draft): BatchKey | AppError => {
        try {
          const kind = kindOf(draft)
          if (known.has(hexOf(draft))) throw problem('key.taken')
          takeRoom(room, ownerIdOf(draft), kind)
          known.add(hexOf(draft))
          return { ...draft, id: newId(), kind }
        } catch (error) {
          if (error instanceof AppError && error.statusCode < 500) return error
          throw error
        }
      })
      const rows = judged.flatMap((one) => (one instanceof AppError ? [] : [one]))
      const taken = rows.length === 0 ? new Set<string>() : await store.insertAll(tx, rows, issuerOf(caller), now)
      await audit.recordAll(tx, caller, rows.filter(({ id }) => !taken.has(id)).map(({ id, kind, permissions, ...owner }) => ({
        action: 'key.issued', targetType: 'key', targetId: id, details: { ownerUserId: ownerIdOf(owner), kind, permissions: [...permissions], bulk: true },
      })))
      return judged.map((one) => (one instanceof AppError ? one : taken.has(one.id) ? problem('key.taken') : one.id))
    },
  }
}

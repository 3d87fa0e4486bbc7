// API keys as their owners and administrators see them: who may see, issue, change, rotate and revoke which key.
// Whether a key opens anything is decided in src/access.
import { type Caller, holds, notHeld, type Principal } from '../access/principal.js'
import type { AuditStore } from '../audit/audit-store.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, type ErrorCode, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, Page } from '../kernel/page.js'
import { sha256 } from '../kernel/secrets.js'
import { formatKey } from './key-format.js'
import { checkKeyInput, type KeyLimit, type KeyStatus, keyStatus, type Metadata } from './key-rules.js'
import type { KeyRow, KeyStore } from './key-store.js'

export interface KeyView {
  id: string
  ownerUserId: string
  name: string
  start: string
  permissions: string[]
  limits: KeyLimit[]
  metadata: Metadata
  status: KeyStatus
  version: number
  createdAt: string
  updatedAt: string
  lastUsedAt: string | null
  expiresAt: string | null
  revokedAt: string | null
  rotatedToId?: string
}

export type IssuedKey = KeyView & { key: string }

export interface KeyChange {
  name?: string
  permissions?: string[]
  limits?: KeyLimit[]
  metadata?: Metadata
  /** ISO 8601; null: never */
  expiresAt?: string | null
}

export interface KeyService {
  /** The caller's own keys; with gatehouse:keys.read everybody's. */
  list: (caller: Caller, query: ListQuery) => Promise<Page<KeyView>>
  /** Throws key.not_found, also for a key the caller may not see. */
  find: (caller: Caller, id: string) => Promise<KeyView>
  /** Throws access.denied (another's key without gatehouse:keys.write), owner.unknown, permission.not_held, request.invalid. */
  issue: (caller: Caller, input: KeyChange & { name: string; ownerUserId?: string }) => Promise<IssuedKey>
  /** Throws key.not_found, key.revoked, key.rotated, precondition.failed, permission.not_held, request.invalid. */
  update: (caller: Caller, id: string, expected: number | '*', patch: KeyChange) => Promise<KeyView>
  /** Revokes for ever; a second time changes nothing. Throws key.not_found, precondition.failed. */
  revoke: (caller: Caller, id: string, expected?: number | '*') => Promise<{ revokedAt: string }>
  /** A new key in this one's place, which ends after the grace. Throws key.not_found, key.revoked, key.rotated, permission.not_held. */
  rotate: (caller: Caller, id: string, options: { graceSeconds: number }) => Promise<IssuedKey>
  /** Runs an act around its transaction; when it is refused for want of a right, that leaves an audit row of its own. */
  act: <T>(caller: Caller, targetId: string, work: () => Promise<T>) => Promise<T>
  /** Takes from a user's keys the permissions of Gatehouse that `held` does not cover; part of a change of that user's roles. */
  narrow: (tx: Tx, userId: string, held: readonly string[]) => Promise<void>
}

export interface KeyServiceDeps {
  store: KeyStore
  audit: AuditStore
  transact: Transact
  clock: Clock
  keyPrefix: string
  /** Makes the nodes forget what was changed, once the transaction that is open here, if any, has committed. */
  narrowed: () => Promise<void>
}

function viewOf(row: KeyRow, nowMs: number): KeyView {
  return {
    id: row.id, ownerUserId: row.ownerUserId, name: row.name, start: row.start, permissions: row.permissions, limits: row.limits, metadata: row.metadata,
    status: keyStatus(row, nowMs), version: row.version, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString(),
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null, expiresAt: row.expiresAt?.toISOString() ?? null, revokedAt: row.revokedAt?.toISOString() ?? null,
    ...(row.rotatedToId === null ? {} : { rotatedToId: row.rotatedToId }),
  }
}

function actorOf({ principal }: Caller): Principal {
  if (!principal) throw problem('credentials.missing')
  return principal
}

const DENIALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['access.denied', 'permission.not_held'])
const WRITE = 'gatehouse:keys.write'
const READ = 'gatehouse:keys.read'

/** A person's own keys. A key is nobody's person: it needs a permission even for its siblings. */
function isOwn(principal: Principal, row: KeyRow): boolean {
  return principal.type === 'user' && row.ownerUserId === principal.id
}

function mayManage(principal: Principal, row: KeyRow): boolean {
  return isOwn(principal, row) || holds(principal.permissions, WRITE)
}

function maySeeAll({ permissions }: Principal): boolean {
  return holds(permissions, READ) || holds(permissions, WRITE)
}

function refuseNotHeld(held: readonly string[], permissions: readonly string[]): void {
  const missing = notHeld(held, permissions)
  if (missing.length > 0) throw problem('permission.not_held', { detail: `Not held: ${missing.join(', ')}` })
}

/** What a key is about, and a successor takes over. */
type KeyMatter = Pick<KeyRow, 'ownerUserId' | 'name' | 'permissions' | 'limits' | 'limitGroupId' | 'metadata' | 'expiresAt'>

const isPrivileged = (permission: string): boolean => permission.startsWith('gatehouse:')

export function createKeyService({ store, audit, transact, clock, keyPrefix, narrowed }: KeyServiceDeps): KeyService {
  /**
   * What the caller holds at this moment, if `permissions` need to be held to be given. The holder's row stays locked, so that
   * losing a permission and giving it away cannot cross; it is locked before any key, as a change of roles does: no deadlock.
   */
  async function heldFor(tx: Tx, principal: Principal, permissions: readonly string[]): Promise<string[]> {
    if (!permissions.some(isPrivileged)) return []
    return store.lockHeld(tx, principal.keyId === undefined ? { userId: principal.id } : { keyId: principal.keyId })
  }

  async function insert(tx: Tx, row: KeyMatter, id: string): Promise<IssuedKey> {
    const { key, start } = formatKey(keyPrefix)
    const now = new Date(clock.now())
    const inserted = await store.insert(tx, { ...row, id, start, keyHash: sha256(key), createdAt: now, updatedAt: now })
    return { ...viewOf(inserted, now.getTime()), key }
  }

  return {
    async list(caller, query) {
      const principal = actorOf(caller)
      const nowMs = clock.now()
      const { data, page } = await store.list(query, nowMs, maySeeAll(principal) ? null : principal.id)
      return { data: data.map((row) => viewOf(row, nowMs)), page }
    },

    async find(caller, id) {
      const principal = actorOf(caller)
      const row = await store.find(id)
      if (!row || !(isOwn(principal, row) || maySeeAll(principal))) throw problem('key.not_found')
      return viewOf(row, clock.now())
    },

    async issue(caller, { ownerUserId, name, permissions = [], limits = [], metadata = {}, expiresAt = null }) {
      const principal = actorOf(caller)
      const owner = ownerUserId ?? principal.id
      if (!(principal.type === 'user' && owner === principal.id) && !holds(principal.permissions, WRITE)) {
        throw problem('access.denied', { detail: `A key of somebody else needs ${WRITE}` })
      }
      checkKeyInput({ name, limits, metadata, expiresAt }, clock.now())
      return transact(async (tx) => {
        refuseNotHeld(await heldFor(tx, principal, permissions), permissions)
        const id = newId()
        const expires = expiresAt === null ? null : new Date(expiresAt)
        const issued = await insert(tx, { ownerUserId: owner, name, permissions, limits, metadata, expiresAt: expires, limitGroupId: id }, id)
        await audit.record(tx, caller, { action: 'key.issued', targetType: 'key', targetId: id, details: { ownerUserId: owner, permissions } })
        return issued
      })
    },

    async update(caller, id, expected, { expiresAt, ...patch }) {
      const principal = actorOf(caller)
      checkKeyInput({ ...patch, ...(expiresAt === undefined ? {} : { expiresAt }) }, clock.now())
      return transact(async (tx) => {
        const held = await heldFor(tx, principal, patch.permissions ?? [])
        const row = await store.lock(tx, id)
        if (!row || !mayManage(principal, row)) throw problem('key.not_found')
        if (row.revokedAt) throw problem('key.revoked')
        if (row.rotatedToId !== null) throw problem('key.rotated')
        if (expected !== '*' && expected !== row.version) throw problem('precondition.failed')
        // what the key has already may stay: only additions are given
        refuseNotHeld(held, notHeld(row.permissions, patch.permissions ?? []))
        const change = { ...patch, ...(expiresAt === undefined ? {} : { expiresAt: expiresAt === null ? null : new Date(expiresAt) }) }
        const updated = await store.update(tx, id, row.version, change, new Date(clock.now()))
        if (!updated) throw problem('precondition.failed')
        const details = { fields: Object.keys(change).toSorted(), ...(patch.permissions ? { permissions: patch.permissions } : {}) }
        await narrowed()
        await audit.record(tx, caller, { action: 'key.updated', targetType: 'key', targetId: id, details })
        return viewOf(updated, clock.now())
      })
    },

    async revoke(caller, id, expected = '*') {
      const principal = actorOf(caller)
      const known = await store.find(id)
      if (!known || !mayManage(principal, known)) throw problem('key.not_found')
      const revokedAt = await transact(async (tx) => {
        const revoked = await store.revoke(tx, id, expected === '*' ? null : expected, new Date(clock.now()))
        if (revoked) {
          await audit.record(tx, caller, { action: 'key.revoked', targetType: 'key', targetId: id, details: { ownerUserId: revoked.ownerUserId } })
          return revoked.revokedAt
        }
        const row = await store.lock(tx, id)
        if (!row) throw problem('key.not_found')
        if (!row.revokedAt) throw problem('precondition.failed')
        return row.revokedAt
      })
      await narrowed()
      return { revokedAt: (revokedAt ?? new Date(clock.now())).toISOString() }
    },

    async rotate(caller, id, { graceSeconds }) {
      const principal = actorOf(caller)
      return transact(async (tx) => {
        const manages = holds(principal.permissions, WRITE)
        const held = await heldFor(tx, principal, manages ? [WRITE] : [])
        const row = await store.lock(tx, id)
        if (!row || !mayManage(principal, row)) throw problem('key.not_found')
        if (row.revokedAt) throw problem('key.revoked')
        if (row.rotatedToId !== null) throw problem('key.rotated')
        // who rotates another's key gets its secret, and so must hold what it opens
        if (!isOwn(principal, row)) refuseNotHeld(held, row.permissions)
        const now = clock.now()
        const endsMs = Math.min(row.expiresAt?.getTime() ?? Infinity, now + graceSeconds * 1000)
        const successorId = newId()
        if (!(await store.supersede(tx, id, successorId, new Date(endsMs), new Date(now)))) throw problem('key.rotated')
        const { ownerUserId, name, permissions, limits, limitGroupId, metadata, expiresAt } = row
        const issued = await insert(tx, { ownerUserId, name, permissions, limits, limitGroupId, metadata, expiresAt }, successorId)
        await narrowed()
        await audit.record(tx, caller, { action: 'key.rotated', targetType: 'key', targetId: id, details: { rotatedToId: successorId, graceSeconds } })
        return issued
      })
    },

    async act(caller, targetId, work) {
      try {
        return await work()
      } catch (error) {
        if (error instanceof AppError && DENIALS.has(error.code)) {
          await transact((tx) => audit.record(tx, caller, { action: 'access.denied', targetType: 'key', targetId, details: { code: error.code } }))
        }
        throw error
      }
    },

    async narrow(tx, userId, held) {
      const now = new Date(clock.now())
      for (const { id, permissions } of await store.lockPrivileged(tx, userId)) {
        const lost = new Set(notHeld(held, permissions))
        if (lost.size > 0) await store.replacePermissions(tx, id, permissions.filter((permission) => !lost.has(permission)), now)
      }
    },
  }
}

// Links that set a password: those that an administrator gives for somebody else's account, and those that are mailed to who has forgotten it.
// Whoever gives one could use it, so giving needs everything the account may do; and it is judged again when it is used: the giver must still be
// active and still reach the account, and the account must be as it was. Why a link will not do is told to nobody: all answer alike.
import { randomBytes } from 'node:crypto'
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, refuseGain, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import { isUuid } from '../kernel/ids.js'
import { sha256 } from '../kernel/secrets.js'
import type { MailService } from '../mail/index.js'
import type { MailedLinkService } from '../mailed-links/index.js'
import type { SessionService } from '../sessions/index.js'
import type { AccountStore } from './account-store.js'
import { newOrigin } from './hash-origin.js'
import type { PasswordHasher } from './password-hasher.js'
import type { PasswordReset, PasswordResetStore } from './password-reset-store.js'
import { requireStrong } from './password-rules.js'

const WRITE = 'gatehouse:users.write'
const LIFE_MS = 60 * 60_000
const TOKEN = /^gp_[\w-]{43}$/

export interface GivenReset {
  /** works once; shown nowhere else */
  token: string
  expiresAt: string
}

export interface PasswordResetService {
  /**
   * Gives a link for another person's account, which voids the last one. Throws user.not_found, permission.not_held, access.denied
   * (also for one's own account), reset.unavailable.
   */
  give: (caller: Caller, userId: string) => Promise<GivenReset>
  /** The address of the account that a link is for, to be shown to whoever has the link; null for one that is no good. Uses nothing up. */
  emailOf: (token: string) => Promise<string | null>
  /** Sets the password and ends every session of the account. Throws reset.void, password.weak, rate.limited, server.busy. */
  take: (caller: Caller, input: { token: string; newPassword: string }) => Promise<void>
}

export interface PasswordResetServiceDependencies {
  store: PasswordResetStore
  accounts: Pick<AccountStore, 'lock' | 'findCredentials' | 'verifyEmail'>
  authority: AuthorityService
  hasher: PasswordHasher
  sessions: SessionService
  mailedLinks: MailedLinkService
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

export function createPasswordResetService(dependencies: PasswordResetServiceDependencies): PasswordResetService {
  const { store, accounts, authority, hasher, sessions, mailedLinks, mail, audit, transact, clock } = dependencies
  const now = (): Date => new Date(clock.now())

  async function give(tx: Tx, caller: Caller, userId: string): Promise<GivenReset> {
    const { principal } = caller
    if (!principal || !isUuid(userId)) throw problem('user.not_found')
    const held = await authority.hold(tx, caller, { narrowedUsers: [userId] })
    if (!(await accounts.lock(tx, userId))) throw problem('user.not_found')
    const target = await authority.target(tx, userId)
    refuseWithout(held, WRITE)
    refuseGain(held, target)
    // whoever stole a session, or a key, would make a password of it
    if (principal.id === userId) throw problem('access.denied', { detail: 'Change your own password at /me/password' })
    if (target.status !== 'active' || target.kind !== 'person') throw problem('reset.unavailable')
    const token = `gp_${randomBytes(32).toString('base64url')}`
    const createdAt = now()
    const expiresAt = new Date(createdAt.getTime() + LIFE_MS)
    await store.replace(tx, { userId, givenBy: principal.id, givenWithKey: principal.keyId ?? null, tokenHash: sha256(token), createdAt, expiresAt })
    await audit.record(tx, caller, { action: 'password.reset_given', targetType: 'user', targetId: userId, details: { expiresAt: expiresAt.toISOString() } })
    return { token, expiresAt: expiresAt.toISOString() }
  }

  /** Takes the link, and says whether whoever gave it could give it now. */
  async function consume(tx: Tx, tokenHash: Uint8Array, { userId, givenBy, givenWithKey }: PasswordReset): Promise<'gone' | 'void' | 'good'> {
    const held = await authority.holdOf(tx, { userId: givenBy, keyId: givenWithKey }, { narrowedUsers: [userId] })
    if (!(await accounts.lock(tx, userId)) || !(await store.consume(tx, tokenHash, now()))) return 'gone'
    try {
      refuseWithout(held, WRITE)
      refuseGain(held, await authority.target(tx, userId))
      return 'good'
    } catch (error) {
      if (error instanceof AppError) return 'void'
      throw error
    }
  }

  async function take(tx: Tx, caller: Caller, tokenHash: Uint8Array, link: PasswordReset, passwordHash: string): Promise<boolean> {
    const { userId, givenBy, givenWithKey } = link
    const outcome = await consume(tx, tokenHash, link)
    if (outcome === 'gone') return false
    const target = { targetType: 'user', targetId: userId, details: { givenBy, ...(givenWithKey === null ? {} : { givenWithKey }) } }
    if (outcome === 'void' || !(await store.setPassword(tx, userId, passwordHash, now()))) {
      // committed with the link gone: it is not judged a second time
      await audit.record(tx, caller, { action: 'password.reset_refused', ...target })
      return false
    }
    await ended(tx, userId)
    await audit.record(tx, caller, { action: 'password.reset', ...target, actorUserId: userId })
    return true
  }

  /** What whoever knew the old password may have begun; second factors stay. */
  async function ended(tx: Tx, userId: string): Promise<void> {
    await sessions.endAll(tx, userId)
    await mail.tell(tx, userId, { kind: 'password.changed', facts: { at: now().toISOString(), path: '/ui/forgot' } })
  }

  /** A mailed link was given by nobody: that it reached the account's address is all that it needs. */
  async function takeMailed(tx: Tx, caller: Caller, token: string, userId: string, passwordHash: string): Promise<boolean> {
    if (!(await accounts.lock(tx, userId))) return false
    const link = await mailedLinks.take(tx, 'password.reset', token)
    if (!link || !(await store.setPassword(tx, userId, passwordHash, now()))) return false
    await accounts.verifyEmail(tx, userId, link.email, now())
    await ended(tx, userId)
    await audit.record(tx, caller, { action: 'password.reset', targetType: 'user', targetId: userId, actorUserId: userId, details: { mailed: true } })
    return true
  }

  /** The account that a link is for, and how it is used up. */
  async function read(token: string): Promise<{ userId: string; use: (tx: Tx, caller: Caller, passwordHash: string) => Promise<boolean> } | null> {
    const tokenHash = sha256(token)
    const given = TOKEN.test(token) ? await store.find(tokenHash, now()) : null
    if (given) return { userId: given.userId, use: (tx, caller, passwordHash) => take(tx, caller, tokenHash, given, passwordHash) }
    const userId = (await mailedLinks.find('password.reset', token))?.userId ?? null
    return userId === null ? null : { userId, use: (tx, caller, passwordHash) => takeMailed(tx, caller, token, userId, passwordHash) }
  }

  return {
    give: (caller, userId) => audit.recordingRefusal(caller, { targetType: 'user', targetId: userId }, () => transact((tx) => give(tx, caller, userId))),
    async emailOf(token) {
      const link = await read(token)
      return link && ((await accounts.findCredentials({ id: link.userId }))?.email ?? null)
    },
    async take(caller, { token, newPassword }) {
      // a guess costs a look into two indexes, and neither a hash nor a row
      const link = await read(token)
      const account = link && (await accounts.findCredentials({ id: link.userId }))
      if (!account) throw problem('reset.void')
      requireStrong(newPassword, [account.email, account.name])
      const passwordHash = await hasher.hash(newPassword, newOrigin(caller))
      if (!(await transact((tx) => link.use(tx, caller, passwordHash)))) throw problem('reset.void')
    },
  }
}

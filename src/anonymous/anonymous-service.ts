// Accounts that are used before anybody has said who they are: opened without a word, worth what every member is, and made real by an address and
// a password, with the id, the sessions and the keys they had. As many as ANONYMOUS_USERS_MAX, and each only for as long as it is used.
import type { AccountDraft, AccountService, UserView } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { SessionService, TokenPair } from '../sessions/index.js'
import type { AnonymousStore } from './anonymous-store.js'

export interface AnonymousService {
  /** Resolves when anonymous accounts may be opened here. Throws signup.closed. */
  requireOpen: () => Promise<void>
  /** Opens one and signs in. Throws rate.limited when there are as many as there may be. */
  open: (caller: Caller) => Promise<{ user: UserView } & TokenPair>
  /** Makes the caller's account a real one. Throws account.not_anonymous, email.taken, password.weak, rate.limited, server.busy. */
  upgrade: (caller: Caller, input: { email: string; password: string; name?: string }) => Promise<UserView>
  isAnonymous: (id: string) => Promise<boolean>
  /**
   * Makes an anonymous account a real one for whoever has proven the address of the draft, who need not be who had it: the id stays, with what applications
   * keep by it, and everything ends by which somebody could come back to it. Throws account.not_anonymous, email.taken.
   */
  takeOver: (tx: Tx, caller: Caller, draft: AccountDraft) => Promise<void>
  /**
   * Makes the caller's own account a real one, whose address the caller has proven in the session that they come with: it stays, and so do the keys. Other
   * sessions and ways in end, for nobody has said whose they are. Throws session.not_found, account.not_anonymous, email.taken.
   */
  makeReal: (tx: Tx, caller: Caller, draft: AccountDraft) => Promise<UserView>
  /** Ends what nobody has used for ANONYMOUS_USERS_KEPT_DAYS, or ever come back to, at most `most` of them; how many. */
  expire: (most: number) => Promise<number>
}

export interface AnonymousDependencies {
  store: AnonymousStore
  accounts: AccountService
  sessions: SessionService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
  isSetUp: () => Promise<boolean>
  config: { anonymousUsers: boolean; anonymousUsersMax: number; anonymousUsersKeptDays: number }
}

// how many there are is counted anew after this time; between two counts each node knows its own
const COUNTED_FOR_MS = 5_000
const DAY_MS = 86_400_000
// opened, and never come back to: whoever opens them in numbers keeps others' places for a day
const UNTOUCHED_DAYS = 1
const AT_EXPIRY: Caller = { principal: null, host: true, address: '', userAgent: '', requestId: 'expiry' }

export function createAnonymousService({ store, accounts, sessions, audit, transact, clock, publishRevocations, isSetUp, config }: AnonymousDependencies): AnonymousService {
  // a set-up is never undone: once seen, it is not asked for again
  let setUp = false
  let counted = { atMs: -Infinity, left: 0 }

  function daysAgo(days: number): Date {
    return new Date(clock.now() - days * DAY_MS)
  }

  async function takePlace(): Promise<void> {
    const nowMs = clock.monotonic()
    if (nowMs - counted.atMs >= COUNTED_FOR_MS) counted = { atMs: nowMs, left: config.anonymousUsersMax - (await store.count(config.anonymousUsersMax)) }
    if (counted.left <= 0) throw problem('rate.limited', { detail: 'There are as many anonymous users as there may be', retryAfterSeconds: 60 })
    counted.left -= 1
  }

  /** The account that has proven an address, and none of the ways into it that were there before; when. */
  async function upgradeProven(tx: Tx, caller: Caller, { id = '', email, name, passwordHash, locale = null }: AccountDraft): Promise<Date> {
    const at = new Date(clock.now())
    if (passwordHash === null || !(await store.upgrade(tx, id, { email, name, passwordHash, locale, emailVerifiedAt: at }, at))) throw problem('account.not_anonymous')
    await store.closeOtherWays(tx, id)
    await publishRevocations()
    await audit.record(tx, caller, { action: 'user.upgraded', targetType: 'user', targetId: id, actorUserId: id })
    return at
  }

  return {
    async requireOpen() {
      if (!config.anonymousUsers) throw problem('signup.closed', { detail: 'Nobody uses this installation without an account' })
      setUp ||= await isSetUp()
      if (!setUp) throw problem('signup.closed', { detail: 'Nobody signs up before this installation has been set up' })
    },

    async open(caller) {
      await takePlace()
      return transact(async (tx) => {
        const user = await accounts.createIn(tx, caller, { email: '', name: '', passwordHash: null, roles: ['member'], anonymous: true, signsIn: true })
        return { user, ...(await sessions.openToken(tx, user.id, caller, { amr: [] })) }
      })
    },

    async upgrade(caller, input) {
      const id = caller.principal?.id ?? ''
      if (!(await store.isAnonymous(id))) throw problem('account.not_anonymous')
      // hashed as a stranger's, for anybody may have opened the account a moment ago
      const { email, name, passwordHash } = await accounts.draft({ ...caller, principal: null }, input)
      if (passwordHash === null) throw problem('request.invalid', { errors: [{ path: '/password', message: 'is needed' }] })
      return transact(async (tx) => {
        if (!(await store.upgrade(tx, id, { email, passwordHash, ...(name === '' ? {} : { name }) }, new Date(clock.now())))) throw problem('account.not_anonymous')
        await audit.record(tx, caller, { action: 'user.upgraded', targetType: 'user', targetId: id })
        return accounts.findIn(tx, id)
      })
    },

    isAnonymous: (id) => store.isAnonymous(id),

    async takeOver(tx, caller, draft) {
      const { id = '' } = draft
      const at = await upgradeProven(tx, caller, draft)
      await sessions.endAll(tx, id)
      await store.revokeKeys(tx, id, at)
    },

    async makeReal(tx, caller, draft) {
      const { id = '', sessionId = '' } = caller.principal ?? {}
      const at = await upgradeProven(tx, caller, { ...draft, id })
      // what the request began with may have ended meanwhile
      if (!(await store.isLive(tx, id, sessionId, at))) throw problem('session.not_found')
      await sessions.endAll(tx, id, sessionId)
      return accounts.findIn(tx, id)
    },

    expire: (most) => transact(async (tx) => {
      const count = await store.deleteUnused(tx, { unused: daysAgo(config.anonymousUsersKeptDays), untouched: daysAgo(UNTOUCHED_DAYS) }, most)
      if (count > 0) {
        await audit.record(tx, AT_EXPIRY, { action: 'users.anonymous_expired', targetType: 'user', targetId: '', details: { count } })
        await publishRevocations()
      }
      return count
    }),
  }
}

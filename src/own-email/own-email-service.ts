// The address of one's own account: proving that mail to it arrives, and changing it for another. Either is done by a link that was mailed to the
// address in question; opening that proves it. Nobody is told whether an address is somebody's before they have proven that it is theirs.
import { type AccountRow, type AccountStore, normaliseEmail, refuseServiceAddress, shownEmail } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { MailedLink, MailedLinkService } from '../mailed-links/index.js'
import type { SessionService } from '../sessions/index.js'

type Kind = 'email.verify' | 'email.change'

/** What a link would do, for the page that it opens. */
export interface Waiting {
  kind: Kind
  /** the address that it proves */
  email: string
}

export interface OwnEmailService {
  /** Promises a link that proves the address of a person's account; nothing where it is proven, where there is none, or where so many went to it lately. */
  askProof: (tx: Tx, userId: string) => Promise<void>
  /** The same for the caller. Throws user.not_found. */
  askOwnProof: (caller: Caller) => Promise<void>
  /**
   * Promises a link to another address, and tells the one that the account has. Resolves whoever has the other one. The change before it, if it waits still,
   * is void. Throws request.invalid, user.not_found, rate.limited.
   */
  askChange: (caller: Caller, email: string) => Promise<void>
  /** What a token would do; null for one that is no good. Uses nothing up. */
  find: (token: string) => Promise<Waiting | null>
  /** Throws confirmation.void. */
  prove: (caller: Caller, token: string) => Promise<void>
  /** Makes the change, tells the old address, and ends every session but the one that asked. Throws confirmation.void; email.taken, which uses nothing up. */
  change: (caller: Caller, token: string) => Promise<void>
}

export interface OwnEmailDependencies {
  store: Pick<AccountStore, 'find' | 'lock' | 'update' | 'verifyEmail'>
  mailedLinks: MailedLinkService
  mail: MailService
  sessions: SessionService
  authority: Pick<AuthorityService, 'hold'>
  audit: AuditStore
  transact: Transact
  clock: Clock
}

const LIFE_HOURS = 24
const LIFE_MS = LIFE_HOURS * 3_600_000
// a stranger's box is not to be filled by whoever names it
const MOST_TO_AN_ADDRESS = 3
// nor are many by one account
const MOST_OF_AN_ACCOUNT = 5
const HOUR_SECONDS = 3_600

function refuse(message: string): never {
  throw problem('request.invalid', { errors: [{ path: '/email', message }] })
}

export function createOwnEmailService({ store, mailedLinks, mail, sessions, authority, audit, transact, clock }: OwnEmailDependencies): OwnEmailService {
  const now = (): Date => new Date(clock.now())

  async function mailLink(tx: Tx, kind: Kind, { id: userId, locale }: Pick<AccountRow, 'id' | 'locale'>, email: string, details: object): Promise<void> {
    // also where those before are void by now: whoever asks has them voided
    if ((await mailedLinks.countOf(tx, kind, { email })) >= MOST_TO_AN_ADDRESS) return
    const link = await mailedLinks.give(tx, { kind, email, userId, details, lifeMs: LIFE_MS, mostAnHour: MOST_TO_AN_ADDRESS })
    if (link) await mail.send(tx, { kind, to: email, locale, facts: { hours: LIFE_HOURS, path: `/ui/confirm-address?token=${link.token}` } })
  }

  async function askProof(tx: Tx, userId: string): Promise<void> {
    const account = await store.lock(tx, userId)
    if (!account || account.emailVerified || account.status !== 'active' || shownEmail(account.email) === null) return
    await mailLink(tx, 'email.verify', account, account.email, {})
  }

  async function isLive(userId: string, sessionId: string): Promise<boolean> {
    try {
      await sessions.find(userId, sessionId)
      return true
    } catch (error) {
      if (isProblem(error, 'session.not_found')) return false
      throw error
    }
  }

  /** Takes a link with its account locked, and does what it is for. */
  async function take(caller: Caller, kind: Kind, token: string, work: (tx: Tx, account: AccountRow, link: MailedLink) => Promise<void>): Promise<void> {
    const userId = (await mailedLinks.find(kind, token))?.userId ?? null
    await transact(async (tx) => {
      // grants in a loop hold the row by turns: the gate lets whoever changes the account come in turn
      if (userId !== null) await authority.hold(tx, caller, { narrowedUsers: [userId] })
      const account = userId === null ? null : await store.lock(tx, userId)
      const link = account && (await mailedLinks.take(tx, kind, token))
      if (!account || !link) throw problem('confirmation.void')
      await work(tx, account, link)
    })
  }

  return {
    askProof,
    async askOwnProof({ principal }) {
      if (principal?.sessionId === undefined) throw problem('user.not_found')
      await transact((tx) => askProof(tx, principal.id))
    },

    async askChange(caller, typed) {
      const { principal } = caller
      const email = normaliseEmail(typed)
      refuseServiceAddress(email)
      await transact(async (tx) => {
        const account = principal?.sessionId === undefined ? null : await store.lock(tx, principal.id)
        if (!account) throw problem('user.not_found')
        const { id, email: old } = account
        if (account.anonymous) refuse('an anonymous account is given one at /me/upgrade')
        if (email === old) refuse('is the address that the account has')
        if ((await mailedLinks.countOf(tx, 'email.change', { userId: id })) >= MOST_OF_AN_ACCOUNT) {
          throw problem('rate.limited', { detail: `At most ${MOST_OF_AN_ACCOUNT} changes an hour are asked for`, retryAfterSeconds: HOUR_SECONDS })
        }
        await mailedLinks.void(tx, 'email.change', { userId: id })
        await mailLink(tx, 'email.change', account, email, { sessionId: principal?.sessionId })
        await mail.tell(tx, id, { kind: 'email.change_asked', facts: { at: now().toISOString(), path: '/ui/account' } })
        await audit.record(tx, caller, { action: 'email.change_asked', targetType: 'user', targetId: id })
      })
    },

    async find(token) {
      const link = (await mailedLinks.find('email.change', token)) ?? (await mailedLinks.find('email.verify', token))
      return link && { kind: link.kind as Kind, email: link.email }
    },

    prove: (caller, token) => take(caller, 'email.verify', token, async (tx, { id }, { email }) => {
      if (!(await store.verifyEmail(tx, id, email, now()))) throw problem('confirmation.void')
      await mailedLinks.void(tx, 'email.verify', { userId: id })
      await audit.record(tx, caller, { action: 'email.verified', targetType: 'user', targetId: id, actorUserId: id })
    }),

    change: (caller, token) => take(caller, 'email.change', token, async (tx, { id, email: old, locale }, { email, details }) => {
      const { sessionId } = details as { sessionId?: string }
      // whoever is told of a change that they did not ask for, and signs that out, has stopped it
      if (sessionId === undefined || !(await isLive(id, sessionId))) throw problem('confirmation.void')
      // what lets other links and resets end with the address they were for is a trigger of the database
      await store.update(tx, id, '*', { email }, now())
      await store.verifyEmail(tx, id, email, now())
      await sessions.endAll(tx, id, sessionId)
      if (shownEmail(old) !== null) await mail.send(tx, { kind: 'email.changed', to: old, locale, facts: { at: now().toISOString() } })
      await audit.record(tx, caller, { action: 'email.changed', targetType: 'user', targetId: id, actorUserId: id })
    }),
  }
}

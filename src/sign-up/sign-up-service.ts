// Opening an account of one's own. Where addresses are confirmed first, a sign-up is a question that is answered alike for every address: whether it
// has an account is looked up behind the answer, and told to whoever reads its mail. Nothing of an account is there before the link was used, and its
// password is chosen then: nobody can leave one behind for the owner of an address to come to.
import {
  type AccountDraft, type AccountService, type AccountStore, emailSpellings, type LoginService, normaliseEmail, type Open, type OpenCookie, type OpenedCookie, type OpenedTokens, type OpenToken,
  refuseServiceAddress, type SignIns, type UserView,
} from '../accounts/index.js'
import type { AnonymousService } from '../anonymous/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { MailedLink, MailedLinkService } from '../mailed-links/index.js'
import type { OwnEmailService } from '../own-email/index.js'
import type { QueueService } from '../queue/index.js'

export interface SignUpInput {
  email: string
  password?: string
  name?: string
}

/** What is chosen when the address is confirmed. */
export interface Confirmation {
  token: string
  password: string
  name?: string
}

export interface SignUpService {
  /** Is an account opened only once its address has been confirmed by mail? */
  isConfirmed: boolean
  /** Promises a mail: a link that opens an account, or to the owner of one that they have it. Resolves for every address alike. Throws request.invalid, also for a password, which would be used for nothing. */
  ask: (caller: Caller, input: SignUpInput, locale: string | null) => Promise<{ status: 'accepted' }>
  /** The same for the caller's anonymous account, which the link makes a real one. Throws account.not_anonymous as well. */
  askUpgrade: (caller: Caller, input: SignUpInput, locale: string | null) => Promise<{ status: 'accepted' }>
  /** The address that a link opens an account for; null for one that is no good. Uses nothing up. */
  emailOf: (token: string) => Promise<string | null>
  /** Opens the account of a link, and signs in to it. Throws confirmation.void, password.weak, rate.limited, server.busy; email.taken when the address has an account by now. */
  confirm: {
    (caller: Caller, input: Confirmation, open: OpenToken): Promise<OpenedTokens>
    (caller: Caller, input: Confirmation, open: OpenCookie): Promise<OpenedCookie>
  }
  /**
   * Makes the caller's anonymous account a real one by the link that it asked for: its session and its keys stay, for who asked and who reads the mail are one. Throws
   * confirmation.void, also for a link that another account asked for; account.not_anonymous, session.not_found, and what `confirm` throws.
   */
  confirmOwn: (caller: Caller, input: Confirmation) => Promise<UserView>
  /** Where addresses are not confirmed first: checks and hashes; opens nothing. Throws request.invalid, password.weak, rate.limited, server.busy. */
  draft: (caller: Caller, input: SignUpInput, locale: string | null) => Promise<AccountDraft>
  /** Opens a drafted account and signs in; a mail lets its owner confirm the address. Throws email.taken. */
  open: {
    (caller: Caller, draft: AccountDraft, open: OpenToken): Promise<OpenedTokens>
    (caller: Caller, draft: AccountDraft, open: OpenCookie): Promise<OpenedCookie>
  }
  /** Makes the caller's anonymous account a real one at once. Throws account.not_anonymous, and what `draft` and `open` throw. */
  upgrade: (caller: Caller, input: SignUpInput) => Promise<UserView>
}

export interface SignUpDependencies {
  config: { emailVerification: 'required' | 'optional'; smtpUrl: string | null }
  store: Pick<AccountStore, 'findForMail' | 'isTaken' | 'lock'>
  accounts: Pick<AccountService, 'draft' | 'createIn'>
  login: Pick<LoginService, 'draft' | 'open'>
  signIns: SignIns
  anonymous: Pick<AnonymousService, 'isAnonymous' | 'makeReal' | 'takeOver' | 'upgrade'>
  ownEmail: Pick<OwnEmailService, 'askProof'>
  queue: QueueService
  mailedLinks: MailedLinkService
  mail: MailService
  transact: Transact
}

interface Asked {
  spellings: [string, ...string[]]
  email: string
  locale: string | null
  /** the anonymous account that becomes a real one */
  upgrades: string | null
}

const QUEUE = 'sign_up'
const KIND = 'signup.confirm'
const LIFE_HOURS = 24
// whoever signs up in the owner's name fills no box: as many go to an address in an hour, whether it has an account or not
const MOST_AN_HOUR = 3
// nor do many boxes get one by one anonymous account
const MOST_UPGRADES = 5

function withPassword({ password, ...rest }: SignUpInput): SignUpInput & { password: string } {
  if (password === undefined) throw problem('request.invalid', { errors: [{ path: '/password', message: 'is needed' }] })
  return { ...rest, password }
}

export function createSignUpService(dependencies: SignUpDependencies): SignUpService {
  const { config, store, accounts, login, signIns, anonymous, ownEmail, queue, mailedLinks, mail, transact } = dependencies

  async function answer(tx: Tx, { spellings, email, locale, upgrades }: Asked): Promise<void> {
    const give = (to: string, more: { userId?: string; details: object }) => mailedLinks.give(tx, { kind: KIND, email: to, lifeMs: LIFE_HOURS * 3_600_000, mostAnHour: MOST_AN_HOUR, ...more })
    const known = await store.findForMail(tx, spellings)
    if (known) {
      // a link that nobody is sent: it counts among the mails to the address
      if (await give(known.email, { details: { counts: true } })) await mail.send(tx, { kind: 'signup.known', to: known.email, locale: known.locale, facts: { path: '/ui/sign-in' } })
      return
    }
    // a suspended account's owner is told nothing, and nobody gets its address
    if (await store.isTaken(tx, spellings)) return
    if (upgrades !== null) {
      const account = await store.lock(tx, upgrades)
      if (account?.anonymous !== true || (await mailedLinks.countOf(tx, KIND, { userId: upgrades })) >= MOST_UPGRADES) return
    }
    const link = await give(email, { ...(upgrades === null ? {} : { userId: upgrades }), details: { locale } })
    if (link) await mail.send(tx, { kind: KIND, to: email, locale, facts: { hours: LIFE_HOURS, path: `/ui/confirm?token=${link.token}` } })
  }

  queue.workOn({ queue: QUEUE, atOnce: 2, inside: (tx, { payload }) => answer(tx, payload as Asked) })

  async function promise({ email: typed, password, name }: SignUpInput, locale: string | null, upgrades: string | null): Promise<{ status: 'accepted' }> {
    const early = Object.entries({ password, name }).filter(([, value]) => value !== undefined).map(([field]) => ({ path: `/${field}`, message: 'is chosen when the address is confirmed' }))
    if (early.length > 0) throw problem('request.invalid', { errors: early })
    const email = normaliseEmail(typed)
    refuseServiceAddress(email)
    const payload: Asked = { spellings: emailSpellings(typed), email, locale, upgrades }
    await transact(async (tx) => void (await queue.promise(tx, { queue: QUEUE, payload })))
    return { status: 'accepted' }
  }

  async function draftOf(caller: Caller, link: MailedLink, { password, name }: Confirmation): Promise<AccountDraft> {
    const { locale = null } = link.details as { locale?: string | null }
    const drafted = await accounts.draft({ ...caller, principal: null }, { email: link.email, password, ...(name === undefined ? {} : { name }) })
    return { ...drafted, locale, emailVerified: true, signsIn: true }
  }

  async function confirm(caller: Caller, input: Confirmation, open: Open): Promise<OpenedTokens | OpenedCookie> {
    const { token } = input
    // a guess costs a look into an index, and neither a hash nor a row
    const link = await mailedLinks.find(KIND, token)
    if (!link) throw problem('confirmation.void')
    const id = link.userId ?? newId()
    const draft: AccountDraft = { ...(await draftOf(caller, link, input)), id }
    const done = await signIns.complete(caller, {
      userId: id, amr: ['pwd'], open,
      async within(tx) {
        if (!(await mailedLinks.take(tx, KIND, token))) throw problem('confirmation.void')
        await (link.userId === null ? accounts.createIn(tx, caller, draft) : anonymous.takeOver(tx, caller, draft))
        return true
      },
    })
    if (done.status !== 'signed_in') throw new Error('a new account has no second factor')
    return done
  }

  /** The account is there before anybody has confirmed its address: a link lets them. Where no mail server is, nobody reads it. */
  const opening = <T extends { user: { id: string } }>(work: () => Promise<T>): Promise<T> => transact(async (tx) => {
    const done = await work()
    if (config.smtpUrl !== null) await ownEmail.askProof(tx, done.user.id)
    return done
  })

  return {
    isConfirmed: config.emailVerification === 'required',
    ask: (_caller, input, locale) => promise(input, locale, null),
    async askUpgrade({ principal }, input, locale) {
      const id = principal?.id ?? ''
      if (!(await anonymous.isAnonymous(id))) throw problem('account.not_anonymous')
      return promise(input, locale, id)
    },
    emailOf: async (token) => (await mailedLinks.find(KIND, token))?.email ?? null,
    confirm: confirm as SignUpService['confirm'],
    async confirmOwn(caller, input) {
      const { token } = input
      const link = await mailedLinks.find(KIND, token)
      // somebody else may have named the caller's address: that account is taken over with the link alone, and nothing in it stays
      if (!link || link.userId === null || link.userId !== caller.principal?.id) throw problem('confirmation.void')
      const { userId } = link
      const draft = await draftOf(caller, link, input)
      return transact(async (tx) => {
        // the account before the link, as every sign-in does
        await store.lock(tx, userId)
        if (!(await mailedLinks.take(tx, KIND, token))) throw problem('confirmation.void')
        return anonymous.makeReal(tx, caller, draft)
      })
    },
    draft: async (caller, input, locale) => ({ ...(await login.draft(caller, withPassword(input))), locale }),
    open: ((caller: Caller, draft: AccountDraft, open: OpenToken) => opening(() => login.open(caller, draft, open))) as SignUpService['open'],
    async upgrade(caller, input) {
      const user = await anonymous.upgrade(caller, withPassword(input))
      // behind it: the hash is made outside any transaction. Who gets no link asks for one
      await opening(async () => ({ user }))
      return user
    },
  }
}

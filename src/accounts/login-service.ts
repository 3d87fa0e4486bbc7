// Signing up and signing in with a password. A wrong password, an unknown e-mail, a suspended account and one without a
// password answer alike and cost alike; nothing here says which it was, but to the audit log.
import type { Caller } from '../access/principal.js'
import type { AuditStore } from '../audit/audit-store.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import type { SessionService, SessionView, TokenPair } from '../sessions/session-service.js'
import type { AccountDraft, AccountService } from './account-service.js'
import type { AccountStore } from './account-store.js'
import { type UserView, viewOf } from './account-view.js'
import type { DeviceService } from './device-service.js'
import { emailSpellings } from './email.js'
import { checkOrigin } from './hash-origin.js'
import type { HashOrigin } from './hash-queue.js'
import type { LoginThrottle } from './login-throttle-service.js'
import type { PasswordHasher } from './password-hasher.js'

export interface Login {
  email: string
  password: string
  /** what an earlier sign-in gave to this device */
  deviceToken?: string
  /** at the cap of sessions, end the oldest instead of refusing */
  endOldest?: boolean
}

export type SignedIn = { user: UserView } & TokenPair

/** `deviceToken`: sent along with the next sign-in, it is one from a known device. */
export type LoggedIn = SignedIn & { deviceToken: string }

export interface LoginService {
  /** Checks and hashes; opens nothing. Throws request.invalid, password.weak, rate.limited, server.busy. */
  draft: (caller: Caller, input: Login & { name?: string }) => Promise<AccountDraft>
  /** Opens a drafted account and signs in. Throws email.taken. */
  open: (caller: Caller, draft: AccountDraft) => Promise<SignedIn>
  /** draft, then open */
  signUp: (caller: Caller, input: Login & { name?: string }) => Promise<SignedIn>
  /** Throws credentials.invalid, login.throttled, session.cap_reached, server.busy. */
  logIn: (caller: Caller, input: Login) => Promise<LoggedIn>
  /** Signs in to a cookie session whose id is `cookieSecret`. Throws like logIn. */
  logInWithCookie: (caller: Caller, input: Login, cookieSecret: string) => Promise<{ user: UserView; session: SessionView; deviceToken: string }>
}

export interface LoginServiceDependencies {
  store: AccountStore
  accounts: AccountService
  devices: DeviceService
  hasher: PasswordHasher
  throttle: LoginThrottle
  sessions: SessionService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

export function createLoginService(dependencies: LoginServiceDependencies): LoginService {
  const { store, accounts, devices, hasher, throttle, sessions, audit, transact, clock } = dependencies

  async function fail(caller: Caller, userId: string): Promise<never> {
    await audit.refused(caller, { action: 'login.failed', targetType: 'user', targetId: userId })
    throw problem('credentials.invalid')
  }

  /** The hash to keep from now on of a password that was right, when it was made with another cost than today's. A busy server leaves it for the next time. */
  async function renewedHash(password: string, checkedHash: string, origin: HashOrigin): Promise<string | undefined> {
    if (!hasher.isOutdated(checkedHash)) return undefined
    try {
      return await hasher.renew(password, origin)
    } catch (error) {
      if (error instanceof AppError && error.code === 'server.busy') return undefined
      throw error
    }
  }

  /** Checks the password and, in one transaction, notes the sign-in and opens what `open` opens. */
  async function signIn<T>(
    caller: Caller, { email: typed, password, deviceToken }: Login, open: (tx: Tx, userId: string) => Promise<T>,
  ): Promise<{ user: UserView; opened: T; deviceToken: string }> {
    const spellings = emailSpellings(typed)
    // guesses are counted for the address, however it is spelled
    const email = spellings.at(-1) ?? spellings[0]
    const account = await store.findByEmail(spellings)
    const recognised = await devices.recognise(account?.id ?? null, caller.address, deviceToken)
    const attempt = await throttle.reserve(caller, email, recognised)
    const checkedHash = account?.passwordHash ?? null
    const origin = checkOrigin(caller, { guessed: email, knownUserId: recognised ? account?.id : undefined })
    const right = await throttle.whileReserved(attempt, () => hasher.verify(password, checkedHash, origin))
    if (!right || !account || checkedHash === null || account.status !== 'active') return fail(caller, account?.id ?? '')
    const renewed = await renewedHash(password, checkedHash, origin)
    // a session that is refused was no wrong guess
    const done = await throttle.whileReserved(attempt, () => transact(async (tx) => {
      // the account may have been suspended, or its password changed, while the hash was worked out
      if (!(await store.noteLogin(tx, account.id, checkedHash, new Date(clock.now()), renewed))) return null
      const opened = await open(tx, account.id)
      await throttle.succeeded(tx, attempt)
      await audit.record(tx, caller, { action: 'login.succeeded', targetType: 'user', targetId: account.id, actorUserId: account.id })
      const row = await store.find(account.id, tx)
      return row && { user: viewOf(row), opened, deviceToken: await devices.remember(tx, account.id, recognised, deviceToken) }
    }))
    return done ?? fail(caller, account.id)
  }

  const service: LoginService = {
    draft: async (caller, input) => ({ ...(await accounts.draft(caller, input)), signsIn: true }),
    open: (caller, draft) => transact(async (tx) => {
      const user = await accounts.createIn(tx, caller, draft)
      return { user, ...(await sessions.openToken(tx, user.id, caller)) }
    }),
    signUp: async (caller, input) => service.open(caller, await service.draft(caller, input)),
    async logIn(caller, input) {
      const { user, opened, deviceToken } = await signIn(caller, input, (tx, userId) => sessions.openToken(tx, userId, caller, input))
      return { user, ...opened, deviceToken }
    },
    async logInWithCookie(caller, input, cookieSecret) {
      const { user, opened, deviceToken } = await signIn(caller, input, (tx, userId) => sessions.openCookie(tx, userId, cookieSecret, caller, input))
      return { user, session: opened, deviceToken }
    },
  }
  return service
}

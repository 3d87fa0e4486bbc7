// Signing up and signing in with a password. A wrong password, an unknown e-mail, a suspended account and one without a
// password answer alike and cost alike; nothing here says which it was, but to the audit log.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import type { AccountDraft, AccountService } from './account-service.js'
import { ADDRESS_KNOWN_MS, deviceHash, recognise } from './device-rules.js'
import { emailSpellings } from './email.js'
import { checkOrigin } from './hash-origin.js'
import type { HashOrigin } from './hash-queue.js'
import type { LoginThrottle } from './login-throttle-service.js'
import type { PasswordHasher } from './password-hasher.js'
import type { MfaRequired, Open, OpenCookie, OpenedCookie, OpenedTokens, OpenToken, SignInFinisher } from './sign-in-service.js'
import type { SignInStore } from './sign-in-store.js'

export interface Login {
  email: string
  password: string
  /** what an earlier sign-in gave to this device */
  deviceToken?: string
  /** at the cap of sessions, end the oldest instead of refusing */
  endOldest?: boolean
}

export interface LoginService {
  /** Checks and hashes; opens nothing. Throws request.invalid, password.weak, rate.limited, server.busy. */
  draft: (caller: Caller, input: Login & { name?: string }) => Promise<AccountDraft>
  /** Opens a drafted account and signs in, as a sign-in does: its device is known from now on. Throws email.taken. */
  open: {
    (caller: Caller, draft: AccountDraft, open: OpenToken): Promise<OpenedTokens>
    (caller: Caller, draft: AccountDraft, open: OpenCookie): Promise<OpenedCookie>
  }
  /** Throws credentials.invalid, login.throttled, session.cap_reached, server.busy. `deviceToken`: sent along with the next sign-in, it is one from a known device. */
  logIn: (caller: Caller, input: Login) => Promise<OpenedTokens | MfaRequired>
  /** Signs in to a cookie session whose id is `cookieSecret`. Throws like logIn. */
  logInWithCookie: (caller: Caller, input: Login, cookieSecret: string) => Promise<OpenedCookie | MfaRequired>
}

export interface LoginServiceDependencies {
  store: SignInStore
  accounts: AccountService
  signIns: SignInFinisher
  hasher: PasswordHasher
  throttle: LoginThrottle
  audit: AuditStore
  transact: Transact
  clock: Clock
}

export function createLoginService(dependencies: LoginServiceDependencies): LoginService {
  const { store, accounts, signIns, hasher, throttle, audit, transact, clock } = dependencies

  /** Folded by the e-mail, whether it is an account's or not: a row that only one of the two has written would tell them apart by the time it takes. */
  async function fail(caller: Caller, email: string, userId: string): Promise<never> {
    await audit.refused(caller, { action: 'login.failed', targetType: 'user', targetId: userId, about: email })
    throw problem('credentials.invalid')
  }

  /** The hash to keep from now on of a password that was right, when it was made with another cost than today's, or elsewhere. A busy server leaves it for the next time. */
  async function renewedHash(password: string, checkedHash: string, origin: HashOrigin): Promise<string | undefined> {
    if (!hasher.isOutdated(checkedHash, password)) return undefined
    try {
      return await hasher.renew(password, origin)
    } catch (error) {
      if (isProblem(error, 'server.busy')) return undefined
      throw error
    }
  }

  /** Checks the password and, in one transaction, notes the sign-in and opens what `open` says, or leaves a challenge: one statement waits, and one writes it all. */
  async function signIn(caller: Caller, { email: typed, password, deviceToken }: Login, open: Open): Promise<OpenedTokens | OpenedCookie | MfaRequired> {
    const spellings = emailSpellings(typed)
    // guesses are counted for the address, however it is spelled
    const email = spellings.at(-1) ?? spellings[0]
    const nowMs = clock.now()
    const { account, acquaintance } = await store.find(spellings, deviceHash(deviceToken), new Date(nowMs), new Date(nowMs - ADDRESS_KNOWN_MS))
    const recognised = recognise(acquaintance, caller.address)
    const attempt = await throttle.reserve(caller, email, recognised)
    const checkedHash = account?.passwordHash ?? null
    const origin = checkOrigin(caller, { guessed: email, knownUserId: recognised ? account?.id : undefined })
    const right = await throttle.whileReserved(attempt, () => hasher.verify(password, checkedHash, origin))
    if (!right || !account || checkedHash === null || account.status !== 'active') return fail(caller, email, account?.id ?? '')
    const renewed = await renewedHash(password, checkedHash, origin)
    // a session that is refused was no wrong guess
    const finish = (checked: string, newer?: string) => throttle.whileReserved(attempt, () => transact((tx) => signIns.finish(tx, caller, {
      userId: account.id, amr: ['pwd'], open, recognised, deviceToken, password: { checkedHash: checked, renewedHash: newer }, forgiven: throttle.succeeding(attempt),
    })))
    const done = await finish(checkedHash, renewed)
    if (done) return done
    // the account may have been suspended, or its password changed, while the hash was worked out; or another sign-in has renewed it
    const { account: now } = await store.find(spellings, null, new Date(nowMs), new Date(nowMs))
    const newest = now?.id === account.id && now.passwordHash !== checkedHash ? now.passwordHash : null
    const isStill = newest !== null && (await throttle.whileReserved(attempt, () => hasher.verify(password, newest, origin)))
    return (isStill ? await finish(newest) : null) ?? fail(caller, email, account.id)
  }

  const open = (caller: Caller, draft: AccountDraft, how: Open): Promise<OpenedTokens | OpenedCookie> => transact(async (tx) => {
    const { id } = await accounts.createIn(tx, caller, draft)
    const done = await signIns.finish(tx, caller, { userId: id, amr: ['pwd'], open: how, recognised: null })
    if (done?.status !== 'signed_in') throw problem('credentials.invalid')
    return done
  })

  return {
    draft: async (caller, input) => ({ ...(await accounts.draft(caller, input)), signsIn: true }),
    open: open as LoginService['open'],
    logIn: async (caller, input) => signIn(caller, input, { kind: 'token', endOldest: input.endOldest }) as Promise<OpenedTokens | MfaRequired>,
    logInWithCookie: async (caller, input, cookieSecret) =>
      signIn(caller, input, { kind: 'cookie', cookieSecret, endOldest: input.endOldest }) as Promise<OpenedCookie | MfaRequired>,
  }
}

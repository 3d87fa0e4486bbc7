// How often a password may be guessed in 15 minutes: 10 failures in a row for an account from one address, 50 from an address over all
// accounts, 200 from an IPv6 /48, 100 in a row for an account from anywhere. Guesses lock nobody out but who made them: a device or
// a session of the account's own is counted by itself (10), and an address that it signs in from by the first of these alone.
// Codes of a second factor: 10 for an account, whatever challenges they answer.
// An attempt is counted BEFORE its password is hashed: of 20 guesses at once, no more than the limit are looked at.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Along, Transact, Tx } from '../database/transaction.js'
import { countedAddress, countedNetwork } from '../kernel/address.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Secrets } from '../kernel/secrets.js'
import { createTurns } from '../kernel/turns.js'
import type { Cache } from '../shared-store/shared-store.js'
import type { AccountStore } from './account-store.js'
import type { Recognised } from './device-rules.js'
import type { CountedMinute, Forgiven, LoginCounterStore } from './login-counter-store.js'

const WINDOW_MS = 15 * 60_000
// an answer that is this old may be wrong: attempts that were counted and then succeeded are taken back
const REMEMBERED_MS = 5_000

/** Which counter, and how many failures it takes. */
interface Limit {
  kind: 'account_address' | 'address' | 'network' | 'account' | 'device' | 'second_factor'
  counter: string
  limit: number
  /** what a right password does to it: forgets its failures, or takes back this attempt alone */
  success: 'clear' | 'take_back'
}

/** An attempt that has been counted as failed, until it is known better. */
export interface Reservation {
  limits: readonly Limit[]
  countedAtMs: number
}

export interface LoginThrottle {
  /**
   * Counts an attempt on a normalised e-mail. Throws login.throttled, having counted nothing.
   * Never inside another transaction: the count must outlive the attempt's failure.
   */
  reserve: (caller: Caller, email: string, recognised: Recognised) => Promise<Reservation>
  /**
   * Counts an attempt on the codes of an account by whoever knows its password, or is signed in to it. Over all challenges, so that new ones give no new
   * guesses; a device of the account's own and a session are counted by themselves. Throws login.throttled. Never inside another transaction.
   */
  reserveCode: (caller: Caller, userId: string, recognised: Recognised) => Promise<Reservation>
  /** The password was right: the account's failures are forgotten, and the address is not charged for this attempt. */
  succeeded: (tx: Tx, reservation: Reservation) => Promise<void>
  /** The same along with the statement of the sign-in, and the counters that are to be locked before it, in their order. */
  succeeding: (reservation: Reservation) => { counters: string[]; along: Along }
  /** Runs the look at the password; when that fails (the server is busy), nothing was guessed and the attempt is taken back. */
  whileReserved: <T>(reservation: Reservation, work: () => Promise<T>) => Promise<T>
}

export interface LoginThrottleDependencies {
  store: LoginCounterStore
  accounts: Pick<AccountStore, 'findCredentials'>
  audit: AuditStore
  /** denials, so that a flood of them does not reach the database */
  cache: Cache
  secrets: Secrets
  transact: Transact
  clock: Clock
}

/** When do enough failures lapse? Null when the limit is not reached. Pure; `minutes` by their end. */
export function lockedUntil(minutes: readonly CountedMinute[], limit: number): number | null {
  let left = minutes.reduce((sum, { count }) => sum + count, 0)
  if (left < limit) return null
  for (const { count, expiresAt } of minutes) {
    left -= count
    if (left < limit) return expiresAt.getTime()
  }
  return null
}

export function createLoginThrottle({ store, accounts, audit, cache, secrets, transact, clock }: LoginThrottleDependencies): LoginThrottle {
  // a burst of guesses waits for its counters here, not with a connection each that nobody else could use
  const takeTurn = createTurns()
  // keyed hashes: whoever reads the table learns neither who is being guessed nor which e-mails have accounts
  const counterOf = (...parts: string[]): string => secrets.mac('login-counter', JSON.stringify(parts)).toString('base64url')

  function limitsOf(email: string, address: string, recognised: Recognised): Limit[] {
    if (recognised && recognised.by !== 'address') {
      return [{ kind: 'device', counter: counterOf(recognised.by, recognised.id), limit: 10, success: 'clear' }]
    }
    const counted = countedAddress(address)
    const network = countedNetwork(address)
    const accountAddress: Limit = { kind: 'account_address', counter: counterOf('account', email, 'address', counted), limit: 10, success: 'clear' }
    if (recognised) return [accountAddress]
    return [
      accountAddress,
      { kind: 'address', counter: counterOf('address', counted), limit: 50, success: 'take_back' },
      ...(network === null ? [] : [{ kind: 'network', counter: counterOf('network', network), limit: 200, success: 'take_back' } as const]),
      { kind: 'account', counter: counterOf('account', email), limit: 100, success: 'clear' },
    ]
  }

  function forgivenOf({ limits, countedAtMs }: Reservation): Forgiven {
    const of = (success: Limit['success']): string[] => limits.flatMap((limit) => (limit.success === success ? [limit.counter] : []))
    return { takenBack: of('take_back'), cleared: of('clear'), countedAtMs, nowMs: clock.now(), windowMs: WINDOW_MS }
  }

  function refuse(untilMs: number): never {
    throw problem('login.throttled', { retryAfterSeconds: Math.max(1, Math.ceil((untilMs - clock.now()) / 1000)) })
  }

  async function refuseIfRemembered(limits: readonly Limit[]): Promise<void> {
    const remembered = await Promise.all(limits.map(({ counter }) => cache.get(`login-lockout:${counter}`)))
    const untilMs = Math.max(...remembered.map((until) => Number(until ?? 0)))
    if (untilMs > clock.now()) refuse(untilMs)
  }

  async function noteLockout(caller: Caller, findUser: () => Promise<string>, { kind, counter }: Limit, nowMs: number, untilMs: number): Promise<void> {
    const isPlace = kind === 'address' || kind === 'network'
    const userId = isPlace ? '' : await findUser()
    await transact(async (tx) => {
      if (!(await store.insertLockout(tx, counter, nowMs, untilMs))) return
      const target = isPlace
        ? { targetType: 'address', targetId: (kind === 'network' ? countedNetwork(caller.address) : null) ?? countedAddress(caller.address) }
        : { targetType: 'user', targetId: userId }
      await audit.record(tx, caller, { action: 'login.throttled', ...target, details: { counter: kind } })
    })
    await cache.set(`login-lockout:${counter}`, String(untilMs), Math.min(untilMs - nowMs, REMEMBERED_MS))
  }

  /** Counts an attempt, or refuses it, having counted nothing. `findUser`: whose account a lock is put down to. */
  async function count(caller: Caller, limits: Limit[], findUser: () => Promise<string>): Promise<Reservation> {
    await refuseIfRemembered(limits)
    const all = limits.map(({ counter }) => counter)
    return takeTurn(all, async () => {
      // what was counted while this one waited for its turn
      await refuseIfRemembered(limits)
      const nowMs = clock.now()
      // none when it was counted
      const minutes = await store.reserve(limits, nowMs, WINDOW_MS)
      const locked = limits.flatMap((limit) => {
        const untilMs = lockedUntil(minutes.filter(({ counter }) => counter === limit.counter), limit.limit)
        return untilMs === null ? [] : [{ limit, untilMs }]
      })
      for (const { limit, untilMs } of locked) await noteLockout(caller, findUser, limit, nowMs, untilMs)
      if (locked.length > 0) refuse(Math.max(...locked.map(({ untilMs }) => untilMs)))
      return { limits, countedAtMs: nowMs }
    })
  }

  return {
    reserve: (caller, email, recognised) =>
      count(caller, limitsOf(email, caller.address, recognised), async () => (await accounts.findCredentials({ email }))?.id ?? ''),
    reserveCode(caller, userId, recognised) {
      const whose = recognised === null || recognised.by === 'address' ? ['account', userId] : [recognised.by, recognised.id]
      return count(caller, [{ kind: 'second_factor', counter: counterOf('second_factor', ...whose), limit: 10, success: 'clear' }], async () => userId)
    },
    async succeeded(tx, reservation) {
      await store.lock(tx, reservation.limits.map(({ counter }) => counter))
      await store.forgive(tx, forgivenOf(reservation))
    },
    succeeding: (reservation) => ({ counters: store.inLockOrder(reservation.limits.map(({ counter }) => counter)), along: store.forgiving(forgivenOf(reservation)) }),
    async whileReserved({ limits, countedAtMs }, work) {
      try {
        return await work()
      } catch (error) {
        const all = limits.map(({ counter }) => counter)
        await takeTurn(all, () => transact(async (tx) => {
          await store.lock(tx, all)
          await store.forgive(tx, { takenBack: all, cleared: [], countedAtMs, nowMs: clock.now(), windowMs: WINDOW_MS })
        }))
        throw error
      }
    },
  }
}

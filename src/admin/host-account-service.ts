// What whoever holds the host may do to accounts without being anybody: open an administrator, make one of an account, set a
// password. The way back in when no administrator can sign in. Held to the rules of passwords and told to the audit log, as actor
// `host`; not held to reach, for the host reads and writes the database anyway.
import { type AccountStore, ADMIN, normaliseEmail, type PasswordHasher, requireStrong } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import { issuerOf } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId, randomBase62 } from '../kernel/ids.js'
import type { InstallationStore } from '../setup/index.js'
import type { HostAccount, HostAccountStore } from './host-account-store.js'
import { HOST } from './host-caller.js'

export interface MadeAccount {
  email: string
  /** the password that was made up; null when one was given */
  password: string | null
}

export interface HostAccountService {
  /** Opens an active account with the role admin; that is the set-up, too, where there was none. Throws request.invalid, email.taken, password.weak. */
  create: (email: string, password: string | null) => Promise<MadeAccount>
  /** Makes an account active and gives it the role admin. Throws request.invalid, user.not_found, reset.unavailable for a service. */
  grantAdmin: (email: string) => Promise<{ email: string }>
  /** Sets a password and ends the account's sessions. Throws request.invalid, user.not_found, password.weak, reset.unavailable for a service. */
  resetPassword: (email: string, password: string | null) => Promise<MadeAccount & { endedSessions: number; status: string }>
}

export interface HostAccountServiceDependencies {
  store: HostAccountStore
  accounts: AccountStore
  installation: InstallationStore
  hasher: Pick<PasswordHasher, 'hash'>
  audit: AuditStore
  transact: Transact
  clock: Clock
}

// 20 characters of 62: 119 bits
const PASSWORD_CHARACTERS = 20
const ISSUER = issuerOf(HOST)
// nobody waits beside it
const ORIGIN = { lane: 'signed_in', names: [{ name: 'host' }] } as const

export function createHostAccountService({ store, accounts, installation, hasher, audit, transact, clock }: HostAccountServiceDependencies): HostAccountService {
  const now = (): Date => new Date(clock.now())

  async function hashOf(email: string, given: string | null): Promise<{ password: string; passwordHash: string }> {
    const password = given ?? randomBase62(PASSWORD_CHARACTERS)
    requireStrong(password, [email])
    return { password, passwordHash: await hasher.hash(password, ORIGIN) }
  }

  async function personIn(tx: Tx, email: string): Promise<HostAccount> {
    const account = await store.lock(tx, email)
    if (!account) throw problem('user.not_found')
    if (account.kind !== 'person') throw problem('reset.unavailable', { detail: 'A service account has keys, no password, and is no administrator' })
    return account
  }

  return {
    async create(typed, given) {
      const email = normaliseEmail(typed)
      const { password, passwordHash } = await hashOf(email, given)
      const id = newId()
      await transact(async (tx) => {
        await accounts.insert(tx, { id, kind: 'person', email, name: '', passwordHash, roles: [ADMIN], issuer: ISSUER, createdAt: now() })
        const first = await installation.insert(tx, id, now())
        const target = { targetType: 'user', targetId: id }
        await audit.record(tx, HOST, { action: 'user.created', ...target, details: { roles: [ADMIN], password: true } })
        if (first) await audit.record(tx, HOST, { action: 'installation.set_up', ...target })
      })
      return { email, password: given === null ? password : null }
    },

    async grantAdmin(typed) {
      const email = normaliseEmail(typed)
      await transact(async (tx) => {
        const account = await personIn(tx, email)
        const roles = [...new Set([...account.roles, ADMIN])].toSorted()
        await accounts.setRoles(tx, account.id, roles, ISSUER, now())
        await accounts.update(tx, account.id, '*', { status: 'active' }, now())
        await installation.insert(tx, account.id, now())
        await audit.record(tx, HOST, { action: 'user.updated', targetType: 'user', targetId: account.id, details: { fields: ['roles', 'status'], roles, status: 'active' } })
      })
      return { email }
    },

    async resetPassword(typed, given) {
      const email = normaliseEmail(typed)
      const { password, passwordHash } = await hashOf(email, given)
      const outcome = await transact(async (tx) => {
        const { id, status } = await personIn(tx, email)
        if (!(await store.setPassword(tx, id, passwordHash, now()))) throw problem('reset.unavailable')
        const endedSessions = await store.endSessions(tx, id, now())
        await audit.record(tx, HOST, { action: 'password.reset', targetType: 'user', targetId: id, details: { endedSessions } })
        return { endedSessions, status }
      })
      return { email, password: given === null ? password : null, ...outcome }
    },
  }
}

// Accounts: opened, read, and what their owners do to them. What administrators do to others' is in account-change-service.ts.
// Every change is one transaction with its audit row.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Issuer, issuerOf, refuseGrant, refuseWithout, UNFENCED } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import { languageTag } from '../kernel/language-tag.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { MailService } from '../mail/index.js'
import type { SessionService } from '../sessions/index.js'
import type { AccountStore, UserKind } from './account-store.js'
import { accountListQuery, type UserView, viewOf } from './account-view.js'
import { normaliseEmail, noAddress, refuseServiceAddress, SERVICE_DOMAIN } from './email.js'
import type { GivenHash } from './foreign-hash.js'
import { checkOrigin, newOrigin } from './hash-origin.js'
import type { LoginThrottle } from './login-throttle-service.js'
import type { PasswordHasher } from './password-hasher.js'
import { requireStrong } from './password-rules.js'
import { givenBy, MEMBER } from './role-rules.js'
import type { RoleStore } from './role-store.js'

export type { UserView }

export interface AccountInput {
  email: string
  password?: string
  name?: string | null
}

/** `service`: a machine's account, with a name, roles and keys, and no address or password. */
export interface NewAccount extends Omit<AccountInput, 'email'> {
  kind?: UserKind
  email?: string
  /** of another system, in place of a password */
  passwordHash?: GivenHash
  roles?: string[]
}

export interface NamedRoles {
  named: { id: string; name: string }[]
  /** what they permit beyond what everybody has */
  permissions: string[]
}

export interface OwnChanges {
  name?: string | null
  locale?: string | null
}

/** An account that is ready to be opened: everything slow or refusable has been done, outside any transaction. */
export interface AccountDraft {
  email: string
  name: string
  passwordHash: string | null
  roles: string[]
  kind?: UserKind
  /** set when the password is known by another system's hash alone */
  imported?: GivenHash['scheme']
  /** set when nobody has said who it is for */
  anonymous?: true
  /** set when it must be known beforehand */
  id?: string
  /** set when opening it signs in */
  signsIn?: boolean
  /** set when mail to the address has reached whoever opens it, or a provider that is believed says so */
  emailVerified?: true
  /** of the mails to them */
  locale?: string | null
  /** set when somebody else vouches for its roles than who opens it */
  issuer?: Issuer
}

export interface AccountService {
  list: (query: ListQuery) => Promise<PageText>
  /** Throws user.not_found. */
  find: (id: string) => Promise<UserView>
  /** The same, as a transaction sees it. */
  findIn: (tx: Tx, id: string) => Promise<UserView>
  /** Checks and hashes what was typed; opens nothing. Throws request.invalid, password.weak, rate.limited, server.busy. */
  draft: (caller: Caller, input: AccountInput) => Promise<AccountDraft>
  /** A draft with roles that the caller may give. Throws permission.not_held and role.unknown, access.denied for a hash without leave to import one, and what `draft` throws. */
  draftFor: (caller: Caller, input: NewAccount) => Promise<AccountDraft>
  /** Opens a drafted account. Throws email.taken. */
  open: (caller: Caller, draft: AccountDraft) => Promise<UserView>
  /** draftFor, then open */
  create: (caller: Caller, input: NewAccount) => Promise<UserView>
  /** Opens a drafted account as a part of something larger; the caller's right to do so has been decided. Throws email.taken. */
  createIn: (tx: Tx, caller: Caller, draft: AccountDraft) => Promise<UserView>
  /** Roles by their names, as a transaction sees them. Throws role.unknown for a name that is none, unless `some` will do. */
  rolesNamed: (tx: Tx, names: readonly string[], which?: 'all' | 'some') => Promise<NamedRoles>
  /** Changes what a user says of themselves. Throws user.not_found, precondition.failed, and request.invalid for a locale that is no language tag. */
  changeOwn: (caller: Caller, id: string, expected: number | '*', changes: OwnChanges) => Promise<UserView>
  /**
   * Replaces the caller's own password and ends every other session of theirs. Guesses of the current one count like failed sign-ins.
   * Throws credentials.invalid, password.weak, login.throttled, server.busy.
   */
  changePassword: (caller: Caller, input: { currentPassword: string; newPassword: string }) => Promise<void>
}

export interface AccountServiceDependencies {
  store: AccountStore
  roles: RoleStore
  hasher: PasswordHasher
  throttle: LoginThrottle
  sessions: SessionService
  authority: AuthorityService
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

const IMPORT = 'gatehouse:users.import'

function keptLocale(text: string): string {
  const tag = languageTag(text)
  if (tag === null) throw problem('request.invalid', { errors: [{ path: '/locale', message: 'must be a language tag (RFC 5646)' }] })
  return tag
}

function serviceDraft({ email, password, passwordHash, name }: Omit<NewAccount, 'kind' | 'roles'>): AccountDraft {
  const errors = [
    ...(email === undefined ? [] : [{ path: '/email', message: 'a service account has none' }]),
    ...(password === undefined ? [] : [{ path: '/password', message: 'a service account has none' }]),
    ...(passwordHash === undefined ? [] : [{ path: '/passwordHash', message: 'a service account has none' }]),
    ...(typeof name === 'string' && name.trim() !== '' ? [] : [{ path: '/name', message: 'a service account needs one' }]),
  ]
  if (errors.length > 0) throw problem('request.invalid', { errors })
  return { email: '', name: name?.trim() ?? '', passwordHash: null, roles: [], kind: 'service' }
}

export function createAccountService(dependencies: AccountServiceDependencies): AccountService {
  const { store, roles, hasher, throttle, sessions, authority, mail, audit, transact, clock } = dependencies
  const now = (): Date => new Date(clock.now())

  async function viewIn(tx: Tx, id: string): Promise<UserView> {
    const row = await store.find(id, tx)
    if (!row) throw problem('user.not_found')
    return viewOf(row)
  }

  async function personDraft(caller: Caller, { passwordHash: given, ...input }: AccountInput & Pick<NewAccount, 'passwordHash'>): Promise<AccountDraft> {
    if (given === undefined) return service.draft(caller, input)
    if (input.password !== undefined) throw problem('request.invalid', { errors: [{ path: '/passwordHash', message: 'a password or its hash, not both' }] })
    const passwordHash = hasher.takeOver(given)
    return { ...(await service.draft(caller, input)), passwordHash, imported: given.scheme }
  }

  const service: AccountService = {
    list: async (query) => store.list(accountListQuery(query)),

    async find(id) {
      const row = isUuid(id) ? await store.find(id) : null
      if (!row) throw problem('user.not_found')
      return viewOf(row)
    },

    findIn: viewIn,

    async draft(caller, { email: typed, password, name }) {
      const email = normaliseEmail(typed)
      refuseServiceAddress(email)
      if (password !== undefined) requireStrong(password, [email, name ?? ''])
      const passwordHash = password === undefined ? null : await hasher.hash(password, newOrigin(caller))
      return { email, name: name?.trim() ?? '', passwordHash, roles: [MEMBER] }
    },

    async draftFor(caller, { roles: names = [MEMBER], kind = 'person', email, ...input }) {
      // refused before anything is hashed; `open` asks again, at the commit
      const held = { permissions: caller.principal?.permissions ?? [], fence: UNFENCED }
      refuseGrant(held, givenBy(names, await roles.list()))
      if (input.passwordHash !== undefined) refuseWithout(held, IMPORT)
      const drafted = kind === 'service' ? serviceDraft({ ...input, ...(email === undefined ? {} : { email }) }) : await personDraft(caller, { ...input, email: email ?? '' })
      return { ...drafted, roles: kind === 'service' ? names.filter((name) => name !== MEMBER) : [...new Set(names)] }
    },

    open: (caller, draft) => transact(async (tx) => {
      const held = await authority.require(tx, caller, 'gatehouse:users.write', { roles: draft.roles })
      if (draft.imported !== undefined) refuseWithout(held, IMPORT)
      refuseGrant(held, givenBy(draft.roles, await roles.list(tx)))
      return service.createIn(tx, caller, draft)
    }),

    create: async (caller, input) => service.open(caller, await service.draftFor(caller, input)),

    async createIn(tx, caller, { id = newId(), email, name, passwordHash, imported, roles: names, kind = 'person', anonymous = false, signsIn = false, emailVerified = false, locale = null, issuer }) {
      const at = now()
      await store.insert(tx, {
        // a machine has no address; .invalid can never be one (RFC 2606)
        id, email: kind === 'service' ? `${id}@${SERVICE_DOMAIN}` : anonymous ? noAddress(id) : email, name, passwordHash, roles: names, kind, anonymous, issuer: issuer ?? issuerOf(caller), createdAt: at, locale,
        // the sign-in that follows notes itself; an anonymous account has none
        ...(signsIn && anonymous ? { lastLoginAt: at } : {}), ...(emailVerified ? { emailVerifiedAt: at } : {}),
      })
      await audit.record(tx, caller, {
        action: 'user.created', targetType: 'user', targetId: id, details: { kind, roles: names, password: passwordHash !== null, ...(imported === undefined ? {} : { imported }), ...(anonymous ? { anonymous } : {}), ...(emailVerified ? { emailVerified } : {}) },
        ...(signsIn ? { actorUserId: id } : {}),
      })
      return viewIn(tx, id)
    },

    async rolesNamed(tx, names, which = 'all') {
      const known = await roles.list(tx)
      const named = known.filter(({ name }) => names.includes(name)).map(({ id, name }) => ({ id, name }))
      return { named, permissions: givenBy(which === 'all' ? names : named.map(({ name }) => name), known) }
    },

    changeOwn: (caller, id, expected, { name, locale }) => transact(async (tx) => {
      const changes = { ...(name === undefined ? {} : { name: name?.trim() ?? '' }), ...(locale === undefined ? {} : { locale: locale === null ? null : keptLocale(locale) }) }
      if (!(await store.find(id, tx))) throw problem('user.not_found')
      if (!(await store.update(tx, id, expected, changes, now()))) throw problem('precondition.failed')
      await audit.record(tx, caller, { action: 'user.updated', targetType: 'user', targetId: id, details: { fields: Object.keys(changes).toSorted() } })
      return viewIn(tx, id)
    }),

    async changePassword(caller, { currentPassword, newPassword }) {
      const { principal } = caller
      const account = principal && (await store.findCredentials({ id: principal.id }))
      // nothing to guess: whoever is signed in knows that there is no password
      if (!account || account.passwordHash === null) throw problem('credentials.invalid')
      requireStrong(newPassword, [account.email, account.name])
      const attempt = await throttle.reserve(caller, account.email, principal.sessionId === undefined ? null : { by: 'session', id: principal.sessionId })
      const target = { targetType: 'user', targetId: account.id }
      const checkedHash = account.passwordHash
      const right = await throttle.whileReserved(attempt, () => hasher.verify(currentPassword, checkedHash, checkOrigin(caller)))
      if (!right) {
        await transact((tx) => audit.record(tx, caller, { action: 'password.change_failed', ...target }))
        throw problem('credentials.invalid')
      }
      const newHash = await throttle.whileReserved(attempt, () => hasher.hash(newPassword, newOrigin(caller)))
      await transact(async (tx) => {
        // two changes at once: the second finds another password than the one it checked
        if (!(await store.replacePassword(tx, account.id, checkedHash, newHash, now()))) throw problem('credentials.invalid')
        await sessions.endAll(tx, account.id, principal.sessionId)
        await mail.tell(tx, account.id, { kind: 'password.changed', facts: { at: now().toISOString(), path: '/ui/forgot' } })
        await throttle.succeeded(tx, attempt)
        await audit.record(tx, caller, { action: 'password.changed', ...target })
      })
    },
  }
  return service
}

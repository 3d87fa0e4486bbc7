// One's own second factors: seen, added, removed. Adding one is two steps, and only the second makes it count; whoever adds the first gets recovery
// codes with it. Secrets and codes are answered once. A change waits for sign-ins under way and ends those that wait for a factor.
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Caller } from '../kernel/principal.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Secrets } from '../kernel/secrets.js'
import type { MailService } from '../mail/index.js'
import type { ChallengeService, SessionService } from '../sessions/index.js'
import type { FactorRow, FactorStore } from './factor-store.js'
import { inPerson } from './in-person.js'
import type { PasskeyChallenges, Purpose } from './passkey-challenges.js'
import type { CreationOptions, PasskeyService, Registration } from './passkey-service.js'
import type { PasskeyStore } from './passkey-store.js'
import { CODES, newRecoveryCode, recoveryCodeHash } from './recovery-code-rules.js'
import { newTotpSecret, readCode, SECRET_PURPOSE, stepOfCode, totpUri } from './totp-rules.js'

export interface FactorView extends Omit<FactorRow, 'createdAt' | 'lastUsedAt'> {
  createdAt: string
  lastUsedAt: string | null
}

export interface FactorsView {
  data: FactorView[]
  /** how many recovery codes are unused */
  recoveryCodes: number
}

export interface BegunTotp {
  id: string
  /** base32, to be typed; answered once */
  secret: string
  /** the same and more, for a QR code */
  uri: string
  expiresAt: string
}

export interface AddedFactor {
  factor: FactorView
  /** answered once; null: there were codes already */
  recoveryCodes: string[] | null
}

export interface FactorService {
  list: (userId: string) => Promise<FactorsView>
  /** Throws factor.cap_reached. */
  beginTotp: (caller: Caller, name: string) => Promise<BegunTotp>
  /** Throws factor.not_found, factor.invalid, factor.cap_reached. */
  confirmTotp: (caller: Caller, id: string, code: string) => Promise<AddedFactor>
  passkeyOptions: (caller: Caller) => Promise<CreationOptions>
  /** Throws factor.invalid, factor.taken, factor.cap_reached. */
  addPasskey: (caller: Caller, input: { name: string; registration: Registration }) => Promise<AddedFactor>
  /** Throws factor.not_found, factor.needed. */
  remove: (caller: Caller, id: string) => Promise<void>
  /** A new set in the place of the one before. Throws factor.none. */
  renewCodes: (caller: Caller) => Promise<string[]>
}

export interface FactorServiceDependencies {
  store: FactorStore
  passkeyStore: PasskeyStore
  passkeys: PasskeyService
  passkeyChallenges: PasskeyChallenges
  sessions: SessionService
  challenges: ChallengeService
  mail: MailService
  audit: AuditStore
  secrets: Secrets
  transact: Transact
  clock: Clock
  issuer: () => string
}

const PENDING_MS = 15 * 60_000
const MOST_TOTP = 5
const MOST_PENDING = 5
const MOST_PASSKEYS = 20

const viewOf = ({ createdAt, lastUsedAt, ...row }: FactorRow): FactorView => ({ ...row, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null })
const registering = ({ sessionId }: { sessionId: string }): Purpose => ({ act: 'register', boundTo: sessionId })

export function createFactorService(dependencies: FactorServiceDependencies): FactorService {
  const { store, passkeyStore, passkeys, passkeyChallenges, sessions, challenges, mail, audit, secrets, transact, clock, issuer } = dependencies
  const now = (): Date => new Date(clock.now())

  async function tell(tx: Tx, userId: string, kind: 'factor.added' | 'factor.removed', factor: FactorRow['kind'] | 'recovery_codes'): Promise<void> {
    await mail.tell(tx, userId, { kind, facts: { factor, at: now().toISOString(), path: '/ui/account/factors' } })
  }

  async function accountOf(userId: string): Promise<{ id: string; email: string; name: string }> {
    const account = await store.account(userId)
    if (account?.kind !== 'person') throw problem('access.denied', { detail: 'A machine has no second factor' })
    return { id: userId, email: account.email, name: account.name }
  }

  async function makeCodes(tx: Tx, userId: string): Promise<string[]> {
    const codes = Array.from({ length: CODES }, newRecoveryCode)
    await store.replaceCodes(tx, userId, codes.flatMap((code) => recoveryCodeHash(userId, code) ?? []), now())
    return codes
  }

  /** What follows a factor that has just been added. Whoever added it has proven it in this session, besides what it was opened by. */
  async function added(tx: Tx, caller: Caller, kind: FactorRow['kind'], id: string, amr: readonly string[]): Promise<string[] | null> {
    const { id: userId } = inPerson(caller)
    await challenges.endAll(tx, userId)
    await sessions.prove(tx, caller, { amr, isMultiFactor: true })
    await audit.record(tx, caller, { action: 'factor.added', targetType: 'user', targetId: userId, details: { kind, factorId: id } })
    await tell(tx, userId, 'factor.added', kind)
    return (await store.countCodes(userId, tx)) > 0 ? null : makeCodes(tx, userId)
  }

  return {
    async list(userId) {
      const [rows, recoveryCodes] = await Promise.all([store.list(userId), store.countCodes(userId)])
      return { data: rows.map(viewOf), recoveryCodes }
    },

    async beginTotp(caller, name) {
      const account = await accountOf(inPerson(caller).id)
      const id = newId()
      const secret = newTotpSecret()
      const createdAt = now()
      const expiresAt = new Date(createdAt.getTime() + PENDING_MS)
      await transact(async (tx) => {
        await store.lockUser(tx, account.id)
        if ((await store.countTotp(tx, account.id)) >= MOST_TOTP) throw problem('factor.cap_reached')
        await store.trimPending(tx, account.id, MOST_PENDING - 1)
        await store.insertTotp(tx, { id, userId: account.id, name, secretCiphertext: secrets.encrypt(SECRET_PURPOSE, id, secret), createdAt, expiresAt })
      })
      return { id, secret, uri: totpUri(secret, { issuer: issuer(), account: account.email }), expiresAt: expiresAt.toISOString() }
    },

    async confirmTotp(caller, id, code) {
      const { id: userId } = inPerson(caller)
      const pending = await store.findPending(userId, id, now())
      if (!pending) throw problem('factor.not_found')
      const step = stepOfCode(secrets.decrypt(SECRET_PURPOSE, id, pending.secretCiphertext), readCode(code), clock.now())
      if (step === null) throw problem('factor.invalid')
      return transact(async (tx) => {
        await store.lockUser(tx, userId)
        if ((await store.countTotp(tx, userId)) >= MOST_TOTP) throw problem('factor.cap_reached')
        const factor = await store.confirmTotp(tx, userId, id, step, now())
        if (!factor) throw problem('factor.not_found')
        return { factor: viewOf(factor), recoveryCodes: await added(tx, caller, 'totp', id, ['otp']) }
      })
    },

    async passkeyOptions(caller) {
      const principal = inPerson(caller)
      return passkeys.creationOptions(await accountOf(principal.id), registering(principal))
    },

    async addPasskey(caller, { name, registration }) {
      const principal = inPerson(caller)
      const { passkey, challenge } = await passkeys.readRegistration(registration, registering(principal))
      return transact(async (tx) => {
        await store.lockUser(tx, principal.id)
        if (!(await passkeyChallenges.consume(tx, challenge))) throw problem('factor.invalid')
        if ((await passkeyStore.count(tx, principal.id)) >= MOST_PASSKEYS) throw problem('factor.cap_reached')
        await passkeyStore.insert(tx, { ...passkey, name, userId: principal.id })
        const { id, createdAt, isSynced, isBackedUp } = passkey
        const factor = viewOf({ id, kind: 'passkey', name, createdAt, lastUsedAt: null, isSynced, isBackedUp })
        return { factor, recoveryCodes: await added(tx, caller, 'passkey', id, [isSynced ? 'swk' : 'hwk', 'user']) }
      })
    },

    remove: (caller, id) => transact(async (tx) => {
      const { id: userId } = inPerson(caller)
      await store.lockUser(tx, userId)
      const kind = await store.remove(tx, userId, id)
      if (kind === null) throw problem('factor.not_found')
      if ((await store.methods(tx, userId)).length === 0) {
        if (await store.isRequired(tx, userId)) throw problem('factor.needed')
        await store.deleteCodes(tx, userId)
      }
      await challenges.endAll(tx, userId)
      await audit.record(tx, caller, { action: 'factor.removed', targetType: 'user', targetId: userId, details: { kind, factorId: id } })
      await tell(tx, userId, 'factor.removed', kind)
    }),

    renewCodes: (caller) => transact(async (tx) => {
      const { id: userId } = inPerson(caller)
      await store.lockUser(tx, userId)
      if ((await store.methods(tx, userId)).length === 0) throw problem('factor.none', { detail: 'Recovery codes stand in for another factor: add one first' })
      const codes = await makeCodes(tx, userId)
      await audit.record(tx, caller, { action: 'factor.codes_made', targetType: 'user', targetId: userId })
      await tell(tx, userId, 'factor.added', 'recovery_codes')
      return codes
    }),
  }
}

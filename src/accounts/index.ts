// Accounts: people and services, their passwords, roles and devices, who may sign up, and what a change of an account ends.
import { availableParallelism } from 'node:os'
import type pg from 'pg'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Cursors } from '../kernel/page.js'
import type { Secrets } from '../kernel/secrets.js'
import type { KeySweepService } from '../keys/index.js'
import type { MailService } from '../mail/index.js'
import type { MailedLinkService } from '../mailed-links/index.js'
import type { OrganizationService } from '../organizations/index.js'
import type { QueueService } from '../queue/index.js'
import type { ChallengeService, SessionService } from '../sessions/index.js'
import type { Cache, LimitStore } from '../shared-store/shared-store.js'
import { type AccountBatches, createAccountBatches } from './account-batch-service.js'
import { createAccountBatchStore } from './account-batch-store.js'
import { type AccountChangeService, createAccountChangeService } from './account-change-service.js'
import { type AccountService, createAccountService } from './account-service.js'
import { createAccountStore } from './account-store.js'
import { createDeviceNotices } from './device-notice-service.js'
import { createDeviceService, type DeviceService } from './device-service.js'
import { createDeviceStore } from './device-store.js'
import { createEmailRenewal, type EmailRenewal } from './email-renewal-service.js'
import { createForgottenPasswordService, type ForgottenPasswordService } from './forgotten-password-service.js'
import { createGrantService, type GrantService } from './grant-service.js'
import { createGrantStore } from './grant-store.js'
import { createHashQueue } from './hash-queue.js'
import { createLoginCounterStore } from './login-counter-store.js'
import { createLoginService, type LoginService } from './login-service.js'
import { createLoginThrottle, type LoginThrottle } from './login-throttle-service.js'
import { createMailProofs, type MailProofs } from './mail-proof-service.js'
import { createMailProofStore } from './mail-proof-store.js'
import { createOwnPasswordService, type OwnPasswordService } from './own-password-service.js'
import { createPasswordHasher } from './password-hasher.js'
import { createPasswordResetService, type PasswordResetService } from './password-reset-service.js'
import { createPasswordResetStore } from './password-reset-store.js'
import { createRoleService, type RoleService } from './role-service.js'
import { createRoleStore } from './role-store.js'
import { createSignInService, type SignIns } from './sign-in-service.js'
import { createSignInStore } from './sign-in-store.js'

export type { AccountDraft, AccountService, NamedRoles } from './account-service.js'
export type { AccountBatches } from './account-batch-service.js'
export type { ExistingAccount } from './account-batch-store.js'
export type { AccountChangeService } from './account-change-service.js'
export { type AccountRow, type AccountStore, createAccountStore } from './account-store.js'
export type { UserView } from './account-view.js'
export { DEVICE_KEPT_SECONDS } from './device-rules.js'
export { TELLING } from './device-notice-service.js'
export type { DeviceView } from './device-service.js'
export { emailDomain, emailSpellings, noAddress, normaliseEmail, refuseServiceAddress, shownEmail } from './email.js'
export { createHashQueue } from './hash-queue.js'
export type { GivenHash } from './foreign-hash.js'
export { createPasswordHasher, type PasswordHasher, pepperIdOf } from './password-hasher.js'
export type { LoginThrottle, Reservation } from './login-throttle-service.js'
export type { LoginService } from './login-service.js'
export type { MailProofs } from './mail-proof-service.js'
export type { OwnPasswordService } from './own-password-service.js'
export type { Recognised } from './device-rules.js'
export type { MfaRequired, Open, OpenCookie, OpenedCookie, OpenedTokens, OpenToken, SignIns } from './sign-in-service.js'
export { requireStrong } from './password-rules.js'
export { ADMIN, MEMBER } from './role-rules.js'
export { createSignUpPolicy, type SignUpMode, type SignUpPolicy } from './sign-up-policy.js'

export interface AccountNeeds {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  transact: Transact
  clock: Clock
  secrets: Secrets
  log: { warn: (details: object, message: string) => void }
  config: { bcryptCost: number }
  cache: Cache
  /** what the hashing of each address is counted in */
  counters: LimitStore
  audit: AuditStore
  authority: AuthorityService
  sessions: SessionService
  challenges: ChallengeService
  keySweeps: KeySweepService
  publishRevocations: () => Promise<void>
  queue: QueueService
  mail: MailService
  mailedLinks: MailedLinkService
  organizations: Pick<OrganizationService, 'refuseLeaving'>
}

export interface AccountFeature {
  accounts: AccountService
  accountChanges: AccountChangeService
  accountBatches: AccountBatches
  roles: RoleService
  grants: GrantService
  devices: DeviceService
  ownPassword: OwnPasswordService
  login: LoginService
  signIns: SignIns
  loginThrottle: LoginThrottle
  passwordResets: PasswordResetService
  forgottenPasswords: ForgottenPasswordService
  mailProofs: MailProofs
  emailRenewal: EmailRenewal
  jobs: Job[]
  close: () => Promise<void>
}

export function createAccounts({ prisma, pool, cursors, config, cache, counters, keySweeps, log, ...all }: AccountNeeds): AccountFeature {
  const { clock, secrets } = all
  const store = createAccountStore({ prisma, pool, cursors })
  const roles = createRoleStore({ prisma, pool })
  const hasher = createPasswordHasher({ secrets, cost: config.bcryptCost, limits: counters, clock, queue: createHashQueue({ clock, cores: availableParallelism() }) })
  const throttle = createLoginThrottle({ ...all, store: createLoginCounterStore({ pool }), accounts: store, cache })
  const accounts = createAccountService({ ...all, store, roles, hasher, throttle })
  const deviceStore = createDeviceStore({ pool })
  const devices = createDeviceService({ ...all, store: deviceStore })
  const signInStore = createSignInStore({ pool, prisma, accounts: store })
  const signIns = createSignInService({ ...all, store: signInStore, devices })
  const grants = createGrantService({ ...all, store: createGrantStore({ prisma }), sweeps: keySweeps })
  // a wrong password for a cheap hash must not answer sooner than one for a dear hash: sign-ins that come before this is read learn it themselves
  const learning = store.dearestWork().then((work) => work !== null && hasher.noteWork(work), (error: unknown) => log.warn({ err: error }, 'the costs of kept passwords could not be read'))
  return {
    accounts,
    accountChanges: createAccountChangeService({ ...all, store, roles, grants }),
    accountBatches: createAccountBatches({ ...all, store: createAccountBatchStore({ prisma }), roles, drafting: (remembered) => createAccountService({ ...all, store, roles: { ...roles, ...remembered }, hasher, throttle }) }),
    roles: createRoleService({ ...all, store: roles }),
    grants,
    devices,
    ownPassword: createOwnPasswordService({ ...all, store, hasher, throttle }),
    login: createLoginService({ ...all, store: signInStore, accounts, signIns, hasher, throttle }),
    signIns,
    loginThrottle: throttle,
    passwordResets: createPasswordResetService({ ...all, store: createPasswordResetStore({ prisma }), accounts: store, hasher }),
    forgottenPasswords: createForgottenPasswordService({ ...all, store }),
    mailProofs: createMailProofs({ ...all, store: createMailProofStore(), accounts: store }),
    emailRenewal: createEmailRenewal({ ...all, store }),
    jobs: [
      createDeviceNotices({ ...all, store: deviceStore }),
      ...['login_counters', 'password_resets'].map((table) => tableExpiry(pool, { table, where: 'expires_at <= $1', before: clock.now })),
      tableExpiry(pool, { table: 'known_devices', where: 'expires_at <= $1 AND NOT notice_due', before: clock.now }),
    ],
    close: async () => void (await learning),
  }
}

// The only place where services are built and meet: each gets exactly what it needs, and becomes one decorator.
import { availableParallelism } from 'node:os'
import fp from 'fastify-plugin'
import { type AccountChangeService, createAccountChangeService } from '../src/accounts/account-change-service.js'
import { createAccountService, type AccountService } from '../src/accounts/account-service.js'
import { createAccountStore } from '../src/accounts/account-store.js'
import { createDeviceService, type DeviceService } from '../src/accounts/device-service.js'
import { createDeviceStore } from '../src/accounts/device-store.js'
import { createEmailRenewal, type EmailRenewal } from '../src/accounts/email-renewal-service.js'
import { createHashQueue } from '../src/accounts/hash-queue.js'
import { createGrantService, type GrantService } from '../src/accounts/grant-service.js'
import { createGrantStore } from '../src/accounts/grant-store.js'
import { createLoginCounterStore } from '../src/accounts/login-counter-store.js'
import { createLoginService, type LoginService } from '../src/accounts/login-service.js'
import { createLoginThrottle, type LoginThrottle } from '../src/accounts/login-throttle-service.js'
import { createPasswordHasher } from '../src/accounts/password-hasher.js'
import { createPasswordResetService, type PasswordResetService } from '../src/accounts/password-reset-service.js'
import { createPasswordResetStore } from '../src/accounts/password-reset-store.js'
import { createRoleService, type RoleService } from '../src/accounts/role-service.js'
import { createRoleStore } from '../src/accounts/role-store.js'
import { createSignUpPolicy, type SignUpPolicy } from '../src/accounts/sign-up-policy.js'
import { createCredentialStore } from '../src/access/credential-store.js'
import { createDoor, type Door } from '../src/access/door.js'
import { createDecisionCache, type DecisionCache } from '../src/access/decision-cache.js'
import { createRevocationPoller, type RevocationPoller } from '../src/access/revocation-poller.js'
import { createRevocationStore } from '../src/access/revocation-store.js'
import { createRevocations } from '../src/access/revocations.js'
import { createTouches } from '../src/access/touches.js'
import { createAuthorityService, type AuthorityService } from '../src/authority/authority-service.js'
import { createAuthorityStore } from '../src/authority/authority-store.js'
import { createAuditStore, type AuditStore } from '../src/audit/audit-store.js'
import { createGateRuleService, type GateRuleService } from '../src/gate/gate-rule-service.js'
import { createGateRuleStore } from '../src/gate/gate-rule-store.js'
import { createGateService, type GateService } from '../src/gate/gate-service.js'
import { createRuleSource } from '../src/gate/gate-source.js'
import { createIdempotencyService, type IdempotencyService } from '../src/idempotency/idempotency-service.js'
import { createIdempotencyStore } from '../src/idempotency/idempotency-store.js'
import { createKeyChangeService, type KeyChangeService } from '../src/keys/key-change-service.js'
import { createKeyService, type KeyService } from '../src/keys/key-service.js'
import { createKeySweepService, type KeySweepService } from '../src/keys/key-sweep-service.js'
import { createKeySweepStore } from '../src/keys/key-sweep-store.js'
import { createKeyStore } from '../src/keys/key-store.js'
import { createLimitDefinitionStore } from '../src/limits/limit-definition-store.js'
import { createLimitService, type LimitService } from '../src/limits/limit-service.js'
import { createQuotaBlocks } from '../src/limits/quota-blocks.js'
import { createQuotaCounterStore } from '../src/limits/quota-counter-store.js'
import { createQuotaLimitStore } from '../src/limits/quota-limit-store.js'
import { createSoundLimitStore } from '../src/limits/sound-limit-store.js'
import { createCursors } from '../src/kernel/page.js'
import { createCookieSigner, readSessionCookie } from '../src/sessions/session-cookie.js'
import { createSessionService, type SessionService } from '../src/sessions/session-service.js'
import { createSessionStore } from '../src/sessions/session-store.js'
import { createInstallationStore } from '../src/setup/installation-store.js'
import { createSetupService, type SetupService } from '../src/setup/setup-service.js'
import { createUsageLedger, type UsageLedger } from '../src/usage/usage-ledger.js'
import { createUsageService, type UsageService } from '../src/usage/usage-service.js'
import { createUsageStore } from '../src/usage/usage-store.js'

declare module 'fastify' {
  interface FastifyInstance {
    accounts: AccountService
    roles: RoleService
    accountChanges: AccountChangeService
    grants: GrantService
    keySweeps: KeySweepService
    login: LoginService
    loginThrottle: LoginThrottle
    devices: DeviceService
    signUp: SignUpPolicy
    passwordResets: PasswordResetService
    emailRenewal: EmailRenewal
    setup: SetupService
    sessions: SessionService
    keys: KeyService
    keyChanges: KeyChangeService
    authority: AuthorityService
    door: Door
    limits: LimitService
    revocations: RevocationPoller
    decisionCache: DecisionCache
    audit: AuditStore
    gate: GateService
    gateRules: GateRuleService
    idempotency: IdempotencyService
    usage: UsageService
    usageLedger: UsageLedger
  }
}

export default fp(async (app) => {
  const { config, clock, secrets, prisma, fast, tokens } = app
  const { pool, transact, afterCommit } = app.database
  const { bus, cache } = fast
  const cursors = createCursors(secrets)
  const audit = createAuditStore({ pool, cursors, clock })
  const hasher = createPasswordHasher({
    secrets, cost: config.bcryptCost, limits: fast.limits, queue: createHashQueue({ clock, cores: availableParallelism() }),
  })
  const known = createRevocations({ clock, leaseMs: config.revocationLeaseMs })
  const revocations = createRevocationPoller({ store: createRevocationStore({ pool, nodeId: app.nodes.id }), revocations: known, bus, log: app.log })
  const narrowed = (): Promise<void> => afterCommit(revocations.settle)
  const sessions = createSessionService({ store: createSessionStore({ prisma, pool, cursors }), tokens, audit, transact, secrets, clock, config, narrowed })
  const authority = createAuthorityService({ store: createAuthorityStore(), clock })
  const keySweeps = createKeySweepService({ store: createKeySweepStore({ prisma }), authority, audit, transact, clock, narrowed })
  const keyDeps = {
    store: createKeyStore({ prisma, pool, cursors }), authority, audit, transact, clock, keyPrefix: config.keyPrefix, narrowed,
    caps: { own: config.keysPerOwner, sold: config.soldKeysPerOwner }, sweeps: keySweeps,
  }
  const keys = createKeyService(keyDeps)
  const accountStore = createAccountStore({ prisma, pool, cursors })
  const roles = createRoleStore({ prisma, pool })
  const grants = createGrantService({ store: createGrantStore({ prisma }), sweeps: keySweeps, authority, audit, transact, clock })
  const throttle = createLoginThrottle({ store: createLoginCounterStore(), accounts: accountStore, cache, clock, transact, audit, secrets })
  const accounts = createAccountService({ store: accountStore, roles, hasher, throttle, sessions, authority, audit, transact, clock })
  const credentials = createCredentialStore({ pool })
  const touches = createTouches({ store: credentials, clock, log: app.log })
  const signer = createCookieSigner(secrets)
  const decisionCache = createDecisionCache({
    revocations: known, restore: revocations.restore, maxEntries: config.decisionCacheEntries, maxBytes: config.decisionCacheBytes,
  })
  const readCookie = (value: string): Buffer | null => readSessionCookie(signer, value)

  const usageStore = createUsageStore({ pool })
  const usage = createUsageLedger({ store: usageStore, writerId: app.nodes.id, clock, log: app.log })

  app.decorate('usage', createUsageService({
    store: usageStore, clock, config,
    noteExport: (caller, targetId, granularity) => transact((tx) => audit.record(tx, caller, { action: 'usage.exported', targetType: 'usage', targetId, details: { granularity } })),
  }))
  app.decorate('usageLedger', usage)
  app.decorate('audit', audit)
  app.decorate('sessions', sessions)
  app.decorate('authority', authority)
  app.decorate('keys', keys)
  app.decorate('keyChanges', createKeyChangeService(keyDeps))
  app.decorate('roles', createRoleService({ store: roles, authority, audit, transact, clock, narrowed }))
  app.decorate('keySweeps', keySweeps)
  app.decorate('grants', grants)
  app.decorate('accountChanges', createAccountChangeService({ store: accountStore, roles, sessions, authority, grants, audit, transact, clock, narrowed }))
  app.decorate('accounts', accounts)
  const devices = createDeviceService({ store: createDeviceStore({ prisma, pool }), clock })
  app.decorate('devices', devices)
  app.decorate('loginThrottle', throttle)
  app.decorate('login', createLoginService({
    store: accountStore, accounts, devices, hasher, throttle, sessions, audit, transact, clock,
  }))
  app.decorate('emailRenewal', createEmailRenewal({ store: accountStore, audit, transact, clock }))
  const setup = createSetupService({ store: createInstallationStore({ prisma }), accounts, sessions, audit, secrets, transact, clock })
  app.decorate('setup', setup)
  app.decorate('passwordResets', createPasswordResetService({
    store: createPasswordResetStore({ prisma }), accounts: accountStore, authority, hasher, sessions, audit, transact, clock,
  }))
  app.decorate('signUp', createSignUpPolicy({ mode: config.signUp, isSetUp: setup.isDone }))
  const blocks = createQuotaBlocks({ store: createQuotaCounterStore({ pool }), clock, liveNodes: app.nodes.liveNodes })
  const limits = createSoundLimitStore({ counters: createQuotaLimitStore({ counters: fast.limits, blocks }), clock, log: app.log })
  const definitions = createLimitDefinitionStore({ prisma, pool, cursors })
  app.decorate('limits', createLimitService({ store: definitions, authority, limits, bus, audit, transact, afterCommit, narrowed, clock }))
  const door = createDoor({ store: credentials, cache: decisionCache, tokens, readCookie, limits, touches, usage, clock, config })
  app.decorate('revocations', revocations)
  app.decorate('decisionCache', decisionCache)
  app.decorate('door', door)
  const gateStore = createGateRuleStore({ prisma, pool, cursors })
  const gateSource = createRuleSource({ store: gateStore, revocations: known })
  app.decorate('gateRules', createGateRuleService({ store: gateStore, source: gateSource, audit, authority, transact, narrowed, clock }))
  app.decorate('gate', createGateService({ source: gateSource, door, limits }))
  app.decorate('idempotency', createIdempotencyService({ store: createIdempotencyStore({ secrets }), secrets, transact, clock }))
  const idle = setInterval(() => void blocks.giveBack(), 1_000).unref()
  app.addHook('onClose', async () => {
    clearInterval(idle)
    await blocks.giveBack(true)
  })
  // a wrong password for a cheap hash must not answer sooner than one for a dear hash: sign-ins that come before this is read learn it themselves
  const learning = accountStore.dearestCost().then((cost) => cost !== null && hasher.noteCost(cost), (error: unknown) => app.log.warn({ err: error }, 'the costs of kept passwords could not be read'))
  app.addHook('onClose', async () => void (await learning))
  app.addHook('onClose', async () => touches.close())
}, { name: 'services', dependencies: ['prisma', 'redis', 'jwt'] })

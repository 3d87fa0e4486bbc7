// Signing in by other systems: providers as data, people's identities there, and the way out and back.
import type pg from 'pg'
import type { AccountService, SignIns } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Cursors } from '../kernel/page.js'
import type { Secrets } from '../kernel/secrets.js'
import type { MailService } from '../mail/index.js'
import type { Outbound } from '../outbound/index.js'
import type { SessionService } from '../sessions/index.js'
import { createFederationCodeService, type FederationCodeService } from './federation-code-service.js'
import { createFederationService, type FederationService } from './federation-service.js'
import { createIdentityService, type IdentityService } from './identity-service.js'
import { createIdentityStore } from './identity-store.js'
import { createPassageStore } from './passage-store.js'
import { createPendingLinkService, type PendingLinkService } from './pending-link-service.js'
import { createProviderService, type ProviderService } from './provider-service.js'
import { createProviderStore } from './provider-store.js'
import type { Upstream } from './upstream.js'

export type { FederationService, Mode, Outcome } from './federation-service.js'
export type { IdentityService, IdentityView } from './identity-service.js'
export type { ProviderService, ProviderView, PublicProvider } from './provider-service.js'

const RESEAL_EVERY_MS = 60_000

export interface FederationNeeds {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  transact: Transact
  clock: Clock
  secrets: Secrets
  log: { warn: (details: object, message: string) => void }
  outbound: Outbound
  mail: MailService
  audit: AuditStore
  authority: AuthorityService
  sessions: SessionService
  accounts: AccountService
  signIns: SignIns
  maySignUp: (always: boolean) => Promise<boolean>
  publicOrigin: () => string
}

export interface FederationFeature {
  /** the way out and back, and what waits in a browser in between */
  federation: FederationService & Pick<FederationCodeService, 'keepChallenge' | 'redeem'> & PendingLinkService
  identities: IdentityService
  identityProviders: ProviderService
  jobs: Job[]
}

export function createFederation({ prisma, pool, cursors, outbound, ...all }: FederationNeeds): FederationFeature {
  const { clock } = all
  const providers = createProviderStore({ prisma, pool, cursors })
  const identities = createIdentityStore({ prisma })
  const identityProviders = createProviderService({ ...all, store: providers, outbound })
  const identityService = createIdentityService({ ...all, store: identities })
  // what speaks to providers is loaded when somebody comes by one: a start is the shorter
  let loading: Promise<Upstream> | undefined
  const load = async (): Promise<Upstream> => {
    const [{ createUpstream }, { createProviderMetadata }] = await Promise.all([import('./upstream.js'), import('./provider-metadata.js')])
    return createUpstream({ metadata: createProviderMetadata({ outbound, clock }), clock })
  }
  const upstream: Upstream = {
    authorizationUrl: async (...asked) => (await (loading ??= load())).authorizationUrl(...asked),
    arrived: async (...asked) => (await (loading ??= load())).arrived(...asked),
  }
  const deps = { ...all, providers, identities, identityService, passages: createPassageStore({ prisma }) }
  const codes = createFederationCodeService(deps)
  return {
    federation: { ...createFederationService({ ...deps, providerService: identityProviders, codes, upstream }), ...codes, ...createPendingLinkService(deps) },
    identities: identityService,
    identityProviders,
    jobs: [
      ...['federation_states', 'pending_links', 'federation_codes'].map((table) => tableExpiry(pool, { table, where: 'expires_at <= $1', before: clock.now })),
      ...(all.secrets.previous === null ? [] : [{ name: 'sealing providers\' secrets anew', everyMs: RESEAL_EVERY_MS, work: () => identityProviders.reseal() }]),
    ],
  }
}

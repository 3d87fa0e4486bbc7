// The OAuth 2.1 and OpenID Connect server: how people let clients act for them, how clients get tokens, ask what they are worth, and give them back.
import type pg from 'pg'
import type { AuditStore } from '../audit/index.js'
import type { ClientAuthentication, ClientDirectory, RegistrationService } from '../clients/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Transact } from '../database/transaction.js'
import type { Authorizer } from '../decisions/index.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'
import type { Outbound } from '../outbound/index.js'
import type { QueueService } from '../queue/index.js'
import type { TokenService } from '../tokens/index.js'
import { type AuthorizationService, createAuthorization } from './authorization/authorization-service.js'
import { createAuthorizationStore } from './authorization/authorization-store.js'
import { createClientCredentials } from './grants/client-credentials-service.js'
import { createCodeGrant } from './grants/code-service.js'
import { createGrantEnding } from './grants/grant-ending-service.js'
import { createGrantStore } from './grants/grant-store.js'
import { createGrantTokens } from './grants/grant-tokens-service.js'
import { createIntrospection, type IntrospectionService } from './grants/introspection-service.js'
import { createRefreshGrant, createRefreshTokens } from './grants/refresh-service.js'
import { createRevocationService, type RevocationService } from './grants/revocation-service.js'
import { createIdTokens } from './id-token-service.js'
import { createLogoutDeliveries } from './logout/logout-delivery-service.js'
import { createLogout, type LogoutService } from './logout/logout-service.js'
import { createLogoutStore } from './logout/logout-store.js'
import { providerMetadata, resourceMetadata } from './metadata-rules.js'
import { createOwnGrants, type OwnGrantService } from './own-grant-service.js'
import { createOwnGrantStore } from './own-grant-store.js'
import type { Account } from './person-claims.js'
import { createRevokedTokenStore } from './revoked-token-store.js'
import { createTokenEndpoint, type TokenEndpoint } from './token-endpoint-service.js'
import { createUserinfo, type UserinfoService } from './userinfo-service.js'

export { AuthorizationError } from './authorization/authorization-error.js'
export type { AuthorizationOutcome, Visitor } from './authorization/authorization-service.js'
export type { AuthorizationRequest } from './authorization/request-checks.js'
export type { BrowserSession, Need } from './authorization/steps.js'
export type { OwnGrantService } from './own-grant-service.js'

export interface OAuthNeeds {
  prisma: PrismaClient
  pool: pg.Pool
  clock: Clock
  secrets: Secrets
  directory: ClientDirectory
  /** the same, where people are sent from */
  publicDirectory: ClientDirectory
  registration: Pick<RegistrationService, 'mode' | 'used'>
  authentication: ClientAuthentication
  authorizer: Authorizer
  tokens: TokenService
  audit: AuditStore
  outbound: Outbound
  queue: QueueService
  transact: Transact
  account: (userId: string) => Promise<Account>
  issuer: () => string
  publishRevocations: () => Promise<void>
  config: { accessTokenSeconds: number; sessionIdleSeconds: number; sessionAbsoluteSeconds: number; oauthClientDocuments: boolean }
}

export interface OAuthServer extends AuthorizationService, TokenEndpoint, IntrospectionService, RevocationService, UserinfoService, LogoutService {
  /** Makes sure that the keys are there which id tokens are signed with. The same object as long as it says the same; a promise when a key has to be made. */
  metadata: () => Record<string, unknown> | Promise<Record<string, unknown>>
  /** Of the API that an identifier names; null: there is none. */
  resourceMetadata: (identifier: string) => Promise<Record<string, unknown> | null>
}

export interface OAuthFeature {
  oauth: OAuthServer
  ownGrants: OwnGrantService
  jobs: Job[]
}

const CODE_KEPT_MS = 3_600_000
// longer than a dead letter is kept, which may be sent anew
const LEFT_KEPT_MS = 32 * 86_400_000
const NOTED_EVERY_MS = 1_000
const EXPIRED_EVERY_MS = 60_000
// others than that of access tokens, which there always is
const PUBLISHED = ['RS256', 'ES256'] as const

export function createOAuth({ prisma, pool, directory, publicDirectory, registration, authorizer, tokens, account, issuer, config, ...all }: OAuthNeeds): OAuthFeature {
  const { clock, authentication } = all
  const userinfo = (): string => `${issuer()}/oauth/userinfo`
  const store = createGrantStore({ pool })
  const endGrant = createGrantEnding({ ...all, store })
  const idTokens = createIdTokens({ tokens, account, clock })
  const grantTokens = createGrantTokens({ directory, tokens, idTokens, userinfo, accessTokenSeconds: config.accessTokenSeconds })
  const refreshTokens = createRefreshTokens({ ...all, store, config })
  const logouts = createLogoutStore({ pool })
  const deliveries = createLogoutDeliveries({ ...all, store: logouts, tokens, client: directory.clientById, config })
  let described: { by: string; metadata: Record<string, unknown> } | null = null
  const metadata = (): Record<string, unknown> => {
    const by = issuer()
    if (described?.by !== by) described = { by, metadata: providerMetadata(by, { hasRegistration: registration.mode !== 'closed', hasDocuments: config.oauthClientDocuments }) }
    return described.metadata
  }
  const subjectOfHint = async (hint: string, client: { clientId: string }): Promise<string | null> => {
    const read = await idTokens.read(hint)
    return read?.clientId === client.clientId ? read.userId : null
  }
  return {
    oauth: {
      ...createAuthorization({ ...all, store: createAuthorizationStore({ pool }), directory: publicDirectory, noteUse: registration.used, subjectOfHint, issuer, config }),
      ...createTokenEndpoint({
        authentication,
        grants: {
          authorization_code: createCodeGrant({ ...all, store, grantTokens, endGrant, config }),
          refresh_token: createRefreshGrant({ ...all, noteUse: registration.used, store, grantTokens, endGrant, config }),
          client_credentials: createClientCredentials({ directory, tokens }),
        },
      }),
      ...createIntrospection({ authentication, authorizer, refreshTokens, issuer }),
      ...createRevocationService({ ...all, authorizer, store: createRevokedTokenStore(), refreshTokens, endGrant }),
      ...createLogout({ store: logouts, directory, idTokens }),
      ...createUserinfo({ authorizer, account, audience: userinfo }),
      metadata() {
        const preparing = tokens.prepare(PUBLISHED)
        return preparing ? preparing.then(metadata) : metadata()
      },
      async resourceMetadata(identifier) {
        const resource = await directory.resource(identifier)
        return resource && resourceMetadata(issuer(), resource)
      },
    },
    ownGrants: createOwnGrants({ ...all, store: createOwnGrantStore({ prisma }) }),
    jobs: [
      { name: 'promising to tell clients of logouts', everyMs: NOTED_EVERY_MS, work: deliveries.promiseNoted },
      { name: 'ending grants that time has ended', everyMs: EXPIRED_EVERY_MS, work: deliveries.endExpired },
      ...['oauth_revoked_tokens', 'oauth_pushed_requests'].map((table) => tableExpiry(pool, { table, where: 'expires_at <= $1', before: clock.now })),
      tableExpiry(pool, { table: 'oauth_client_endings', where: 'at <= $1 AND due_at IS NULL', before: () => clock.now() - LEFT_KEPT_MS }),
      tableExpiry(pool, { table: 'oauth_codes', where: 'expires_at <= $1', before: () => clock.now() - CODE_KEPT_MS }),
    ],
  }
}

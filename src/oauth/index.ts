// The OAuth 2.1 server: how clients get tokens, ask what they are worth, and give them back.
import type pg from 'pg'
import type { AuditStore } from '../audit/index.js'
import type { ClientAuthentication, ClientDirectory } from '../clients/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { Transact } from '../database/transaction.js'
import type { Authorizer } from '../decisions/index.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { TokenService } from '../tokens/index.js'
import { createClientCredentials } from './grants/client-credentials-service.js'
import { createIntrospection, type IntrospectionService } from './grants/introspection-service.js'
import { createRevocationService, type RevocationService } from './grants/revocation-service.js'
import { resourceMetadata, serverMetadata } from './metadata-rules.js'
import { createRevokedTokenStore } from './revoked-token-store.js'
import { createTokenEndpoint, type TokenEndpoint } from './token-endpoint-service.js'

export interface OAuthNeeds {
  pool: pg.Pool
  clock: Clock
  directory: ClientDirectory
  authentication: ClientAuthentication
  authorizer: Authorizer
  tokens: TokenService
  audit: AuditStore
  transact: Transact
  issuer: () => string
  publishRevocations: () => Promise<void>
}

export interface OAuthServer extends TokenEndpoint, IntrospectionService, RevocationService {
  metadata: () => Record<string, unknown>
  /** Of the API that an identifier names; null: there is none. */
  resourceMetadata: (identifier: string) => Promise<Record<string, unknown> | null>
}

export function createOAuth({ pool, clock, directory, authentication, authorizer, tokens, audit, transact, issuer, publishRevocations }: OAuthNeeds): { oauth: OAuthServer; jobs: Job[] } {
  return {
    oauth: {
      ...createTokenEndpoint({ authentication, grants: { client_credentials: createClientCredentials({ directory, tokens }) } }),
      ...createIntrospection({ authentication, authorizer, issuer }),
      ...createRevocationService({ authentication, authorizer, store: createRevokedTokenStore(), audit, transact, publishRevocations }),
      metadata: () => serverMetadata(issuer()),
      async resourceMetadata(identifier) {
        const resource = await directory.resource(identifier)
        return resource && resourceMetadata(issuer(), resource)
      },
    },
    jobs: [tableExpiry(pool, { table: 'oauth_revoked_tokens', where: 'expires_at <= $1', before: clock.now })],
  }
}

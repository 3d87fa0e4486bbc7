// A client that gives a token back (RFC 7009). Another client's is none of its business, and it is not told whether there is one: nothing happens, and the
// answer is the same.
import type { AuditStore } from '../../audit/index.js'
import { type ClientAuthentication, OAuthError, type Parameters } from '../../clients/index.js'
import type { Transact } from '../../database/transaction.js'
import type { Authorizer } from '../../decisions/index.js'
import type { Caller } from '../../kernel/principal.js'
import type { RevokedTokenStore } from '../revoked-token-store.js'
import type { EndGrant } from './grant-ending-service.js'
import type { RefreshTokens } from './refresh-service.js'

export interface RevocationService {
  /** Throws OAuthError. */
  revoke: (authorization: string | undefined, parameters: Parameters, caller: Caller) => Promise<void>
}

export interface RevocationDeps {
  authentication: ClientAuthentication
  authorizer: Pick<Authorizer, 'inspect'>
  store: RevokedTokenStore
  refreshTokens: RefreshTokens
  endGrant: EndGrant
  audit: Pick<AuditStore, 'record'>
  transact: Transact
  publishRevocations: () => Promise<void>
}

export function createRevocationService({ authentication, authorizer, store, refreshTokens, endGrant, audit, transact, publishRevocations }: RevocationDeps): RevocationService {
  return {
    async revoke(authorization, parameters, caller) {
      const client = await authentication.authenticate(authorization, parameters)
      const value = parameters.get('token')
      if (value === '') throw new OAuthError('invalid_request', 'token is missing')
      const refresh = await refreshTokens.find(value)
      if (refresh) {
        // with it goes all that was made of it (RFC 7009 2.1)
        if (refresh.clientId === client.id) await endGrant(caller, 'grant.returned', refresh)
        return
      }
      const found = await authorizer.inspect(value)
      if (found?.token.clientRowId !== client.id) return
      const { tokenId, expiresAtMs } = found.token
      await transact(async (tx) => {
        if (!(await store.insert(tx, tokenId, new Date(expiresAtMs)))) return
        await audit.record(tx, caller, { action: 'token.revoked', targetType: 'token', targetId: tokenId, details: { client: client.id } })
        await publishRevocations()
      })
    },
  }
}

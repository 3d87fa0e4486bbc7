// What a token is worth now (RFC 7662), told to the client it was issued to and to the API it is for, and to nobody else: for others there is no such token.
import { type ClientAuthentication, isConfidential, type KnownClient, OAuthError, type Parameters } from '../../clients/index.js'
import type { Authorizer } from '../../decisions/index.js'
import type { RefreshTokens } from './refresh-service.js'

export interface Introspection {
  active: boolean
  [claim: string]: unknown
}

export interface IntrospectionService {
  /** Throws OAuthError. */
  introspect: (authorization: string | undefined, parameters: Parameters) => Promise<Introspection>
}

export interface IntrospectionDeps {
  authentication: ClientAuthentication
  authorizer: Pick<Authorizer, 'inspect'>
  refreshTokens: RefreshTokens
  issuer: () => string
}

const INACTIVE: Introspection = Object.freeze({ active: false })

function mayAsk({ id, kind, resources }: KnownClient, { clientRowId, audience }: { clientRowId: string; audience: string }): boolean {
  return clientRowId === id || (kind === 'resource' && resources.includes(audience))
}

export function createIntrospection({ authentication, authorizer, refreshTokens, issuer }: IntrospectionDeps): IntrospectionService {
  return {
    async introspect(authorization, parameters) {
      const client = await authentication.authenticate(authorization, parameters)
      if (!isConfidential(client)) throw new OAuthError('invalid_client', 'Only a client that proves who it is may ask', { status: 401 })
      const token = parameters.get('token')
      if (token === '') throw new OAuthError('invalid_request', 'token is missing')
      const refresh = await refreshTokens.find(token)
      if (refresh) {
        // it is between the client and this server: no API is told of it
        if (refresh.clientId !== client.id || !refresh.isCurrent) return INACTIVE
        return { active: true, iss: issuer(), client_id: client.clientId, sub: refresh.userId, scope: refresh.scopes.join(' '), sid: refresh.id }
      }
      const found = await authorizer.inspect(token)
      if (!found || !mayAsk(client, found.token)) return INACTIVE
      const { token: { clientId, subject, audience, scopes, tokenId, issuedAtMs, expiresAtMs }, principal } = found
      return {
        active: true, token_type: 'Bearer', iss: issuer(), client_id: clientId, sub: subject, aud: audience, scope: scopes.join(' '), jti: tokenId, iat: issuedAtMs / 1_000, exp: expiresAtMs / 1_000,
        permissions: principal.permissions,
        ...(principal.sessionId === undefined ? {} : { sid: principal.sessionId, acr: principal.acr, auth_time: Math.floor((principal.authTimeMs ?? 0) / 1_000) }),
      }
    },
  }
}

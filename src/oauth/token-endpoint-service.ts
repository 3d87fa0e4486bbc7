// The token endpoint (RFC 6749 3.2): who asks, whether they may ask in this way, and then the way itself.
import { type ClientAuthentication, OAuthError, type Parameters } from '../clients/index.js'
import type { Caller } from '../kernel/principal.js'
import type { Grant, TokenAnswer } from './token-answer.js'

export interface TokenEndpoint {
  /** Throws OAuthError. */
  token: (authorization: string | undefined, parameters: Parameters, caller: Caller) => Promise<TokenAnswer>
}

export interface TokenEndpointDeps {
  authentication: ClientAuthentication
  /** by grant_type */
  grants: Readonly<Record<string, Grant>>
}

export function createTokenEndpoint({ authentication, grants }: TokenEndpointDeps): TokenEndpoint {
  const known = new Map(Object.entries(grants))
  return {
    async token(authorization, parameters, caller) {
      const client = await authentication.authenticate(authorization, parameters)
      const name = parameters.get('grant_type')
      if (name === '') throw new OAuthError('invalid_request', 'grant_type is missing')
      const grant = known.get(name)
      if (!grant) throw new OAuthError('unsupported_grant_type', 'There is no such grant_type here')
      // what is switched off for a client stays off, whatever else the request says
      if (!client.grantTypes.some((one) => one === name)) throw new OAuthError('unauthorized_client', 'The client may not ask in this way')
      return grant(client, parameters, caller)
    },
  }
}

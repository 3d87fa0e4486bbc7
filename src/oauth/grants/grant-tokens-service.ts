// The tokens of a grant: an access token for one audience, an id token where somebody has signed in, and a refresh token where there are any.
import { type ClientDirectory, isIdentityScope, type KnownClient, OAuthError, type Parameters } from '../../clients/index.js'
import type { TokenService } from '../../tokens/index.js'
import type { IdTokens } from '../id-token-service.js'
import { mayAskFor, readScope, scopesAt } from '../resource-rules.js'
import type { TokenAnswer } from '../token-answer.js'
import type { GrantRow } from './grant-store.js'

/** Where a token is to be good, with what, for how long. */
export interface Target {
  audience: string
  scopes: string[]
  seconds: number
  algorithm: KnownClient['idTokenAlgorithm']
}

export interface GrantTokens {
  /**
   * What the request asks for of what was granted: one of the resources, or who somebody is where none was. Looked at before anything is used up.
   * Throws OAuthError invalid_target, invalid_scope.
   */
  target: (client: KnownClient, granted: Pick<GrantRow, 'scopes' | 'resources'>, parameters: Parameters) => Promise<Target>
  answer: (client: KnownClient, grant: GrantRow, target: Target, more: { refreshToken: string | null; nonce: string | null }) => Promise<TokenAnswer>
}

export interface GrantTokensDeps {
  directory: ClientDirectory
  tokens: Pick<TokenService, 'issueFor'>
  idTokens: Pick<IdTokens, 'issue'>
  /** the audience of tokens that say who somebody is */
  userinfo: () => string
  accessTokenSeconds: number
}

export function createGrantTokens({ directory, tokens, idTokens, userinfo, accessTokenSeconds }: GrantTokensDeps): GrantTokens {
  function identifierOf({ resources }: Pick<GrantRow, 'resources'>, { resources: asked }: Parameters): string {
    if (asked.length > 1) throw new OAuthError('invalid_target', 'A token is for one resource: ask once for each')
    const [one] = asked
    if (one === undefined && resources.length > 1) throw new OAuthError('invalid_target', 'Say which of the resources the token is for')
    const identifier = one ?? resources[0] ?? userinfo()
    if (identifier !== userinfo() && !resources.includes(identifier)) throw new OAuthError('invalid_target', 'The resource was not granted')
    return identifier
  }

  return {
    async target(client, granted, parameters) {
      const identifier = identifierOf(granted, parameters)
      const resource = identifier === userinfo() ? null : await directory.resource(identifier)
      if (identifier !== userinfo() && (!resource || !mayAskFor(client, resource))) throw new OAuthError('invalid_target', 'The client may not ask for this resource any more')
      const names = resource ? scopesAt(client, resource) : client.scopes.filter(isIdentityScope)
      const asked = readScope(parameters.get('scope'))
      if (asked.some((one) => !granted.scopes.includes(one))) throw new OAuthError('invalid_scope', 'A scope was not granted')
      const scopes = granted.scopes.filter((one) => names.includes(one) && (asked.length === 0 || asked.includes(one)))
      return resource
        ? { audience: identifier, scopes, seconds: resource.tokenSeconds, algorithm: resource.algorithm }
        : { audience: identifier, scopes, seconds: accessTokenSeconds, algorithm: 'EdDSA' }
    },
    async answer(client, grant, { audience, scopes, seconds, algorithm }, { refreshToken, nonce }) {
      const { id, userId, amr, acr, authTime } = grant
      const accessToken = await tokens.issueFor({ clientId: client.clientId, subject: userId, sessionId: id, audience, scopes, seconds, algorithm, assurance: { amr, acr, authTime } })
      return {
        access_token: accessToken, token_type: 'Bearer', expires_in: seconds, scope: scopes.join(' '),
        ...(refreshToken === null ? {} : { refresh_token: refreshToken }),
        ...(grant.scopes.includes('openid') ? { id_token: await idTokens.issue(client, grant, accessToken, nonce) } : {}),
      }
    },
  }
}

// A client that acts for itself (RFC 6749 4.4): a token for one resource, by the scopes that whoever let it in has vouched for. Nothing is written: what
// the token is worth is worked out whenever it is presented.
import { type ClientDirectory, type KnownClient, OAuthError, type Parameters } from '../../clients/index.js'
import type { TokenService } from '../../tokens/index.js'
import { mayAskFor, readScope, scopesAt } from '../resource-rules.js'
import type { Grant } from '../token-answer.js'

export interface ClientCredentialsDeps {
  directory: ClientDirectory
  tokens: Pick<TokenService, 'issueFor'>
}

/** The one resource that is asked for; a client that has one alone need not name it. Throws OAuthError invalid_target. */
function identifierOf({ resources }: KnownClient, { resources: asked }: Parameters): string {
  if (asked.length > 1) throw new OAuthError('invalid_target', 'A token is for one resource: ask once for each')
  const identifier = asked[0] ?? (resources.length === 1 ? resources[0] : undefined)
  if (identifier === undefined) throw new OAuthError('invalid_target', 'Say which resource the token is for')
  return identifier
}

export function createClientCredentials({ directory, tokens }: ClientCredentialsDeps): Grant {
  return async (client, parameters) => {
    const resource = await directory.resource(identifierOf(client, parameters))
    if (!resource || !mayAskFor(client, resource)) throw new OAuthError('invalid_target', 'The client may not ask for this resource')
    const allowed = scopesAt(client, resource)
    const asked = readScope(parameters.get('scope'))
    if (asked.some((scope) => !allowed.includes(scope))) throw new OAuthError('invalid_scope', 'The client may not have one of the scopes at this resource')
    const scopes = asked.length === 0 ? allowed : asked
    const { identifier, tokenSeconds, algorithm } = resource
    const accessToken = await tokens.issueFor({ clientId: client.clientId, subject: client.clientId, audience: identifier, scopes, seconds: tokenSeconds, algorithm })
    return { access_token: accessToken, token_type: 'Bearer', expires_in: tokenSeconds, scope: scopes.join(' ') }
  }
}

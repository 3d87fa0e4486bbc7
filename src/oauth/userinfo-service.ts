// The userinfo endpoint (OpenID Connect Core 5.3): who somebody is, to whoever holds a token of theirs that was issued for this and for no API.
import { OAuthError } from '../clients/index.js'
import type { Authorizer } from '../decisions/index.js'
import { type Account, type PersonClaims, personClaims } from './person-claims.js'

export interface UserinfoService {
  /** `authorization`: the request's header. Throws OAuthError. */
  userinfo: (authorization: string | undefined, address: string) => Promise<PersonClaims>
}

export interface UserinfoDeps {
  authorizer: Pick<Authorizer, 'check'>
  account: (userId: string) => Promise<Account>
  /** the audience of its tokens */
  audience: () => string
}

const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i

const refused = (error: 'invalid_token' | 'insufficient_scope', status: number, more = ''): OAuthError => new OAuthError(error, 'The token does not say who somebody is', { status, authenticate: `Bearer realm="gatehouse", error="${error}"${more}` })

export function createUserinfo({ authorizer, account, audience }: UserinfoDeps): UserinfoService {
  return {
    async userinfo(authorization, address) {
      if (authorization === undefined) throw new OAuthError('invalid_token', 'A token is needed', { status: 401, authenticate: 'Bearer realm="gatehouse"' })
      const value = BEARER.exec(authorization)?.[1]
      if (value === undefined) throw refused('invalid_token', 401)
      const decision = await authorizer.check({ kind: 'token', value }, { audience: audience(), scopes: ['openid'], keyLimits: false }, address)
      if (!decision.allowed) throw decision.code === 'insufficient_scope' ? refused('insufficient_scope', 403, ', scope="openid"') : refused('invalid_token', 401)
      const { id, scopes = [] } = decision.principal
      return { sub: id, ...personClaims(await account(id), scopes) }
    },
  }
}

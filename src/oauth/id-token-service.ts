// Id tokens (OpenID Connect Core 2): who has signed in, how and when, told to one client. Never a way in anywhere: their type and audience are their own.
import { createHash } from 'node:crypto'
import type { KnownClient } from '../clients/index.js'
import type { Clock } from '../kernel/clock.js'
import type { TokenService } from '../tokens/index.js'
import type { GrantRow } from './grants/grant-store.js'
import { CLAIMS_OF } from './authorization/claims-rules.js'
import { type Account, personClaims } from './person-claims.js'

export interface IdTokens {
  issue: (client: KnownClient, grant: GrantRow, accessToken: string, nonce: string | null) => Promise<string>
  /** Whose id token of this client a hint is, however old; null: it is none. */
  read: (hint: string) => Promise<{ clientId: string; userId: string; grantId: string } | null>
}

export interface IdTokenDeps {
  tokens: Pick<TokenService, 'sign' | 'read'>
  account: (userId: string) => Promise<Account>
  clock: Clock
}

const SECONDS = 300

/** The left half of the hash that goes with the algorithm (OpenID Connect Core 3.1.3.6). */
function halfHash(accessToken: string, algorithm: KnownClient['idTokenAlgorithm']): string {
  const digest = createHash(algorithm === 'EdDSA' ? 'sha512' : 'sha256').update(accessToken).digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

export function createIdTokens({ tokens, account, clock }: IdTokenDeps): IdTokens {
  return {
    async issue({ clientId, idTokenAlgorithm }, { id, userId, scopes, claims: { idToken = [] }, amr, acr, authTime }, accessToken, nonce) {
      const iat = Math.floor(clock.now() / 1_000)
      const wanted = Object.entries(CLAIMS_OF).flatMap(([scope, names]) => (scopes.includes(scope) && names.some((name) => idToken.includes(name)) ? [scope] : []))
      const known = wanted.length === 0 ? {} : personClaims(await account(userId), wanted)
      const named = Object.fromEntries(Object.entries(known).filter(([name]) => idToken.includes(name)))
      return tokens.sign({
        sub: userId, aud: clientId, iat, exp: iat + SECONDS, auth_time: Math.floor(authTime.getTime() / 1_000), acr, amr, sid: id, at_hash: halfHash(accessToken, idTokenAlgorithm), ...(nonce === null ? {} : { nonce }), ...named,
      }, 'JWT', idTokenAlgorithm)
    },
    async read(hint) {
      const claims = await tokens.read(hint, 'JWT')
      const { sub, aud, sid } = claims ?? {}
      return typeof sub === 'string' && typeof aud === 'string' && typeof sid === 'string' ? { userId: sub, clientId: aud, grantId: sid } : null
    },
  }
}

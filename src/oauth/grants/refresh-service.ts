// A refresh token for new tokens (RFC 6749 6, RFC 9700 4.14): each is used once, by its own client. Whoever lost the answer may ask again within ten seconds and
// gets the same successor; any other second use ends the grant.
import { OAuthError } from '../../clients/index.js'
import type { Clock } from '../../kernel/clock.js'
import type { Secrets } from '../../kernel/secrets.js'
import { formatRefreshToken, isGenuine, judgeRefresh, OF_GRANT, parseRefreshToken } from '../../sessions/index.js'
import type { Grant } from '../token-answer.js'
import type { EndGrant } from './grant-ending-service.js'
import type { GrantStore } from './grant-store.js'
import type { GrantTokens } from './grant-tokens-service.js'

export interface RefreshGrantDeps {
  store: GrantStore
  grantTokens: GrantTokens
  endGrant: EndGrant
  /** the client is one that people use */
  noteUse: (client: { id: string; registration: string }) => Promise<void>
  secrets: Secrets
  clock: Clock
  config: { sessionIdleSeconds: number }
}

/** A refresh token that was made here, as it stands. */
export interface RefreshTokens {
  /** Null: it is none. */
  find: (text: string) => Promise<{ id: string; userId: string; clientId: string; scopes: string[]; isCurrent: boolean } | null>
}

export function createRefreshTokens({ store, secrets, clock, config }: Pick<RefreshGrantDeps, 'store' | 'secrets' | 'clock' | 'config'>): RefreshTokens {
  return {
    async find(text) {
      const token = parseRefreshToken(text, OF_GRANT)
      const found = token && (await store.findRefresh(token.sessionId, { now: new Date(clock.now()), idleSince: new Date(clock.now() - config.sessionIdleSeconds * 1_000) }))
      if (!token || !found || !isGenuine(secrets, found.seed, token, OF_GRANT)) return null
      const { id, userId, clientId, scopes, isLive, generation } = found
      return { id, userId, clientId, scopes, isCurrent: isLive && token.generation === generation }
    },
  }
}

const invalid = (): OAuthError => new OAuthError('invalid_grant', 'The refresh token is wrong, used, ended, or another client\'s')

export function createRefreshGrant({ store, grantTokens, endGrant, noteUse, secrets, clock, config }: RefreshGrantDeps): Grant {
  const moment = () => ({ now: new Date(clock.now()), idleSince: new Date(clock.now() - config.sessionIdleSeconds * 1_000) })

  return async (client, parameters, caller) => {
    const given = parameters.get('refresh_token')
    if (given === '') throw new OAuthError('invalid_request', 'refresh_token is missing')
    const token = parseRefreshToken(given, OF_GRANT)
    if (!token) throw invalid()
    // the second look is for whoever lost the rotation to a request of the same moment
    for (let look = 1; look <= 2; look += 1) {
      const found = await store.findRefresh(token.sessionId, moment())
      if (!found?.isLive || found.clientId !== client.id || !isGenuine(secrets, found.seed, token, OF_GRANT)) throw invalid()
      const { seed, generation, refreshedAt, isLive: _, ...grant } = found
      const verdict = judgeRefresh(token, { generation, refreshedAt }, clock.now())
      if (verdict === 'reuse') {
        await endGrant(caller, 'grant.refresh_reused', grant)
        throw invalid()
      }
      // asked for too much: nothing is used up
      const target = await grantTokens.target(client, grant, parameters)
      if (verdict === 'repeat' || (await store.rotate(token.sessionId, token.generation, moment()))) {
        await noteUse(client)
        return grantTokens.answer(client, grant, target, { refreshToken: formatRefreshToken(secrets, { sessionId: grant.id, seed, generation: token.generation + 1 }, OF_GRANT), nonce: null })
      }
    }
    throw invalid()
  }
}

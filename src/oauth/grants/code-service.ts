// A code for tokens (RFC 6749 4.1.3). All that binds it is compared in the one statement that uses it: its client, its address, its challenge, its time, and the
// sign-in behind it. A client that brings one a second time ends what the first has made (RFC 9700 4.5); another client's attempt changes nothing.
import { randomBytes } from 'node:crypto'
import type { AuditStore } from '../../audit/index.js'
import { OAuthError } from '../../clients/index.js'
import type { Clock } from '../../kernel/clock.js'
import { type Secrets, sha256 } from '../../kernel/secrets.js'
import { formatRefreshToken, OF_GRANT } from '../../sessions/index.js'
import { challengeOf } from '../authorization/pkce.js'
import type { Grant } from '../token-answer.js'
import type { EndGrant } from './grant-ending-service.js'
import type { GrantStore } from './grant-store.js'
import type { GrantTokens } from './grant-tokens-service.js'

export interface CodeGrantDeps {
  store: GrantStore
  grantTokens: GrantTokens
  endGrant: EndGrant
  audit: Pick<AuditStore, 'along'>
  secrets: Secrets
  clock: Clock
  config: { sessionIdleSeconds: number; sessionAbsoluteSeconds: number }
}

const FORM = /^gac_[A-Za-z0-9_-]{43}$/
const MOST_GRANTS = 50

const invalid = (): OAuthError => new OAuthError('invalid_grant', 'The code is wrong, used, expired, or another client\'s')

export function createCodeGrant({ store, grantTokens, endGrant, audit, secrets, clock, config }: CodeGrantDeps): Grant {
  return async (client, parameters, caller) => {
    const code = parameters.get('code')
    if (code === '') throw new OAuthError('invalid_request', 'code is missing')
    const redirectUri = parameters.get('redirect_uri')
    if (redirectUri === '') throw new OAuthError('invalid_request', 'redirect_uri is missing')
    const verifier = parameters.get('code_verifier')
    const challenge = verifier === '' ? null : challengeOf(verifier)
    if (verifier !== '' && challenge === null) throw new OAuthError('invalid_grant', 'code_verifier is none')
    if (!FORM.test(code)) throw invalid()
    const codeHash = sha256(code)
    const known = await store.findCode(codeHash, client.id)
    if (!known) throw invalid()
    // asked for too much: nothing is used up
    const target = known.isUsed ? null : await grantTokens.target(client, known, parameters)
    const seed = client.grantTypes.includes('refresh_token') ? randomBytes(32) : null
    const nowMs = clock.now()
    const at = { now: new Date(nowMs), idleSince: new Date(nowMs - config.sessionIdleSeconds * 1_000) }
    const expiresAt = new Date(nowMs + config.sessionAbsoluteSeconds * 1_000)
    const why = audit.along({ ...caller, principal: null }, { action: 'grant.opened', targetType: 'client', targetId: client.id, actorUserId: known.userId, details: { name: client.name } })
    const redeemed = target && await store.redeem({ codeHash, clientId: client.id, redirectUri, challenge }, { seed, expiresAt, most: MOST_GRANTS }, at, () => why)
    if (!redeemed) {
      const now = await store.findCode(codeHash, client.id)
      if (now?.isUsed === true) await endGrant(caller, 'code.reused', { id: now.grantId, userId: now.userId, clientId: client.id })
      throw invalid()
    }
    const { nonce, ...grant } = redeemed
    const refreshToken = seed && formatRefreshToken(secrets, { sessionId: grant.id, seed, generation: 0 }, OF_GRANT)
    return grantTokens.answer(client, grant, target, { refreshToken, nonce })
  }
}

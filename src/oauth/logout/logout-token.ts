// What a client is told that a session of its is over (OpenID Connect Back-Channel Logout 2.4): a token of a type of its own, with no nonce, so that it is no id
// token to anybody. Pure.
import { newId } from '../../kernel/ids.js'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const SECONDS = 120

export function logoutClaims({ clientId, userId, grantId }: { clientId: string; userId: string; grantId: string }, nowMs: number): Record<string, unknown> {
  const iat = Math.floor(nowMs / 1_000)
  return { aud: clientId, sub: userId, sid: grantId, iat, exp: iat + SECONDS, jti: newId(), events: { [EVENT]: {} } }
}

// Access tokens: JWTs of RFC 9068 (`at+jwt`, EdDSA). This decides their claims and judges them; the signature is the
// signer's work (@fastify/jwt). Whether the session still lives is not in the token: the authorizer asks that separately.
import type { Assurance } from '../kernel/assurance.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import type { KeyRing } from './key-ring.js'
import type { PublicJwk, SigningKey } from './signing-key-store.js'

/** Signs and checks a token with one key; knows algorithm and `typ`, and nothing of claims. */
export interface TokenSigner {
  sign: (claims: Record<string, unknown>, key: SigningKey) => string
  /** the key id of the token's header. Throws when the token cannot be read. */
  keyIdOf: (token: string) => string | undefined
  /** the claims. Throws unless signature, algorithm and `typ` are right. */
  verify: (token: string, key: SigningKey) => Record<string, unknown>
}

export interface AccessToken {
  userId: string
  sessionId: string
  expiresAt: Date
}

export interface TokenService {
  /** A signed access token of a session, which says how and when its owner proved themselves (RFC 9068 2.2.1). */
  /** `act`: who acts for the user (RFC 8693 4.1); `seconds`: how long it lives, when not as long as any. */
  issue: (subject: { userId: string; sessionId: string; act?: { sub: string; sid: string }; seconds?: number } & Assurance) => string
  /** Whose token it is. Throws token.invalid, or token.expired for a genuine token past its time. */
  verify: (token: string) => Promise<AccessToken>
  /** What others verify access tokens with, the signing key first (RFC 7517). */
  publicKeys: () => PublishedKey[]
}

export interface PublishedKey extends PublicJwk {
  kid: string
  use: 'sig'
  alg: 'EdDSA'
}

export interface TokenServiceDeps {
  store: KeyRing
  signer: TokenSigner
  /** the origin in `iss` and `aud` */
  issuer: () => string
  clock: Clock
  accessTokenSeconds: number
}

const MAX_LENGTH = 4_096

/** Whatever the signer finds wrong with a token is one answer to its bearer. */
function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw problem('token.invalid', { cause })
  }
}

export function createTokenService({ store, signer, issuer, clock, accessTokenSeconds }: TokenServiceDeps): TokenService {
  return {
    issue({ userId, sessionId, amr, acr, authTime, act, seconds = accessTokenSeconds }) {
      const iat = Math.floor(clock.now() / 1_000)
      const iss = issuer()
      const claims = {
        iss, aud: iss, client_id: 'gatehouse', sub: userId, sid: sessionId, jti: newId(), iat, exp: iat + seconds,
        amr, acr, auth_time: Math.floor(authTime.getTime() / 1_000), ...(act ? { act } : {}),
      }
      return signer.sign(claims, store.current())
    },
    async verify(token) {
      if (token.length > MAX_LENGTH) throw problem('token.invalid')
      const kid = attempt(() => signer.keyIdOf(token))
      const key = typeof kid === 'string' ? await store.find(kid) : undefined
      if (!key) throw problem('token.invalid')
      const { iss, aud, sub, sid, exp } = attempt(() => signer.verify(token, key))
      if (iss !== issuer() || aud !== issuer()) throw problem('token.invalid')
      if (typeof sub !== 'string' || typeof sid !== 'string' || typeof exp !== 'number' || !isUuid(sub) || !isUuid(sid)) throw problem('token.invalid')
      if (exp * 1_000 <= clock.now()) throw problem('token.expired')
      return { userId: sub, sessionId: sid, expiresAt: new Date(exp * 1_000) }
    },
    publicKeys() {
      const first = store.current()
      return [first, ...store.all().filter((key) => key !== first)].map(({ kid, publicJwk }) => ({ ...publicJwk, kid, use: 'sig', alg: 'EdDSA' }))
    },
  }
}

// The claims of an assertion by which a client proves who it is (RFC 7523 3, and the tightening of its successor): made by and for it, for this issuer
// and nobody else, soon over, and to be used once. Pure.

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const MOST_SECONDS = 600
const SKEW_SECONDS = 10

export interface Assertion {
  jti: string
  expiresAtMs: number
}

/** Why the claims are none, or what of them is to be remembered. `audience`: the issuer, as one text: an endpoint's address would be good elsewhere, too. */
export function judgeAssertion({ iss, sub, aud, exp, nbf, iat, jti }: Record<string, unknown>, { clientId, audience, nowMs }: { clientId: string; audience: string; nowMs: number }): Assertion | string {
  const now = nowMs / 1_000
  if (iss !== clientId || sub !== clientId) return 'iss and sub must be the client'
  if (aud !== audience) return 'aud must be the issuer, as one text'
  if (typeof exp !== 'number' || !Number.isFinite(exp) || exp <= now) return 'it has expired, or says no end'
  if (exp > now + MOST_SECONDS) return `it must end within ${MOST_SECONDS} seconds`
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf > now + SKEW_SECONDS)) return 'it is not good yet'
  if (iat !== undefined && (typeof iat !== 'number' || iat > now + SKEW_SECONDS)) return 'it was made in the future'
  if (typeof jti !== 'string' || jti === '' || jti.length > 300) return 'it has no jti'
  return { jti, expiresAtMs: exp * 1_000 }
}

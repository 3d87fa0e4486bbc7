// Signed tokens in their compact form (RFC 7515 3.1), by one of our keys: the algorithm is the key's, never the token's own word. RSA signs off the event
// loop: it takes a hundred times as long as the others. Judges no claims.
import { constants, sign, verify } from 'node:crypto'
import type { SigningKey } from './signing-key-store.js'

/** What a token is (RFC 8725 3.11): an access token, an id token, a logout token. One is never taken for another. */
export type TokenType = 'at+jwt' | 'JWT' | 'logout+jwt'

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const HASH = { EdDSA: null, ES256: 'sha256', RS256: 'sha256' } as const
const PART = /^[A-Za-z0-9_-]+$/

/** What of a token's header is looked at. */
interface Header {
  alg?: unknown
  typ?: unknown
  kid?: unknown
  crit?: unknown
}

function optionsOf({ algorithm, ...key }: SigningKey, half: 'privateKey' | 'publicKey') {
  if (algorithm === 'ES256') return { key: key[half], dsaEncoding: 'ieee-p1363' as const }
  return algorithm === 'RS256' ? { key: key[half], padding: constants.RSA_PKCS1_PADDING } : { key: key[half] }
}

/** A token of these claims. */
export function signJws(claims: object, type: TokenType, key: SigningKey): string | Promise<string> {
  const input = `${encoded({ alg: key.algorithm, typ: type, kid: key.kid })}.${encoded(claims)}`
  const finished = (signature: Buffer): string => `${input}.${signature.toString('base64url')}`
  if (key.algorithm !== 'RS256') return finished(sign(HASH[key.algorithm], Buffer.from(input), optionsOf(key, 'privateKey')))
  return new Promise((resolve, reject) => {
    sign(HASH.RS256, Buffer.from(input), optionsOf(key, 'privateKey'), (error, signature) => (error ? reject(error) : resolve(finished(signature))))
  })
}

function objectOf(part: string): Record<string, unknown> | null {
  // a spelling with bits to spare is another text of the same bytes, and no token of ours
  if (!PART.test(part) || Buffer.from(part, 'base64url').toString('base64url') !== part) return null
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/** The id of the key that a token says it was signed with; undefined: it is no token, or says none. */
export function keyIdOf(token: string): string | undefined {
  const header = objectOf(token.slice(0, Math.max(0, token.indexOf('.')))) as Header | null
  return typeof header?.kid === 'string' ? header.kid : undefined
}

/** The claims of a token of that type which this key has signed; null for anything else. */
export function verifyJws(token: string, type: TokenType, key: SigningKey): Record<string, unknown> | null {
  const parts = token.split('.')
  const [head = '', body = '', signature = ''] = parts
  const header = objectOf(head) as Header | null
  if (parts.length !== 3 || header?.alg !== key.algorithm || header.typ !== type || header.kid !== key.kid || header.crit !== undefined) return null
  const given = Buffer.from(signature, 'base64url')
  if (!PART.test(signature) || given.toString('base64url') !== signature) return null
  return verify(HASH[key.algorithm], Buffer.from(`${head}.${body}`), optionsOf(key, 'publicKey'), given) ? objectOf(body) : null
}

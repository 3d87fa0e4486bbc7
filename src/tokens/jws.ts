// Signed tokens in their compact form (RFC 7515 3.1), by one of our keys: the algorithm is the key's, never the token's own word. jose signs and checks;
// it is loaded with the first of them. Judges no claims.
import type * as Jose from 'jose'
import type { SigningKey } from './signing-key-store.js'

/** What a token is (RFC 8725 3.11): an access token, an id token, a logout token. One is never taken for another. */
export type TokenType = 'at+jwt' | 'JWT' | 'logout+jwt'

let loaded: typeof Jose | null = null
// even of what is loaded, an import costs a third of a signature
const jose = (): typeof Jose | Promise<typeof Jose> => loaded ?? import('jose').then((library) => (loaded = library))
// a spelling with bits to spare is another text of the same bytes, and no token of ours
const isCanonical = (part: string): boolean => Buffer.from(part, 'base64url').toString('base64url') === part

/** A token of these claims. */
export async function signJws(claims: object, type: TokenType, { algorithm: alg, kid, privateKey }: SigningKey): Promise<string> {
  const { CompactSign } = await jose()
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg, typ: type, kid }).sign(privateKey)
}

/** The claims of a token of that type which this key has signed; null for anything else. */
export async function verifyJws(token: string, type: TokenType, { algorithm, kid, publicKey }: SigningKey): Promise<Record<string, unknown> | null> {
  if (!token.split('.').every(isCanonical)) return null
  try {
    const { compactVerify } = await jose()
    const { payload, protectedHeader } = await compactVerify(token, publicKey, { algorithms: [algorithm] })
    if (protectedHeader.typ !== type || protectedHeader.kid !== kid) return null
    const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'))
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? { ...claims } : null
  } catch {
    // whatever is wrong with it, it is no token of ours
    return null
  }
}

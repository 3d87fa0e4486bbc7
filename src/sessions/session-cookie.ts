// The session cookie: its name, and how its value proves that this installation wrote it. The value is a 256-bit id and
// its signature; a value that was not signed here costs no look-up. What is at rest is the SHA-256 of the id.
import { randomBytes } from 'node:crypto'
import { equalBytes, type Secrets, sha256 } from '../kernel/secrets.js'

/** What @fastify/session asks of a signer. */
export interface CookieSigner {
  sign: (value: string) => string
  /** `renew`: it was signed under the previous secret */
  unsign: (signed: string) => { valid: true; renew: boolean; value: string } | { valid: false; renew: false; value: null }
}

const SIGNED = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/

/** A new cookie id: 256 random bits as 43 characters of base64url. */
export function newCookieSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Is the cookie's plain name used: does `publicUrl` (an origin) speak http, which the configuration allows on loopback only? */
function isPlain(publicUrl: string): boolean {
  return publicUrl.startsWith('http://')
}

/** `__Host-gatehouse` ties the cookie to this host over TLS (RFC 6265bis 4.1.3.2); browsers refuse that prefix over http, so loopback gets `gatehouse`. */
export function cookieName(publicUrl: string): string {
  return isPlain(publicUrl) ? 'gatehouse' : '__Host-gatehouse'
}

/** The cookie that names a device to its next sign-in. */
export function deviceCookieName(publicUrl: string): string {
  return `${cookieName(publicUrl)}-device`
}

/** The attributes of the session cookie for a public origin. SameSite=Lax: a cross-site POST never carries it. */
export function cookieAttributes(publicUrl: string): { path: '/'; httpOnly: true; secure: boolean; sameSite: 'lax' } {
  return { path: '/', httpOnly: true, secure: !isPlain(publicUrl), sameSite: 'lax' }
}

/** Signs cookie ids under a key derived for this purpose alone. */
export function createCookieSigner(secrets: Secrets): CookieSigner {
  const tagOf = (value: string, under = secrets): Buffer => Buffer.from(under.mac('session-cookie', value).toString('base64url'))
  return {
    sign: (value) => `${value}.${tagOf(value).toString()}`,
    unsign(signed) {
      const [, value, tag] = SIGNED.exec(signed) ?? []
      // the text of the tag is compared, not its bytes: base64url has several spellings of one byte string
      if (value === undefined || tag === undefined) return { valid: false, renew: false, value: null }
      const given = Buffer.from(tag)
      if (equalBytes(given, tagOf(value))) return { valid: true, renew: false, value }
      const isOld = secrets.previous !== null && equalBytes(given, tagOf(value, secrets.previous))
      return isOld ? { valid: true, renew: true, value } : { valid: false, renew: false, value: null }
    },
  }
}

/** The hash under which a cookie's session is kept, or null for a value that this installation did not sign. */
export function readSessionCookie(signer: CookieSigner, value: string): Buffer | null {
  const { value: secret } = signer.unsign(value)
  return secret === null ? null : sha256(secret)
}

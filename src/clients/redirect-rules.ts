// Where a browser may be sent with an answer: which addresses a client may register, and which of them one that is asked for is. Compared to the
// letter (RFC 9700 4.1.3); the port of a loopback address alone is free, for programs on somebody's own machine (RFC 8252 7.3). Pure.
import type { ClientKind } from './client-rules.js'

const MOST_CHARACTERS = 1_000
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])
// a name of one's own, in reverse (RFC 8252 7.1): whatever a browser or a system does something with of its own accord has no dot
const OWN_SCHEME = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/

function isLoopback(url: URL): boolean {
  return url.protocol === 'http:' && LOOPBACK.has(url.hostname)
}

/** Why an address is none that a client of this kind may register, or null. */
export function redirectFault(text: string, kind: ClientKind): string | null {
  if (text.length > MOST_CHARACTERS) return `must have at most ${MOST_CHARACTERS} characters`
  // two readers of anything else may see two addresses
  if (!/^[\x21-\x7e]+$/.test(text) || /[\\"<>^`{|}]/.test(text)) return 'must be a URL, with everything that is no plain character of one percent-encoded'
  if (text.includes('#')) return 'must have no fragment'
  if (text.includes('*')) return 'is compared to the letter: no *'
  if (!URL.canParse(text)) return 'must be an absolute URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || /^[a-z][a-z0-9+.-]*:\/*[^/?]*@/i.test(text)) return 'must hold no user name'
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:'
  if (isWeb && url.href !== text && url.href !== `${text}/`) return `must be written as it is sent: ${url.href}`
  if (/%(?![0-9a-f]{2})/i.test(text) || /%(?:0[0-9a-f]|1[0-9a-f]|7f)/i.test(text)) return 'must hold no control characters and be percent-encoded'
  if (url.protocol === 'https:' || isLoopback(url)) return null
  if (url.protocol === 'http:') return 'must be https; http is for localhost, 127.0.0.1 and [::1]'
  if (kind !== 'native') return 'must be https'
  return OWN_SCHEME.test(url.protocol) && text.startsWith(url.protocol) ? null : 'must be https, http on loopback, or a scheme that is a domain name of yours in reverse (com.example.app:/callback)'
}

/** A loopback address without its port; null for any other. */
function withoutPort(text: string): string | null {
  if (!text.startsWith('http://') || redirectFault(text, 'native') !== null) return null
  const url = new URL(text)
  if (!isLoopback(url)) return null
  return `http://${url.hostname}${text.slice(`http://${url.host}`.length)}`
}

/** Is an address that was asked for one of the client's? */
export function isRegistered(asked: string, { kind, redirectUris }: { kind: ClientKind; redirectUris: readonly string[] }): boolean {
  if (redirectUris.includes(asked)) return true
  if (kind !== 'native') return false
  const bare = withoutPort(asked)
  return bare !== null && redirectUris.some((one) => withoutPort(one) === bare)
}

/** Is it a program of the user's own machine that listens there, which might be any? */
export function isOwnMachine(redirectUri: string): boolean {
  return URL.canParse(redirectUri) && new URL(redirectUri).protocol !== 'https:'
}

// What an OAuth request asks for: parameters by name, each once (RFC 6749 3.1, 3.2), `resource` alone several times (RFC 8707 2). Those that nobody knows are
// passed over, those without a value count as not sent. Bounded before anything looks at them. Pure.
import { OAuthError } from './oauth-error.js'

export interface Parameters {
  /** '' where it is not sent */
  get: (name: string) => string
  has: (name: string) => boolean
  resources: readonly string[]
  /** all of them, as they would be sent again */
  toString: () => string
}

const MOST = 60
const MOST_CHARACTERS = 32 * 1024
const MOST_RESOURCES = 20

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new OAuthError('invalid_request', 'The request is not percent-encoded UTF-8')
  }
}

/** Reads a query or a form. Throws OAuthError invalid_request. */
export function readParameters(text: string): Parameters {
  if (text.length > MOST_CHARACTERS) throw new OAuthError('invalid_request', 'The request is too long')
  if (/[^\x20-\x7e]/.test(text)) throw new OAuthError('invalid_request', 'The request is not percent-encoded')
  const values = new Map<string, string>()
  const resources: string[] = []
  const parts = text.split('&', MOST + 1).filter((part) => part !== '')
  if (parts.length > MOST) throw new OAuthError('invalid_request', 'The request has too many parameters')
  for (const part of parts) {
    const at = part.indexOf('=')
    const name = decoded(at < 0 ? part : part.slice(0, at))
    const value = at < 0 ? '' : decoded(part.slice(at + 1))
    // eslint-disable-next-line no-control-regex -- what no header, page or log may hold
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) throw new OAuthError('invalid_request', 'A parameter holds control characters')
    if (name === 'resource') resources.push(value)
    else if (values.has(name)) throw new OAuthError('invalid_request', `${/^[\w-]{1,60}$/.test(name) ? name : 'A parameter'} was sent twice`)
    values.set(name, value)
  }
  if (resources.length > MOST_RESOURCES) throw new OAuthError('invalid_request', 'The request names too many resources')
  const asked = resources.filter((one) => one !== '')
  return {
    get: (name) => values.get(name) ?? '', has: (name) => (values.get(name) ?? '') !== '', resources: asked,
    toString: () => new URLSearchParams([...[...values].filter(([name, value]) => name !== 'resource' && value !== ''), ...asked.map((one): [string, string] => ['resource', one])]).toString(),
  }
}

/** The same from an object of texts, as a signed or stored request has them. */
export function parametersOf(values: Readonly<Record<string, string>>, resources: readonly string[] = []): Parameters {
  return readParameters(new URLSearchParams([...Object.entries(values), ...resources.map((one): [string, string] => ['resource', one])]).toString())
}

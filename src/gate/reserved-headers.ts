// Which headers of a question only the gateway may set, and what it may be asked to upgrade to. Servers join names: to CGI, WSGI
// and PHP `X_Auth.Subject` is `X-Auth-Subject`, so a name is looked at with every sign in it as a dash. What the files in
// docs/gateways cannot clear by pattern arrives here, and such a request is refused. Pure.
import type { Gateway } from './profiles.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Replaced with each request that passes, so a client's own is harmless in this one spelling. */
const IDENTITY = ['x-auth-subject', 'x-auth-type', 'x-auth-key-id', 'x-auth-organization', 'x-auth-permissions']
const FORWARDED = ['for', 'proto', 'host', 'method', 'uri'].map((name) => `x-forwarded-${name}`)
const ORIGINAL = ['method', 'host', 'uri', 'proto', 'address', 'upgrade'].map((name) => `x-original-${name}`)

/** What the gateway's own file sets anew, or the gateway by itself. */
const OWN: Readonly<Record<Gateway, ReadonlySet<string>>> = {
  nginx: new Set([...IDENTITY, ...ORIGINAL]),
  haproxy: new Set([...IDENTITY, ...ORIGINAL]),
  caddy: new Set([...IDENTITY, ...FORWARDED]),
  traefik: new Set([...IDENTITY, ...FORWARDED, 'x-forwarded-port', 'x-forwarded-server', 'x-forwarded-prefix', 'x-forwarded-tls-client-cert', 'x-forwarded-tls-client-cert-info']),
  envoy: new Set([...IDENTITY, 'x-forwarded-for', 'x-forwarded-proto']),
}

const RESERVED = /^x-(?:auth-(?:subject|type|key-id|organization|permissions|actor)$|(?:original|rewrite|forwarded|http-method|method-override)(?:-|$)|method$)/
const LETTER_X = 120

/** Would a server that joins names take this one for a header that only the gateway sets? `name` in lower case. */
export function isReserved(name: string): boolean {
  return RESERVED.test(name.replace(/[^a-z0-9]/g, '-'))
}

/** The first header of a question that its gateway does not set, and that an application could take for one it does. */
export function reservedHeaderOf(gateway: Gateway, headers: Headers): string | undefined {
  const own = OWN[gateway]
  for (const name in headers) {
    if (name.charCodeAt(0) === LETTER_X && !own.has(name) && isReserved(name)) return name
  }
  return undefined
}

/** What the waiting request asks to be upgraded to: `other` for all that is not a WebSocket, null for nothing. */
export type Upgrade = 'websocket' | 'other' | null

/**
 * A question tells of an upgrade in `Upgrade`, in `X-Original-Upgrade`, or by the headers of a WebSocket's handshake alone, where
 * the gateway takes `Upgrade` for a matter of its own connection (RFC 9110 7.8). What is no well-formed handshake (RFC 6455
 * 4.2.1) is `other`: a tunnel under another name, past every rule.
 */
export function upgradeOf(headers: Headers, method: string): Upgrade {
  const asked = headers['upgrade'] ?? headers['x-original-upgrade']
  const isHandshake = headers['sec-websocket-key'] !== undefined || headers['sec-websocket-version'] !== undefined
  if (headers['http2-settings'] !== undefined || method === 'CONNECT') return 'other'
  if ((asked === undefined || asked === '') && !isHandshake) return null
  const isKnown = asked === undefined || asked === '' || (typeof asked === 'string' && asked.toLowerCase() === 'websocket')
  const version = headers['sec-websocket-version']
  return isKnown && method === 'GET' && (version === undefined || version === '13') ? 'websocket' : 'other'
}

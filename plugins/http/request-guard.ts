// Refuses what Node's parser lets through and two servers could read differently: no Host, a second Host, Authorization or
// Content-Type, HTTP/0.9 (RFC 9110 7.2, RFC 9112 3.2), a Host that is none, and targets that are not the UTF-8 text of a URL: what
// is no text must not be compared as one. Before anything is believed.
import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import { type AppError, problem } from '../../src/kernel/errors.js'

/** More than any program sends, and more than any of the gateways passes on by default but nginx and Caddy. */
export const MOST_HEADERS = 250

const ONCE = new Set(['host', 'authorization', 'content-type', 'x-api-key', 'if-match', 'idempotency-key', 'x-csrf-token'])

// every other target is looked at no further
const ODD = /[^\x21-\x7e]|%/
const ENCODED_CONTROL = /%(?:[01][0-9a-f]|7f)/i
// uri-host [ ":" port ] (RFC 9110 7.2); a port may be empty (RFC 3986 3.2.3)
const HOST = /^(?:\[[0-9a-f:.]+\]|[^\s/\\@?#[\]:,]*)(?::\d{0,5})?$/i

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function targetFault(url: string): AppError | undefined {
  // what a gateway tells of another server's URL is judged by the gate, by all the ways that server may read it
  if (!ODD.test(url) || url.startsWith('/gate/')) return undefined
  if (/[^\x21-\x7e]/.test(url)) return problem('request.malformed', { detail: 'The request target is not ASCII' })
  if (!isDecodable(url)) return problem('request.malformed', { detail: 'The request target is not percent-encoded UTF-8' })
  if (!ENCODED_CONTROL.test(url)) return undefined
  const part = url.slice(url.indexOf('?') + 1).split('&').find((one) => ENCODED_CONTROL.test(one)) ?? ''
  const path = decodeURIComponent(part.split('=', 1)[0] ?? '').slice(0, 100)
  return problem('request.malformed', { detail: 'The request target holds a control character', errors: [{ path, message: 'must not hold control characters' }] })
}

function faultOf({ httpVersionMajor, httpVersion, headers, rawHeaders, url = '' }: IncomingMessage): AppError | undefined {
  if (httpVersionMajor < 1) return problem('request.malformed', { detail: 'HTTP/1.0 or newer is needed' })
  if (headers.host === undefined) {
    if (httpVersion === '1.1') return problem('request.malformed', { detail: 'A Host header is needed' })
  } else if (!HOST.test(headers.host) && !url.startsWith('/gate/')) {
    return problem('request.malformed', { detail: 'The Host header is not a host with or without a port' })
  }
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') return problem('expectation.failed')
  const fault = targetFault(url)
  if (fault) return fault
  if (Object.keys(headers).length * 2 === rawHeaders.length) return undefined // each was sent once
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase()
    if (!ONCE.has(name)) continue
    if (seen.has(name)) {
      const isCredential = name === 'authorization' || name === 'x-api-key'
      return problem(isCredential ? 'credentials.ambiguous' : 'request.malformed', { detail: `More than one ${name} header` })
    }
    seen.add(name)
  }
  return undefined
}

/** What the parser itself would leave out or read as something else. */
function envelopeFault({ method, url = '', rawHeaders }: IncomingMessage): AppError | undefined {
  // Node keeps so many and drops the others without a word: what it dropped, nothing here would have judged
  if (rawHeaders.length > MOST_HEADERS * 2) return problem('headers.too_large', { detail: `More than ${MOST_HEADERS} headers` })
  // the router does not look at the first sign: `*livez` would be /livez here and nothing to a proxy in front (RFC 9112 3.2)
  if (!url.startsWith('/') && !(url === '*' && method === 'OPTIONS')) return problem('request.malformed', { detail: 'The request target is neither a path nor an http URL' })
  return undefined
}

export default fp(async (app) => {
  app.addHook('onRequest', ({ raw }, _reply, done) => done(envelopeFault(raw) ?? faultOf(raw)))
}, { name: 'request-guard', dependencies: ['errors', 'answers'] })

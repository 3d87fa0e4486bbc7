// Refuses what Node's parser lets through and two servers could read differently: no Host, a second Host, Authorization or
// Content-Type, and HTTP/0.9 (RFC 9110 7.2, RFC 9112 3.2). First of all hooks.
import fp from 'fastify-plugin'
import { problem } from '../src/kernel/errors.js'

const ONCE = new Set(['host', 'authorization', 'content-type', 'x-api-key', 'if-match', 'idempotency-key', 'x-csrf-token'])

export default fp(async (app) => {
  app.addHook('onRequest', async ({ raw }) => {
    if (raw.httpVersionMajor < 1) throw problem('request.malformed', { detail: 'HTTP/1.0 or newer is needed' })
    if (raw.headers.host === undefined && raw.httpVersion === '1.1') throw problem('request.malformed', { detail: 'A Host header is needed' })
    const { rawHeaders } = raw
    let seen: string[] | undefined
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const name = (rawHeaders[at] ?? '').toLowerCase()
      if (!ONCE.has(name)) continue
      if (seen?.includes(name)) {
        throw problem(name === 'authorization' || name === 'x-api-key' ? 'credentials.ambiguous' : 'request.malformed', { detail: `More than one ${name} header` })
      }
      seen = seen ? [...seen, name] : [name]
    }
  })
}, { name: 'request-guard', dependencies: ['errors'] })

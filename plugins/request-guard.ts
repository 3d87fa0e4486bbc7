// Refuses what Node's parser lets through and two servers could read differently: no Host, a second Host, Authorization or
// Content-Type, and HTTP/0.9 (RFC 9110 7.2, RFC 9112 3.2). Before anything is believed.
import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import { type AppError, problem } from '../src/kernel/errors.js'

const ONCE = new Set(['host', 'authorization', 'content-type', 'x-api-key', 'if-match', 'idempotency-key', 'x-csrf-token'])

function faultOf({ httpVersionMajor, httpVersion, headers, rawHeaders }: IncomingMessage): AppError | undefined {
  if (httpVersionMajor < 1) return problem('request.malformed', { detail: 'HTTP/1.0 or newer is needed' })
  if (headers.host === undefined && httpVersion === '1.1') return problem('request.malformed', { detail: 'A Host header is needed' })
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

export default fp(async (app) => {
  app.addHook('onRequest', ({ raw }, _reply, done) => done(faultOf(raw)))
}, { name: 'request-guard', dependencies: ['errors', 'answers'] })

// Refuses what Node's parser lets through and two servers could read differently: no Host, a second Host, Authorization or
// Content-Type, and HTTP/0.9 (RFC 9110 7.2, RFC 9112 3.2). First of all hooks.
import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import { type AppError, problem } from '../src/kernel/errors.js'

const ONCE = new Set(['host', 'authorization', 'content-type', 'x-api-key', 'if-match', 'idempotency-key', 'x-csrf-token'])
// most names are told apart by their length alone
const LENGTHS = new Set([...ONCE].map((name) => name.length))

function faultOf({ httpVersionMajor, httpVersion, headers, rawHeaders }: IncomingMessage): AppError | undefined {
  if (httpVersionMajor < 1) return problem('request.malformed', { detail: 'HTTP/1.0 or newer is needed' })
  if (headers.host === undefined && httpVersion === '1.1') return problem('request.malformed', { detail: 'A Host header is needed' })
  let seen: string[] | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at] ?? ''
    if (!LENGTHS.has(raw.length)) continue
    const name = raw.toLowerCase()
    if (!ONCE.has(name)) continue
    if (seen?.includes(name)) {
      const isCredential = name === 'authorization' || name === 'x-api-key'
      return problem(isCredential ? 'credentials.ambiguous' : 'request.malformed', { detail: `More than one ${name} header` })
    }
    if (seen) seen.push(name)
    else seen = [name]
  }
  return undefined
}

export default fp(async (app) => {
  app.addHook('onRequest', ({ raw }, _reply, done) => done(faultOf(raw)))
}, { name: 'request-guard', dependencies: ['errors'] })

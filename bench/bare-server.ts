// What Gatehouse is measured against: Fastify with one route that checks its input by the same schema, writes an answer of
// the same size by the same schema, and does nothing else (but the bcrypt of a sign-in, or the least that any check of a key does). Its own process.
import formbody from '@fastify/formbody'
import { verify } from '@node-rs/bcrypt'
import { hash } from 'node:crypto'
import { fastify } from 'fastify'
import { answerParent } from './answer-parent.js'
import type { BareRoute } from './protocol.js'

const WINDOW_MS = 60_000

/** What whoever checks a key cannot do without: its hash, a look-up, whether it has ended, and one counter of a window. */
function createCheck(key: string): (authorization: string | undefined) => boolean {
  const held = new Map([[hash('sha256', key, 'binary'), { endsAtMs: Infinity, windowFromMs: 0, count: 0 }]])
  return (authorization = '') => {
    const nowMs = Date.now()
    const found = held.get(hash('sha256', authorization.slice('Bearer '.length), 'binary'))
    if (!found || found.endsAtMs <= nowMs) return false
    if (nowMs - found.windowFromMs >= WINDOW_MS) Object.assign(found, { windowFromMs: nowMs, count: 0 })
    found.count += 1
    return true
  }
}

async function serve({ method, path, schema, takesForms = false, answer, status = 200, headers = {}, key, passwordHash }: BareRoute): Promise<string> {
  // as plugins/http/validation.ts has it: bodies are neither coerced nor stripped
  const app = fastify({ ajv: { customOptions: { coerceTypes: method === 'GET', removeAdditional: false, keywords: ['example'] } } })
  if (takesForms) await app.register(formbody)
  const hasHeaders = Object.keys(headers).length > 0
  const check = key === undefined ? null : createCheck(key)
  app.route<{ Body: { password: string } }>({
    method,
    url: path,
    schema,
    async handler({ body, headers: { authorization } }, reply) {
      if (check !== null && !check(authorization)) return reply.code(401).send({})
      if (passwordHash !== null && !(await verify(body.password, passwordHash))) return reply.code(401).send({})
      if (hasHeaders) void reply.headers(headers)
      return answer === null ? reply.code(status).send() : answer
    },
  })
  return app.listen({ host: '127.0.0.1', port: 0 })
}

answerParent(serve)

// What Gatehouse is measured against: Fastify with one route that checks its input by the same schema, writes an answer of
// the same size by the same schema, and does nothing else (but the bcrypt of a sign-in). Its own process.
import formbody from '@fastify/formbody'
import { verify } from '@node-rs/bcrypt'
import { fastify } from 'fastify'
import { answerParent } from './answer-parent.js'
import type { BareRoute } from './protocol.js'

async function serve({ method, path, schema, takesForms = false, answer, status = 200, headers = {}, passwordHash }: BareRoute): Promise<string> {
  // as plugins/http/validation.ts has it: bodies are neither coerced nor stripped
  const app = fastify({ ajv: { customOptions: { coerceTypes: method === 'GET', removeAdditional: false, keywords: ['example'] } } })
  if (takesForms) await app.register(formbody)
  const hasHeaders = Object.keys(headers).length > 0
  app.route<{ Body: { password: string } }>({
    method,
    url: path,
    schema,
    async handler({ body }, reply) {
      if (passwordHash !== null && !(await verify(body.password, passwordHash))) return reply.code(401).send({})
      if (hasHeaders) void reply.headers(headers)
      return answer === null ? reply.code(status).send() : answer
    },
  })
  return app.listen({ host: '127.0.0.1', port: 0 })
}

answerParent(serve)

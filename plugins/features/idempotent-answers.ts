// app.idempotency: what the HTTP side of Idempotency-Key keeps its answers in.
import fp from 'fastify-plugin'
import { createIdempotency, type IdempotencyService } from '../../src/idempotency/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    idempotency: IdempotencyService
  }
}

export default fp(async (app) => {
  const { secrets, clock, database: { pool, transact } } = app
  const feature = createIdempotency({ pool, secrets, transact, clock })
  app.decorate('idempotency', feature.idempotency)
  app.operate(feature)
}, { name: 'idempotent-answers', dependencies: ['prisma', 'features'] })

// app.queue: durable work; app.deadLetters: what of it was given up.
import fp from 'fastify-plugin'
import { createQueue, type DeadLetterService, type QueueService } from '../../src/queue/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    queue: QueueService
    deadLetters: DeadLetterService
  }
}

export default fp(async (app) => {
  const { cursors, secrets, clock, log, audit, database: { pool, transact, afterCommit } } = app
  const feature = createQueue({ pool, cursors, transact, afterCommit, secrets, clock, audit, log })
  app.decorate('queue', feature.queue)
  app.decorate('deadLetters', feature.deadLetters)
  app.operate(feature)
}, { name: 'queue', dependencies: ['audit', 'features'] })

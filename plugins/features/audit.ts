// app.audit: the log of who did what.
import fp from 'fastify-plugin'
import { type AuditStore, createAudit } from '../../src/audit/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    audit: AuditStore
  }
}

export default fp(async (app) => {
  const { config, cursors, clock, log, database: { pool } } = app
  const feature = createAudit({ pool, cursors, clock, config, log })
  app.decorate('audit', feature.audit)
  app.operate(feature)
}, { name: 'audit', dependencies: ['prisma', 'features'] })

// app.impersonation
import fp from 'fastify-plugin'
import { createImpersonation, type ImpersonationService } from '../../src/impersonation/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    impersonation: ImpersonationService
  }
}

export default fp(async (app) => {
  const { sessions, authority, audit, publishRevocations, database: { transact } } = app
  const feature = createImpersonation({ sessions, authority, audit, transact, publishRevocations })
  app.decorate('impersonation', feature.impersonation)
}, { name: 'impersonation', dependencies: ['sessions', 'authority', 'audit', 'revocation'] })

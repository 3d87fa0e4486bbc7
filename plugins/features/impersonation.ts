// app.impersonation
import fp from 'fastify-plugin'
import { createImpersonation, type ImpersonationService } from '../../src/impersonation/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    impersonation: ImpersonationService
  }
}

export default fp(async (app) => {
  const { sessions, authority, mail, audit, clock, publishRevocations, database: { transact } } = app
  const feature = createImpersonation({ sessions, authority, mail, audit, transact, clock, publishRevocations })
  app.decorate('impersonation', feature.impersonation)
}, { name: 'impersonation', dependencies: ['mail', 'sessions', 'authority', 'audit', 'revocation'] })

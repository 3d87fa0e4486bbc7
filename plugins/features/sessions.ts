// app.sessions, app.signInChallenges (sign-ins that wait for a second factor), and the reading of session cookies.
import fp from 'fastify-plugin'
import { createSessions, type SessionFeature, type SessionService } from '../../src/sessions/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    sessions: SessionService
    signInChallenges: SessionFeature['challenges']
    readSessionCookie: SessionFeature['readCookie']
  }
}

export default fp(async (app) => {
  const { config, prisma, cursors, secrets, clock, tokens, audit, publishRevocations, database: { pool, transact } } = app
  const feature = createSessions({ prisma, pool, cursors, secrets, clock, tokens, audit, transact, config, publishRevocations })
  app.decorate('sessions', feature.sessions)
  app.decorate('signInChallenges', feature.challenges)
  app.decorate('readSessionCookie', feature.readCookie)
  app.operate(feature)
}, { name: 'sessions', dependencies: ['jwt', 'audit', 'revocation'] })

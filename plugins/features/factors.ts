// app.factors (one's own second factors), app.mfa (signing in by them) and app.stepUps (proving once more who one is).
import fp from 'fastify-plugin'
import { createFactors, type FactorFeature } from '../../src/factors/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    factors: FactorFeature['factors']
    factorResets: FactorFeature['factorResets']
    mfa: FactorFeature['mfa']
    stepUps: FactorFeature['stepUps']
  }
}

export default fp(async (app) => {
  const { prisma, secrets, clock, mail, authority, audit, sessions, signInChallenges: challenges, signIns, ownPassword, loginThrottle: throttle, database: { pool, transact } } = app
  const feature = createFactors({ prisma, pool, secrets, clock, mail, authority, audit, sessions, challenges, signIns, ownPassword, throttle, transact, origin: app.publicOrigin })
  app.decorate('factors', feature.factors)
  app.decorate('factorResets', feature.factorResets)
  app.decorate('mfa', feature.mfa)
  app.decorate('stepUps', feature.stepUps)
  app.operate(feature)
}, { name: 'factors', dependencies: ['accounts'] })

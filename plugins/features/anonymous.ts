// app.anonymous: accounts of those who have not said who they are
import fp from 'fastify-plugin'
import { type AnonymousService, createAnonymous } from '../../src/anonymous/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    anonymous: AnonymousService
  }
}

export default fp(async (app) => {
  const { config, prisma, accounts, sessions, audit, clock, publishRevocations, setup, database: { pool, transact } } = app
  const feature = createAnonymous({ config, pool, prisma, accounts, sessions, audit, clock, transact, publishRevocations, isSetUp: setup.isDone })
  app.decorate('anonymous', feature.anonymous)
  app.operate(feature)
}, { name: 'anonymous', dependencies: ['accounts', 'setup'] })

// app.keys, app.keyChanges and app.keySweeps: API keys.
import fp from 'fastify-plugin'
import { adoptKeys, createKeys, type KeyBatches, type KeyChangeService, type KeyService, type KeySweepService } from '../../src/keys/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    keys: KeyService
    keyBatches: KeyBatches
    keyChanges: KeyChangeService
    keySweeps: KeySweepService
  }
}

export default fp(async (app) => {
  const { config, prisma, cursors, clock, audit, authority, standings, publishRevocations, log, database: { pool, transact } } = app
  // before anything is answered: a key of an older version is worth what its judgement says
  await adoptKeys(pool, (line) => log.warn(line))
  const feature = createKeys({ prisma, pool, cursors, clock, audit, authority, standings, transact, config, publishRevocations })
  app.decorate('keys', feature.keys)
  app.decorate('keyBatches', feature.keyBatches)
  app.decorate('keyChanges', feature.keyChanges)
  app.decorate('keySweeps', feature.keySweeps)
  app.operate(feature)
}, { name: 'keys', dependencies: ['audit', 'authority', 'revocation', 'organizations'] })

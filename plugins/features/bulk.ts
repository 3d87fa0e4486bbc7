// app.imports and app.exports: bulk work as streams.
import fp from 'fastify-plugin'
import { createBulk, type ExportService, type ImportService } from '../../src/bulk/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    imports: ImportService
    exports: ExportService
  }
}

export default fp(async (app) => {
  const { prisma, config, secrets, clock, log, audit, accountBatches, accountChanges, keyBatches, keyChanges, sharedStore, database: { pool, transact } } = app
  const feature = createBulk({ prisma, pool, transact, audit, accounts: accountBatches, changes: accountChanges, keys: keyBatches, keyChanges, limits: sharedStore.limits, config, secrets, clock, log })
  app.decorate('imports', feature.imports)
  app.decorate('exports', feature.exports)
  app.operate(feature)
}, { name: 'bulk', dependencies: ['accounts', 'keys'] })

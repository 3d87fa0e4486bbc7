// app.usage and app.usageLedger: what was decided, counted, kept and shown.
import fp from 'fastify-plugin'
import { hasRight } from '../../src/organizations/index.js'
import { createUsage, type UsageLedger, type UsageService } from '../../src/usage/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    usage: UsageService
    usageLedger: UsageLedger
  }
}

export default fp(async (app) => {
  const { config, clock, log, nodes, audit, standings, database: { pool, transact } } = app
  const feature = createUsage({
    pool, clock, log, nodeId: nodes.id, config, audit, transact,
    mayReadOf: async (caller, id) => {
      const standing = await standings.standing(caller, id)
      return standing !== null && hasRight(standing, 'usage.read')
    },
  })
  app.decorate('usage', feature.usage)
  app.decorate('usageLedger', feature.usageLedger)
  app.operate(feature)
}, { name: 'usage', dependencies: ['audit', 'redis', 'organizations'] })

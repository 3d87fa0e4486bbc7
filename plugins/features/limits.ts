// app.limits: the limits of namespaces; app.limitStore: where every limit is counted.
import fp from 'fastify-plugin'
import { createLimits, type LimitService } from '../../src/limits/index.js'
import type { LimitStore } from '../../src/shared-store/shared-store.js'

declare module 'fastify' {
  interface FastifyInstance {
    limits: LimitService
    limitStore: LimitStore
  }
}

export default fp(async (app) => {
  const { prisma, cursors, clock, log, nodes, audit, authority, publishRevocations, sharedStore, database: { pool, transact, afterCommit } } = app
  const feature = createLimits({
    prisma, pool, cursors, clock, log, audit, authority, transact, afterCommit, publishRevocations, bus: sharedStore.bus, counters: sharedStore.limits, liveNodes: nodes.liveNodes,
  })
  app.decorate('limits', feature.limits)
  app.decorate('limitStore', feature.limitStore)
  app.operate(feature)
}, { name: 'limits', dependencies: ['audit', 'authority', 'revocation'] })

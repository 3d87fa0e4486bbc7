// app.clients and app.resources: applications that ask for tokens, and the APIs that tokens are for.
import fp from 'fastify-plugin'
import { type ClientService, createClients, type ResourceService } from '../../src/clients/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    clients: ClientService
    resources: ResourceService
  }
}

export default fp(async (app) => {
  const { prisma, cursors, clock, outbound, audit, authority, publicOrigin, publishRevocations, database: { pool, transact } } = app
  const feature = createClients({ prisma, pool, cursors, clock, outbound, audit, authority, publicOrigin, publishRevocations, transact })
  app.decorate('clients', feature.clients)
  app.decorate('resources', feature.resources)
  app.operate(feature)
}, { name: 'clients', dependencies: ['outbound', 'audit', 'authority', 'revocation'] })

// app.clients and app.resources: applications that ask for tokens, and the APIs that tokens are for; app.clientDirectory and app.clientAuthentication:
// how requests find them, and how they prove who they are.
import fp from 'fastify-plugin'
import { type ClientsFeature, createClients } from '../../src/clients/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    clients: ClientsFeature['clients']
    resources: ClientsFeature['resources']
    clientDirectory: ClientsFeature['directory']
    clientAuthentication: ClientsFeature['authentication']
    oauthUsed: ClientsFeature['used']
  }
}

export default fp(async (app) => {
  const { prisma, cursors, clock, outbound, audit, authority, publicOrigin, publishRevocations, knownRevocations, database: { pool, transact } } = app
  const feature = createClients({ prisma, pool, cursors, clock, outbound, audit, authority, publicOrigin, publishRevocations, transact, known: knownRevocations })
  app.decorate('clients', feature.clients)
  app.decorate('resources', feature.resources)
  app.decorate('clientDirectory', feature.directory)
  app.decorate('clientAuthentication', feature.authentication)
  app.decorate('oauthUsed', feature.used)
  app.operate(feature)
}, { name: 'clients', dependencies: ['outbound', 'audit', 'authority', 'revocation'] })

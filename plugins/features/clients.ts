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
    publicClientDirectory: ClientsFeature['publicDirectory']
    clientRegistration: ClientsFeature['registration']
  }
}

export default fp(async (app) => {
  const { config, sharedStore, prisma, cursors, clock, outbound, audit, authority, standings, publicOrigin, publishRevocations, knownRevocations, database: { pool, transact } } = app
  // of all strangers together, and of what they may have one host asked
  const mayFetchDocument = async (host: string): Promise<boolean> => {
    const { allowed } = await sharedStore.limits.take([{ key: 'public:client-documents:{all}', quota: 300, windowMs: 60_000, cost: 1 }])
    return allowed && (await sharedStore.limits.take([{ key: `public:client-documents:{${host}}`, quota: 20, windowMs: 60_000, cost: 1 }])).allowed
  }
  const feature = createClients({ config, mayFetchDocument, prisma, pool, cursors, clock, outbound, audit, authority, standings, publicOrigin, publishRevocations, transact, known: knownRevocations })
  app.decorate('clients', feature.clients)
  app.decorate('resources', feature.resources)
  app.decorate('clientDirectory', feature.directory)
  app.decorate('clientAuthentication', feature.authentication)
  app.decorate('oauthUsed', feature.used)
  app.decorate('publicClientDirectory', feature.publicDirectory)
  app.decorate('clientRegistration', feature.registration)
  app.operate(feature)
}, { name: 'clients', dependencies: ['outbound', 'audit', 'authority', 'revocation', 'organizations'] })

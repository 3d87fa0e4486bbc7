// app.accountExports: all that is kept of a person, for themselves. A feature that keeps more of them adds its part here.
import fp from 'fastify-plugin'
import { createOwnAccount, type ExportService } from '../../src/own-account/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    accountExports: ExportService
  }
}

export default fp(async (app) => {
  const { accounts, devices, sessions, keys, identities, factors, ownGrants, organizations, audit, clock } = app
  const sections = { identities: identities.list, factors: factors.list, applications: ownGrants.list, organizations: organizations.own }
  app.decorate('accountExports', createOwnAccount({ accounts, devices, sessions, keys, audit, clock, sections }).exports)
}, { name: 'own-account', dependencies: ['accounts', 'keys', 'sessions', 'audit', 'federation', 'factors', 'oauth', 'organizations'] })

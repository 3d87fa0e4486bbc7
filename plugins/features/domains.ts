// app.organizationDomains: the e-mail domains of organizations.
import fp from 'fastify-plugin'
import { createDomains, type DomainService } from '../../src/domains/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    organizationDomains: DomainService
  }
}

export default fp(async (app) => {
  const { config, prisma, clock, audit, mail, authority, standings, organizationMembers: members, organizationRoles: roles, database: { pool, transact } } = app
  const feature = createDomains({ config, prisma, pool, clock, audit, mail, authority, standings, members, roles, transact })
  app.decorate('organizationDomains', feature.domains)
  app.operate(feature)
}, { name: 'domains', dependencies: ['accounts', 'organizations', 'mail'] })

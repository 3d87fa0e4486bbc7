// app.organizations, their members, roles and invitations; app.standings: what somebody may do in one.
import fp from 'fastify-plugin'
import { normaliseEmail } from '../../src/accounts/index.js'
import { createOrganizations, type OrganizationFeature } from '../../src/organizations/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    organizations: OrganizationFeature['organizations']
    organizationMembers: OrganizationFeature['members']
    organizationRoles: OrganizationFeature['roles']
    organizationInvitations: OrganizationFeature['invitations']
    standings: OrganizationFeature['standings']
    organizationSwitch: OrganizationFeature['switching']
  }
}

export default fp(async (app) => {
  const { prisma, cursors, clock, audit, authority, sessions, mail, mailedLinks, publishRevocations, database: { pool, transact } } = app
  const feature = createOrganizations({ prisma, pool, cursors, clock, audit, authority, sessions, mail, mailedLinks, publishRevocations, transact, normaliseEmail })
  app.decorate('organizations', feature.organizations)
  app.decorate('organizationMembers', feature.members)
  app.decorate('organizationRoles', feature.roles)
  app.decorate('organizationInvitations', feature.invitations)
  app.decorate('standings', feature.standings)
  app.decorate('organizationSwitch', feature.switching)
  app.operate(feature)
}, { name: 'organizations', dependencies: ['audit', 'authority', 'revocation', 'sessions', 'mail', 'mailed-links'] })

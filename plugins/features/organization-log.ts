// app.organizationLog: what has happened in an organization, for who is in it.
import fp from 'fastify-plugin'
import { createOrganizationLog, type OrganizationLogService } from '../../src/organization-log/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    organizationLog: OrganizationLogService
  }
}

export default fp(async (app) => {
  const { cursors, secrets, clock, standings, events, database: { pool } } = app
  app.decorate('organizationLog', createOrganizationLog({ pool, cursors, secrets, clock, standings, events }).organizationLog)
}, { name: 'organization-log', dependencies: ['events', 'organizations'] })

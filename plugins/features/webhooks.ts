// app.webhooks: events sent to endpoints that administrators and organizations name.
import fp from 'fastify-plugin'
import { createWebhooks, type WebhookService } from '../../src/webhooks/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    webhooks: WebhookService
  }
}

export default fp(async (app) => {
  const { prisma, cursors, secrets, clock, log, outbound, audit, mail, authority, standings, organizationMembers: members, eventStore, eventFeed, database: { pool, transact, afterCommit } } = app
  const feature = createWebhooks({ prisma, pool, cursors, transact, afterCommit, clock, secrets, log, outbound, audit, mail, authority, standings, members, events: eventStore, feed: eventFeed })
  app.decorate('webhooks', feature.webhooks)
  app.operate(feature)
}, { name: 'webhooks', dependencies: ['outbound', 'events', 'authority', 'mail', 'organizations', 'organization-log'] })

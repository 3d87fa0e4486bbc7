// app.mailedLinks: links and codes that were mailed.
import fp from 'fastify-plugin'
import { createMailedLinks, type MailedLinkService } from '../../src/mailed-links/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    mailedLinks: MailedLinkService
  }
}

export default fp(async (app) => {
  const { prisma, clock, secrets, database: { pool } } = app
  const feature = createMailedLinks({ pool, prisma, clock, secrets })
  app.decorate('mailedLinks', feature.mailedLinks)
  app.operate(feature)
}, { name: 'mailed-links', dependencies: ['features'] })

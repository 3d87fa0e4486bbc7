// app.magicLinks: signing in by mail.
import fp from 'fastify-plugin'
import { createMagicLinks, type MagicLinkService } from '../../src/magic-link/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    magicLinks: MagicLinkService
  }
}

export default fp(async (app) => {
  const { config, queue, mailedLinks, mailProofs, mail, signIns, audit, database: { transact } } = app
  const feature = createMagicLinks({ config, queue, mailedLinks, mailProofs, mail, signIns, audit, transact })
  app.decorate('magicLinks', feature.magicLinks)
}, { name: 'magic-link', dependencies: ['accounts'] })

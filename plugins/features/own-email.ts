// app.ownEmail: proving and changing the address of one's own account.
import fp from 'fastify-plugin'
import { createAccountStore } from '../../src/accounts/index.js'
import { createOwnEmail, type OwnEmailService } from '../../src/own-email/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    ownEmail: OwnEmailService
  }
}

export default fp(async (app) => {
  const { prisma, cursors, mailedLinks, mail, sessions, authority, audit, clock, database: { pool, transact } } = app
  const feature = createOwnEmail({ store: createAccountStore({ prisma, pool, cursors }), mailedLinks, mail, sessions, authority, audit, clock, transact })
  app.decorate('ownEmail', feature.ownEmail)
}, { name: 'own-email', dependencies: ['accounts'] })

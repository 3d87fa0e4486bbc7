// app.invitations: accounts that somebody is invited to open.
import fp from 'fastify-plugin'
import { createAccountStore } from '../../src/accounts/index.js'
import { createInvitations, type InvitationService } from '../../src/invitations/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    invitations: InvitationService
  }
}

export default fp(async (app) => {
  const { prisma, cursors, accounts, signIns, signUp, authority, mailedLinks, mail, audit, clock, database: { pool, transact } } = app
  const accountStore = createAccountStore({ prisma, pool, cursors })
  const feature = createInvitations({ pool, cursors, accountStore, accounts, signIns, requireInvitations: signUp.requireInvitations, authority, mailedLinks, mail, audit, clock, transact })
  app.decorate('invitations', feature.invitations)
}, { name: 'invitations', dependencies: ['accounts', 'setup'] })

// app.federation, app.identities and app.identityProviders: signing in by other systems.
import fp from 'fastify-plugin'
import { createFederation, type FederationFeature } from '../../src/federation/index.js'
import { isProblem } from '../../src/kernel/errors.js'

declare module 'fastify' {
  interface FastifyInstance {
    federation: FederationFeature['federation']
    identities: FederationFeature['identities']
    identityProviders: FederationFeature['identityProviders']
  }
}

export default fp(async (app) => {
  const { prisma, cursors, secrets, clock, log, outbound, mail, audit, authority, sessions, accounts, signIns, signUp, setup, publicOrigin, database: { pool, transact } } = app

  async function maySignUp(always: boolean): Promise<boolean> {
    if (always) return setup.isDone()
    try {
      await signUp.requireOpen()
      return true
    } catch (error) {
      if (isProblem(error, 'signup.closed')) return false
      throw error
    }
  }

  const feature = createFederation({ prisma, pool, cursors, transact, clock, secrets, log, outbound, mail, audit, authority, sessions, accounts, signIns, maySignUp, publicOrigin })
  app.decorate('federation', feature.federation)
  app.decorate('identities', feature.identities)
  app.decorate('identityProviders', feature.identityProviders)
  app.operate(feature)
}, { name: 'federation', dependencies: ['outbound', 'accounts', 'setup'] })

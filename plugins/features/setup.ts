// app.setup: the first administrator; app.signUp: whether strangers may open accounts, which nobody may before the set-up.
import fp from 'fastify-plugin'
import { createSignUpPolicy, type SignUpPolicy } from '../../src/accounts/index.js'
import { createSetup, type SetupService } from '../../src/setup/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    setup: SetupService
    signUp: SignUpPolicy
  }
}

export default fp(async (app) => {
  const { config, prisma, secrets, clock, accounts, signIns, audit, database: { transact } } = app
  const { setup } = createSetup({ prisma, secrets, clock, accounts, signIns, audit, transact })
  app.decorate('setup', setup)
  app.decorate('signUp', createSignUpPolicy({ mode: config.signUp, isSetUp: setup.isDone }))
}, { name: 'setup', dependencies: ['accounts'] })

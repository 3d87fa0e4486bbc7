// app.signUps: opening an account of one's own. Who may is app.signUp.
import fp from 'fastify-plugin'
import { createAccountStore } from '../../src/accounts/index.js'
import { createSignUp, type SignUpService } from '../../src/sign-up/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    signUps: SignUpService
  }
}

export default fp(async (app) => {
  const { config, prisma, cursors, accounts, login, signIns, anonymous, ownEmail, queue, mailedLinks, mail, database: { pool, transact } } = app
  const feature = createSignUp({ config, store: createAccountStore({ prisma, pool, cursors }), accounts, login, signIns, anonymous, ownEmail, queue, mailedLinks, mail, transact })
  app.decorate('signUps', feature.signUps)
}, { name: 'sign-up', dependencies: ['accounts', 'anonymous', 'own-email'] })

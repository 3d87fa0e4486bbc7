// app.oauth: the OAuth server behind the routes below /oauth; app.ownGrants: what people have let applications do.
import fp from 'fastify-plugin'
import { createOAuth, type OAuthFeature } from '../../src/oauth/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    oauth: OAuthFeature['oauth']
    ownGrants: OAuthFeature['ownGrants']
  }
}

export default fp(async (app) => {
  const { config, prisma, clock, secrets, clientDirectory: directory, publicClientDirectory: publicDirectory, clientRegistration: registration, clientAuthentication: authentication, authorizer, tokens, accounts, audit, outbound, queue, publicOrigin: issuer, publishRevocations, database: { pool, transact } } = app
  const feature = createOAuth({ config, prisma, pool, clock, secrets, directory, publicDirectory, registration, authentication, authorizer, tokens, audit, outbound, queue, transact, issuer, publishRevocations, account: accounts.find })
  app.decorate('oauth', feature.oauth)
  app.decorate('ownGrants', feature.ownGrants)
  app.operate(feature)
}, { name: 'oauth', dependencies: ['clients', 'decisions', 'accounts', 'outbound', 'queue', 'jwt'] })

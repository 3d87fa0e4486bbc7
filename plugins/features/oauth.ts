// app.oauth: the OAuth server behind the routes below /oauth.
import fp from 'fastify-plugin'
import { createOAuth, type OAuthServer } from '../../src/oauth/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    oauth: OAuthServer
  }
}

export default fp(async (app) => {
  const { clock, clientDirectory: directory, clientAuthentication: authentication, authorizer, tokens, audit, publicOrigin: issuer, publishRevocations, database: { pool, transact } } = app
  const feature = createOAuth({ pool, clock, directory, authentication, authorizer, tokens, audit, transact, issuer, publishRevocations })
  app.decorate('oauth', feature.oauth)
  app.operate(feature)
}, { name: 'oauth', dependencies: ['clients', 'decisions', 'jwt'] })

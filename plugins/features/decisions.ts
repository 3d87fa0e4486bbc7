// app.authorizer: who is this, and may they proceed?
import fp from 'fastify-plugin'
import { type Authorizer, createDecisions, type DecisionCache } from '../../src/decisions/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    authorizer: Authorizer
    decisionCache: DecisionCache
  }
}

export default fp(async (app) => {
  const { config, clock, log, tokens, usageLedger, limitStore, knownRevocations, revocations, readSessionCookie, database: { pool } } = app
  const feature = createDecisions({
    pool, clock, log, tokens, config, userinfo: () => `${app.publicOrigin()}/oauth/userinfo`, known: knownRevocations, restore: revocations.restore, readCookie: readSessionCookie, limits: limitStore, usage: usageLedger,
  })
  app.decorate('authorizer', feature.authorizer)
  app.decorate('decisionCache', feature.decisionCache)
  app.operate(feature)
}, { name: 'decisions', dependencies: ['sessions', 'usage', 'limits'] })

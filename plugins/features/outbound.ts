// app.outbound: what this program asks of others.
import fp from 'fastify-plugin'
import { createOutbound, type Outbound } from '../../src/outbound/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    outbound: Outbound
  }
}

export default fp(async (app) => {
  const feature = createOutbound({ config: app.config })
  app.decorate('outbound', feature.outbound)
  app.operate(feature)
}, { name: 'outbound', dependencies: ['prisma', 'features'] })

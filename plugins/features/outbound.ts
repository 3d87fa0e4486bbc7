// app.outbound: what this program asks of others; app.outboundOfOrganizations: where an organization says so.
import fp from 'fastify-plugin'
import { createOutbound, type Outbound } from '../../src/outbound/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    outbound: Outbound
    outboundOfOrganizations: Outbound
  }
}

export default fp(async (app) => {
  const feature = createOutbound({ config: app.config })
  app.decorate('outbound', feature.outbound)
  app.decorate('outboundOfOrganizations', feature.outboundOfOrganizations)
  app.operate(feature)
}, { name: 'outbound', dependencies: ['prisma', 'features'] })

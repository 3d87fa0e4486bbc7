// app.gate and app.gateRules: what a forwarded request needs, and whether it has it.
import fp from 'fastify-plugin'
import { createGate, type GateRuleService, type GateService } from '../../src/gate/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    gate: GateService
    gateRules: GateRuleService
  }
}

export default fp(async (app) => {
  const { prisma, cursors, clock, audit, authority, publishRevocations, authorizer, limitStore, knownRevocations, database: { pool, transact } } = app
  const resourceMetadataUrl = (identifier: string): string => `${app.publicOrigin()}/oauth/protected-resource?resource=${encodeURIComponent(identifier)}`
  const { gate, gateRules } = createGate({ resourceMetadataUrl, prisma, pool, cursors, clock, audit, authority, transact, publishRevocations, authorizer, limits: limitStore, known: knownRevocations })
  app.decorate('gate', gate)
  app.decorate('gateRules', gateRules)
}, { name: 'gate', dependencies: ['decisions'] })

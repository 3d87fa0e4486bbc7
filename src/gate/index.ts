// The gate: what a gateway's forwarded request needs, by rules that are data, and whether its credential has it.
import type pg from 'pg'
import type { PrismaClient } from '../database/generated/client.js'
import type { Cursors } from '../kernel/page.js'
import type { Revocations } from '../revocation/index.js'
import { createGateRuleService, type GateRuleService, type GateRuleServiceDeps } from './gate-rule-service.js'
import { createGateRuleStore } from './gate-rule-store.js'
import { createGateService, type GateService, type GateServiceDeps } from './gate-service.js'
import { createRuleSource } from './gate-source.js'

export type { GateRuleService } from './gate-rule-service.js'
export type { GateService, GateVerdict } from './gate-service.js'
export { type Gateway, GATEWAYS, PROFILES } from './profiles.js'
export { reservedHeaderOf, upgradeOf } from './reserved-headers.js'

export interface GateNeeds extends Omit<GateRuleServiceDeps, 'store' | 'source'>, Omit<GateServiceDeps, 'source'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  known: Revocations
}

export function createGate({ prisma, pool, cursors, known, authorizer, limits, resourceMetadataUrl, ...deps }: GateNeeds): { gate: GateService; gateRules: GateRuleService } {
  const store = createGateRuleStore({ prisma, pool, cursors })
  const source = createRuleSource({ store, revocations: known })
  return {
    gate: createGateService({ source, authorizer, limits, resourceMetadataUrl }),
    gateRules: createGateRuleService({ ...deps, store, source }),
  }
}

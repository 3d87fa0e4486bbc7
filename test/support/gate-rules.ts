// Rules of forward-auth for tests that need no store.
import { compileGateTable, type GatePlan, type GateRule } from '../../src/gate/gate-rules.js'

let count = 0
export function rule(changes: Partial<GateRule> & { path: string }): GateRule {
  return { id: `rule-${String(count += 1).padStart(4, '0')}`, host: '*', methods: [], public: false, permissions: [], audience: null, scopes: [], limit: null, priority: 0, ...changes }
}

export const planOf = (rules: GateRule[], target: string, { method = 'GET', host = 'localhost' } = {}): GatePlan => compileGateTable(rules).plan(method, host, target)
export const needs = (plan: GatePlan): string => (plan.refused !== null ? plan.refused : plan.public ? 'public' : plan.permissions.join(' '))

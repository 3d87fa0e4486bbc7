// Why a request is let through or not, for whoever writes the rules: every way in which servers may read its target, the rule that
// holds for each, and for the other rules what keeps them from it. It decides nothing: that is done by the same table's plan. Pure.
import { type CompiledRule, coversHost, coversMethod, type GatePlan, type GateTable, holdingRules } from './gate-rules.js'
import { readTarget } from './normalise-uri.js'

export interface ExplainedReading {
  /** percent-decoded */
  path: string
  /** null: none, so the request is denied */
  ruleId: string | null
  /** rules that go before it and whose path some server takes this one for: their needs count, too */
  alsoIds: string[]
}

export interface ExplainedRule {
  id: string
  host: string
  path: string
  methods: string[]
  priority: number
  holds: boolean
  why: string
}

export interface GateExplanation {
  method: string
  host: string
  target: string
  outcome: 'refused' | 'no_rule' | 'public' | 'credential'
  /** why the target is refused */
  refused: string | null
  readings: ExplainedReading[]
  permissions: string[]
  audience: string | null
  scopes: string[]
  /** the first that hold, then those that came closest */
  rules: ExplainedRule[]
  /** rules that are not shown */
  more: number
}

const MOST_RULES = 100

interface Found {
  path: string
  holding: CompiledRule[]
}

/** How close a rule came: the smaller the closer. */
function reasonOf(one: CompiledRule, method: string, host: string, found: readonly Found[]): { rank: number; why: string } {
  const direct = found.filter(({ holding }) => holding.at(-1) === one).map(({ path }) => path)
  if (direct.length > 0) return { rank: 0, why: `holds for ${direct.join(', ')}` }
  const near = found.filter(({ holding }) => holding.includes(one)).map(({ path }) => path)
  if (near.length > 0) return { rank: 1, why: `goes first, and servers that do not tell letters apart take ${near.join(', ')} for its path` }
  const isHere = coversHost(one, host)
  const isFor = coversMethod(one, method)
  const matched = found.find(({ path }) => one.exact.test(path))
  if (isHere && isFor && matched) return { rank: 2, why: `rule ${matched.holding.at(-1)?.rule.id ?? ''} goes first: by priority, then host, path and methods, the more specific` }
  if (isHere && isFor) return { rank: matched ? 2 : 5, why: 'its path is another' }
  if (isHere) return { rank: matched ? 3 : 6, why: `it is for the methods ${one.rule.methods.join(', ')}` }
  return { rank: matched ? 4 : 7, why: `it is for the host ${one.rule.host}` }
}

function outcomeOf(plan: GatePlan): GateExplanation['outcome'] {
  if (plan.refused !== null) return plan.refused === 'gate.no_rule' ? 'no_rule' : 'refused'
  return plan.public ? 'public' : 'credential'
}

/** `host` normalised. Permissions are what a credential must cover in all, none where the request is denied or public. */
export function explainRules(table: GateTable, method: string, host: string, target: string): GateExplanation {
  const plan = table.plan(method, host, target)
  const read = readTarget(target, host)
  const here = table.rules.filter((one) => coversHost(one, host) && coversMethod(one, method))
  const found = 'refused' in read ? [] : read.readings.map((path): Found => ({ path, holding: holdingRules(here, path) }))
  const judged = table.rules.map((one) => ({ rule: one.rule, ...reasonOf(one, method, host, found) })).toSorted((a, b) => a.rank - b.rank)
  return {
    method, host, target, outcome: outcomeOf(plan), refused: 'refused' in read ? `The request target ${read.refused}` : null,
    readings: found.map(({ path, holding }) => ({ path, ruleId: holding.at(-1)?.rule.id ?? null, alsoIds: holding.slice(0, -1).map(({ rule }) => rule.id) })),
    permissions: plan.refused === null ? [...plan.permissions] : [],
    audience: plan.refused === null ? plan.audience : null, scopes: plan.refused === null ? [...plan.scopes] : [],
    rules: judged.slice(0, MOST_RULES).map(({ rule: { id, host: at, path, methods, priority }, rank, why }) => ({ id, host: at, path, methods, priority, holds: rank <= 1, why })),
    more: Math.max(0, judged.length - MOST_RULES),
  }
}

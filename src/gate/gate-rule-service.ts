// Gate rules as administrators see them: checked, versioned, audited, and told to every node once committed.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService, Held } from '../authority/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { holds } from '../kernel/permissions.js'
import type { GateRuleChange, GateRuleRow, GateRuleStore } from './gate-rule-store.js'
import { explainRules, type GateExplanation } from './explain-rules.js'
import { checkGateRule, type GateLimit, type GateRule } from './gate-rules.js'
import type { RuleSource } from './gate-source.js'
import { normaliseHost } from './normalise-uri.js'

export type GateRuleView = Omit<GateRule, 'limit'> & { limit: Required<GateLimit> | null; version: number; createdAt: string; updatedAt: string }

export interface GateRuleService {
  list: (query: ListQuery) => Promise<PageText>
  /** Throws gate_rule.not_found. */
  find: (id: string) => Promise<GateRuleView>
  /** What holds for a request to `url` and why; noted in the audit log, as every such read is. Throws request.invalid, and what the rules' reading throws. */
  explain: (caller: Caller, asked: { method: string; url: string }) => Promise<GateExplanation>
  /** Throws access.denied, request.invalid, gate_rule.taken (a rule for the same host, path and methods), permission.not_held (a limit). */
  create: (caller: Caller, input: GateRuleChange & { path: string }) => Promise<GateRuleView>
  /** Throws access.denied, gate_rule.not_found, gate_rule.taken, precondition.failed, permission.not_held, request.invalid. */
  update: (caller: Caller, id: string, expected: number | '*', change: GateRuleChange) => Promise<GateRuleView>
  /** Throws access.denied, gate_rule.not_found, precondition.failed, permission.not_held. */
  remove: (caller: Caller, id: string, expected: number | '*') => Promise<void>
}

export interface GateRuleServiceDeps {
  store: GateRuleStore
  source: RuleSource
  audit: AuditStore
  authority: Pick<AuthorityService, 'require'>
  transact: Transact
  /** Once the open transaction has committed: this node and the others learn that rules have changed. */
  publishRevocations: () => Promise<void>
  clock: Clock
}

// asked again at the commit: what a cached decision still allows must leave nothing that lasts
const WRITE = 'gatehouse:gate.write'
const WRITE_LIMITS = 'gatehouse:limits.write'
const PRESETS: Omit<GateRule, 'id' | 'path'> = { host: '*', methods: [], public: false, permissions: [], audience: null, scopes: [], limit: null, priority: 0 }

function viewOf(row: GateRuleRow): GateRuleView {
  return { ...row, limit: row.limit && { per: 'owner', ...row.limit }, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() }
}

/** The order of methods means nothing: kept sorted, so that the same set is the same rule. */
function sorted<C extends GateRuleChange>(change: C): C {
  return change.methods ? { ...change, methods: change.methods.toSorted() } : change
}

const URL_PARTS = /^https?:\/\/([^/?#]*)(.*)$/is

/** Host and target of a URL as a client would send them: not resolved, as URL parsers would. Throws request.invalid. */
function partsOf(url: string): { host: string; target: string } {
  const [, authority = '', rest = ''] = URL_PARTS.exec(url) ?? []
  const host = normaliseHost(authority)
  if (host === null) throw problem('request.invalid', { errors: [{ path: '/url', message: 'must be http:// or https:// with a host name' }] })
  return { host, target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** For the audit log: what was asked without its query, which may hold a secret. */
const shown = (target: string): string => (target.split('?', 1)[0] ?? '').replace(/[^!-~]/g, '?').slice(0, 300)

/** A limit is set, raised, moved and removed by who may write limits: so are the rules that carry one. Throws permission.not_held. */
function refuseLimits({ permissions }: Held, rules: readonly GateRule[]): void {
  if (!rules.some(({ limit }) => limit) || holds(permissions, WRITE_LIMITS)) return
  throw problem('permission.not_held', { detail: `A rule with a limit is changed by who holds ${WRITE_LIMITS}` })
}

export function createGateRuleService({ store, source, audit, authority, transact, publishRevocations, clock }: GateRuleServiceDeps): GateRuleService {
  const record = (tx: Parameters<AuditStore['record']>[0], caller: Caller, verb: string, rule: GateRule): Promise<void> => audit.record(tx, caller, {
    action: `gate_rule.${verb}`, targetType: 'gate_rule', targetId: rule.id,
    details: { host: rule.host, path: rule.path, methods: rule.methods, public: rule.public, permissions: rule.permissions, ...(rule.audience === null ? {} : { audience: rule.audience, scopes: rule.scopes }), ...(rule.limit ? { limit: JSON.stringify(rule.limit) } : {}) },
  })

  return {
    list: (query) => store.list(query),
    async find(id) {
      const row = await store.find(id)
      if (!row) throw problem('gate_rule.not_found')
      return viewOf(row)
    },
    async explain(caller, { method, url }) {
      const { host, target } = partsOf(url)
      const explained = explainRules(source.current() ?? await source.load(), method, host, target)
      const details = { method, host, target: shown(target), outcome: explained.outcome }
      await transact((tx) => audit.record(tx, caller, { action: 'gate_rule.explained', targetType: 'gate_rule', targetId: '-', details }))
      return explained
    },
    async create(caller, input) {
      const rule = sorted({ ...PRESETS, ...input, id: newId() })
      checkGateRule(rule)
      const row = await transact(async (tx) => {
        refuseLimits(await authority.require(tx, caller, WRITE), [rule])
        const inserted = await store.insert(tx, rule, new Date(clock.now()))
        await record(tx, caller, 'created', inserted)
        return inserted
      })
      await publishRevocations()
      return viewOf(row)
    },
    async update(caller, id, expected, change) {
      const row = await transact(async (tx) => {
        const held = await authority.require(tx, caller, WRITE)
        const known = await store.lock(tx, id)
        if (!known) throw problem('gate_rule.not_found')
        if (expected !== '*' && expected !== known.version) throw problem('precondition.failed')
        checkGateRule({ ...known, ...change })
        refuseLimits(held, [known, { ...known, ...change }])
        const updated = await store.update(tx, id, known.version, sorted(change), new Date(clock.now()))
        if (!updated) throw problem('precondition.failed')
        await record(tx, caller, 'updated', updated)
        return updated
      })
      await publishRevocations()
      return viewOf(row)
    },
    async remove(caller, id, expected) {
      await transact(async (tx) => {
        const held = await authority.require(tx, caller, WRITE)
        const known = await store.lock(tx, id)
        if (!known) throw problem('gate_rule.not_found')
        refuseLimits(held, [known])
        if (!(await store.remove(tx, id, expected === '*' ? null : expected))) throw problem('precondition.failed')
        await record(tx, caller, 'deleted', known)
      })
      await publishRevocations()
    },
  }
}

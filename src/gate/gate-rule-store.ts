// The rows of gate rules. Every change is one conditional write whose result tells whether it happened.
import type pg from 'pg'
import type { GateRule as Stored, PrismaClient } from '../database/generated/client.js'
import { isUniqueViolation } from '../database/failures.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { GateRule, LimitPer } from './gate-rules.js'

export type GateRuleRow = GateRule & { version: number; createdAt: Date; updatedAt: Date }
export type GateRuleChange = Partial<Omit<GateRule, 'id'>>

/** All rules of one snapshot, and the last revocation that it held. */
export interface GateRuleSnapshot {
  asOf: number
  rules: GateRule[]
}

export interface GateRuleStore {
  list: (query: ListQuery) => Promise<PageText>
  find: (id: string) => Promise<GateRuleRow | null>
  /** Reads a rule and keeps others from changing it until the transaction ends. */
  lock: (tx: Tx, id: string) => Promise<GateRuleRow | null>
  /** Throws gate_rule.taken. */
  insert: (tx: Tx, rule: GateRule, now: Date) => Promise<GateRuleRow>
  /** Changes a rule of that version, or nothing. Throws gate_rule.taken. */
  update: (tx: Tx, id: string, version: number, change: GateRuleChange, now: Date) => Promise<GateRuleRow | null>
  /** Deletes the rule (of that version, if given). False: there is none such. */
  remove: (tx: Tx, id: string, version: number | null) => Promise<boolean>
  snapshot: () => Promise<GateRuleSnapshot>
}

const LIST = createList({
  name: 'gate-rules',
  table: 'gate_rules',
  fields: {
    id: { sql: 'id', as: 'word' },
    host: { sql: 'host', as: 'value' },
    path: { sql: 'path', as: 'value' },
    methods: { sql: 'methods', as: 'value' },
    public: { sql: 'is_public::text', as: 'plain' },
    permissions: { sql: 'permissions', as: 'value' },
    audience: { sql: 'audience', as: 'value' },
    scopes: { sql: 'scopes', as: 'value' },
    limit: {
      sql: `CASE WHEN limit_quota IS NOT NULL AND limit_window_seconds IS NOT NULL
        THEN json_build_object('quota', limit_quota, 'windowSeconds', limit_window_seconds, 'per', limit_per) END`,
      as: 'json',
    },
    priority: { sql: 'priority', as: 'plain' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { host: (p) => `host = ${p}`, path: (p) => `path = ${p}` },
  defaultSort: '-createdAt',
})

const SNAPSHOT = `
  SELECT h.seq::float8 AS "asOf", r.id, r.host, r.path, r.methods, r.is_public AS "isPublic", r.permissions, r.audience, r.scopes, r.limit_quota AS "limitQuota",
         r.limit_window_seconds AS "limitWindowSeconds", r.limit_per AS "limitPer", r.priority
  FROM revocation_head h LEFT JOIN gate_rules r ON true
  WHERE h.id = 1`

type Columns = Omit<Stored, 'version' | 'createdAt' | 'updatedAt'>
/** without any rule there is one row of nothing but the number */
type SnapshotRow = { asOf: number } & (Columns | { id: null })

function ruleOf({ id, host, path, methods, isPublic, permissions, audience, scopes, limitQuota, limitWindowSeconds, limitPer, priority }: Columns): GateRule {
  const limit = limitQuota === null || limitWindowSeconds === null ? null : { quota: limitQuota, windowSeconds: limitWindowSeconds, per: limitPer as LimitPer }
  return { id, host, path, methods, public: isPublic, permissions, audience, scopes, limit, priority }
}

function rowOf(stored: Stored): GateRuleRow {
  return { ...ruleOf(stored), version: stored.version, createdAt: stored.createdAt, updatedAt: stored.updatedAt }
}

function columnsOf<C extends GateRuleChange>({ public: isPublic, limit, ...rest }: C) {
  return {
    ...rest, ...(isPublic === undefined ? {} : { isPublic }),
    ...(limit === undefined ? {} : { limitQuota: limit?.quota ?? null, limitWindowSeconds: limit?.windowSeconds ?? null, limitPer: limit?.per ?? 'owner' }),
  }
}

async function orTaken<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw isUniqueViolation(error, 'host_path_methods') ? problem('gate_rule.taken', { cause: error }) : error
  }
}

async function findBy(client: Tx, id: string): Promise<GateRuleRow | null> {
  const row = await client.gateRule.findUnique({ where: { id } })
  return row && rowOf(row)
}

export function createGateRuleStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): GateRuleStore {
  return {
    list: (query) => LIST(pool, cursors, query),
    find: (id) => findBy(prisma, id),
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM gate_rules WHERE id = ${id}::uuid FOR UPDATE`
      return findBy(tx, id)
    },
    insert: (tx, { id, host, path, methods, permissions, audience, scopes, priority, ...rest }, now) => orTaken(async () => rowOf(await tx.gateRule.create({
      data: {
        id, host, path, methods, permissions, audience, scopes, priority, isPublic: rest.public, limitQuota: rest.limit?.quota ?? null,
        limitWindowSeconds: rest.limit?.windowSeconds ?? null, limitPer: rest.limit?.per ?? 'owner', createdAt: now, updatedAt: now,
      },
    }))),
    update: (tx, id, version, change, now) => orTaken(async () => {
      const [row] = await tx.gateRule.updateManyAndReturn({ where: { id, version }, data: { ...columnsOf(change), version: { increment: 1 }, updatedAt: now } })
      return row ? rowOf(row) : null
    }),
    async remove(tx, id, version) {
      const { count } = await tx.gateRule.deleteMany({ where: { id, ...(version === null ? {} : { version }) } })
      return count === 1
    },
    async snapshot() {
      const { rows } = await pool.query<SnapshotRow>({ name: 'gate-rules', text: SNAPSHOT })
      const [first] = rows
      if (!first) throw new Error('revocation_head has no row')
      return { asOf: first.asOf, rules: rows.flatMap((row) => (row.id === null ? [] : [ruleOf(row)])) }
    },
  }
}

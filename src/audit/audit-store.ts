// The audit log's rows. `record` wants the transaction of the change: no change without its row, no row without its change.
// Refusals are no changes: they are folded (refusal-folds.ts), and what is counted but not written yet is written before a list is read.
import type pg from 'pg'
import { isProblem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { Clock } from '../kernel/clock.js'
import type { Caller } from '../kernel/principal.js'
import { Prisma } from '../database/generated/client.js'
import type { Along, Tx } from '../database/transaction.js'
import { createList } from '../database/list.js'
import { createRefusalFolds, foldedEntry, isFolded, REFUSALS, type RefusalFolds } from './refusal-folds.js'

/** What happened: `noun.verb`. Details never hold a secret, a password, or text typed into a password's field. */
export interface AuditEntry {
  action: string
  targetType: string
  targetId: string
  details?: Record<string, string | number | boolean | null | string[]>
  /** who acted, when the request carried no credential yet (a login names its user here) */
  actorUserId?: string
  /** of a refusal: what it is folded by instead of the target; never written */
  about?: string
}

export type AuditRow = {
  id: string
  at: Date
  actorType: string
  actorId: string
  credential: string
  action: string
  targetType: string
  targetId: string
  address: string
  requestId: string
  details: Record<string, unknown>
}

export interface AuditStore {
  record: (tx: Tx, caller: Caller, entry: AuditEntry) => Promise<void>
  /** `record`, in the very statement of the change. One to a statement, and no refusal, for those are folded. */
  along: (caller: Caller, entry: AuditEntry) => Along
  /** Notes a refusal, of which there may be many: the first of its kind is written at once, the others are counted. */
  refused: (caller: Caller, entry: AuditEntry) => Promise<void>
  /** Runs `work` around its transaction: when it is refused for want of a right, that leaves a row of its own, which outlives what was rolled back. */
  recordingRefusal: <T>(caller: Caller, target: { targetType: string; targetId: string }, work: () => Promise<T>) => Promise<T>
  /** Writes what was counted in the minutes that are over, or with `all` until now. What cannot be written is counted again, and the error thrown. */
  writeCounted: (all?: boolean) => Promise<void>
  /** Deletes at most `most` refusals that are older than `before`; how many. */
  deleteRefusals: (before: Date, most: number) => Promise<number>
  /** `record` for many, in one statement; no refusals. */
  recordAll: (tx: Tx, caller: Caller, entries: readonly Omit<AuditEntry, 'actorUserId' | 'about'>[]) => Promise<void>
  list: (query: ListQuery) => Promise<PageText>
}

const WANT_OF_RIGHT = ['access.denied', 'permission.not_held', 'admin.last'] as const

const LIST = createList({
  name: 'audit',
  table: 'audit_events',
  fields: {
    id: { sql: 'id', as: 'word' },
    at: { sql: 'at', as: 'time' },
    actorType: { sql: 'actor_type', as: 'value' },
    actorId: { sql: 'actor_id', as: 'value' },
    credential: { sql: 'credential', as: 'value' },
    action: { sql: 'action', as: 'value' },
    targetType: { sql: 'target_type', as: 'value' },
    targetId: { sql: 'target_id', as: 'value' },
    address: { sql: 'address', as: 'value' },
    requestId: { sql: 'request_id', as: 'value' },
    details: { sql: 'details', as: 'json' },
  },
  sortable: { at: { column: 'at', type: 'timestamptz' } },
  filters: {
    actorId: (p) => `actor_id = ${p}`,
    action: (p) => `action = ${p}`,
    targetType: (p) => `target_type = ${p}`,
    targetId: (p) => `target_id = ${p}`,
    'at[gte]': (p) => `at >= ${p}::timestamptz`,
    'at[lte]': (p) => `at <= ${p}::timestamptz`,
  },
  defaultSort: '-at',
})

function credentialOf({ principal, host }: Caller): string {
  if (!principal) return host === true ? 'host' : 'none'
  return `${principal.authenticatedBy}:${principal.keyId ?? principal.sessionId ?? ''}`
}

export interface AuditStoreDependencies {
  pool: pg.Pool
  cursors: Cursors
  clock: Clock
  folds?: RefusalFolds
}

export function createAuditStore({ pool, cursors, clock, folds = createRefusalFolds({ clock }) }: AuditStoreDependencies): AuditStore {
  function rowOf(caller: Caller, { action, targetType, targetId, details = {}, actorUserId }: AuditEntry) {
    const { act } = caller.principal ?? {}
    // who acts for another is named first, and for whom they act with it
    const actorId = act?.sub ?? caller.principal?.id ?? actorUserId
    const nobody = caller.host === true ? 'host' : 'anonymous'
    return {
      id: newId(), at: new Date(clock.now()), actorType: caller.principal?.type ?? (actorId === undefined ? nobody : 'user'), actorId: actorId ?? '',
      credential: credentialOf(caller), action, targetType, targetId, address: caller.address, requestId: caller.requestId, details: act ? { ...details, actingFor: caller.principal?.id ?? '' } : details,
    }
  }

  async function insert(caller: Caller, entry: AuditEntry): Promise<void> {
    const row = rowOf(caller, entry)
    await pool.query({
      name: 'audit-refusal',
      text: `INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      values: [row.id, row.at, row.actorType, row.actorId, row.credential, row.action, row.targetType, row.targetId, row.address, row.requestId, JSON.stringify(row.details)],
    })
  }

  const store: AuditStore = {
    along(caller, entry) {
      const row = rowOf(caller, entry)
      return (when) => ({
        audited: Prisma.sql`
          INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
          SELECT ${row.id}::uuid, ${row.at}::timestamptz, ${row.actorType}, ${row.actorId}, ${row.credential}, ${row.action}, ${row.targetType}, ${row.targetId}, ${row.address},
            ${row.requestId}, ${JSON.stringify(row.details)}::jsonb WHERE EXISTS (SELECT FROM ${when})`,
      })
    },
    async record(tx, caller, entry) {
      if (isFolded(entry.action) && !folds.isFirst(caller, entry)) return
      await tx.auditEvent.create({ data: rowOf(caller, entry) })
    },
    async recordAll(tx, caller, entries) {
      if (entries.length === 0) return
      const { act } = caller.principal ?? {}
      const [{ at, actorType, actorId, credential, address, requestId }, rows] = [rowOf(caller, { action: '', targetType: '', targetId: '' }), entries.map((entry) => ({
        i: newId(), a: entry.action, y: entry.targetType, t: entry.targetId, d: act ? { ...entry.details, actingFor: caller.principal?.id ?? '' } : entry.details ?? {},
      }))]
      // one parameter, however many they are, and what is the same in all of them once: a bulk import writes them by the hundred
      await tx.$executeRaw`
        INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
        SELECT i, ${at}, ${actorType}, ${actorId}, ${credential}, a, y, t, ${address}, ${requestId}, d
        FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS e(i uuid, a text, y text, t text, d jsonb)`
    },
    async refused(caller, entry) {
      if (isFolded(entry.action) && !folds.isFirst(caller, entry)) return
      try {
        await insert(caller, entry)
      } catch (error) {
        folds.isFirst(caller, entry) // not written: counted instead, and written with the rest
        throw error
      }
    },
    async recordingRefusal(caller, target, work) {
      try {
        return await work()
      } catch (error) {
        if (isProblem(error, ...WANT_OF_RIGHT)) await store.refused(caller, { action: 'access.denied', ...target, details: { code: error.code } })
        throw error
      }
    },
    async writeCounted(all) {
      const taken = folds.take(all)
      const written = await Promise.allSettled(taken.map(async (folded) => insert(folded.caller, foldedEntry(folded))))
      const failed = written.flatMap((one, at) => (one.status === 'rejected' ? [{ reason: one.reason as unknown, folded: taken[at] }] : []))
      for (const { folded } of failed) if (folded) folds.giveBack(folded)
      if (failed[0]) throw failed[0].reason
    },
    async deleteRefusals(before, most) {
      // what the trigger keeps is not asked for, however far ahead this node's clock is
      const { rowCount } = await pool.query({
        text: "DELETE FROM audit_events WHERE id = ANY(ARRAY(SELECT id FROM audit_events WHERE action = ANY($1) AND at < $2 AND at < now() - interval '1 day' ORDER BY at LIMIT $3))",
        values: [REFUSALS, before, most],
      })
      return rowCount ?? 0
    },
    async list(query) {
      await store.writeCounted(true)
      return LIST(pool, cursors, query)
    },
  }
  return store
}

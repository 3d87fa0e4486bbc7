// The audit log's rows. `record` wants the transaction of the change: no change without its row, no row without its change.
// Refusals are no changes: they are folded (refusal-folds.ts), and what is counted but not written yet is written before a list is read.
import type pg from 'pg'
import { newId } from '../kernel/ids.js'
import type { Cursors, ListQuery, Page } from '../kernel/page.js'
import type { Clock } from '../kernel/clock.js'
import type { Caller } from '../access/principal.js'
import type { Tx } from '../database/transaction.js'
import { type ListSpec, readPage } from '../database/list.js'
import { createRefusalFolds, foldedEntry, isFolded, REFUSALS, type RefusalFolds } from './refusal-folds.js'

/** What happened: `noun.verb`. Details never hold a secret, a password, or text typed into a password's field. */
export interface AuditEntry {
  action: string
  targetType: string
  targetId: string
  details?: Record<string, string | number | boolean | null | string[]>
  /** who acted, when the request carried no credential yet (a login names its user here) */
  actorUserId?: string
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
  /** Notes a refusal, of which there may be many: the first of its kind is written at once, the others are counted. */
  refused: (caller: Caller, entry: AuditEntry) => Promise<void>
  /** Writes what was counted in the minutes that are over, or with `all` until now. What cannot be written is counted again, and the error thrown. */
  writeCounted: (all?: boolean) => Promise<void>
  /** Deletes at most `most` refusals that are older than `before`; how many. */
  deleteRefusals: (before: Date, most: number) => Promise<number>
  /** `record` for many, in one statement. */
  recordAll: (tx: Tx, caller: Caller, entries: readonly AuditEntry[]) => Promise<void>
  list: (query: ListQuery) => Promise<Page<AuditRow>>
}

const LIST: ListSpec = {
  name: 'audit',
  table: 'audit_events',
  columns: {
    id: 'id', at: 'at', actorType: 'actor_type', actorId: 'actor_id', credential: 'credential', action: 'action', targetType: 'target_type',
    targetId: 'target_id', address: 'address', requestId: 'request_id', details: 'details',
  },
  sortable: { at: 'timestamptz' },
  filters: {
    actorId: (p) => `actor_id = ${p}`,
    action: (p) => `action = ${p}`,
    targetType: (p) => `target_type = ${p}`,
    targetId: (p) => `target_id = ${p}`,
    'at[gte]': (p) => `at >= ${p}::timestamptz`,
    'at[lte]': (p) => `at <= ${p}::timestamptz`,
  },
  defaultSort: '-at',
}

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
    const actorId = caller.principal?.id ?? actorUserId
    const nobody = caller.host === true ? 'host' : 'anonymous'
    return {
      id: newId(), at: new Date(clock.now()), actorType: caller.principal?.type ?? (actorId === undefined ? nobody : 'user'), actorId: actorId ?? '',
      credential: credentialOf(caller), action, targetType, targetId, address: caller.address, requestId: caller.requestId, details,
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
    async record(tx, caller, entry) {
      if (isFolded(entry.action) && !folds.isFirst(caller, entry)) return
      await tx.auditEvent.create({ data: rowOf(caller, entry) })
    },
    async recordAll(tx, caller, entries) {
      if (entries.length > 0) await tx.auditEvent.createMany({ data: entries.map((entry) => rowOf(caller, entry)) })
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
      return readPage<AuditRow>(pool, cursors, LIST, query)
    },
  }
  return store
}

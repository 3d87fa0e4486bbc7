// The audit log's rows. `record` wants the transaction of the change: no change without its row, no row without its change.
import type pg from 'pg'
import { newId } from '../kernel/ids.js'
import type { Cursors, ListQuery, Page } from '../kernel/page.js'
import type { Clock } from '../kernel/clock.js'
import type { Caller } from '../access/principal.js'
import type { Tx } from '../database/transaction.js'
import { type ListSpec, readPage } from '../database/list.js'

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

function credentialOf({ principal }: Caller): string {
  if (!principal) return 'none'
  return `${principal.authenticatedBy}:${principal.keyId ?? principal.sessionId ?? ''}`
}

export function createAuditStore({ pool, cursors, clock }: { pool: pg.Pool; cursors: Cursors; clock: Clock }): AuditStore {
  return {
    async record(tx, caller, { action, targetType, targetId, details = {}, actorUserId }) {
      const actorId = caller.principal?.id ?? actorUserId
      await tx.auditEvent.create({
        data: {
          id: newId(), at: new Date(clock.now()), actorType: caller.principal?.type ?? (actorId === undefined ? 'anonymous' : 'user'), actorId: actorId ?? '',
          credential: credentialOf(caller), action, targetType, targetId, address: caller.address, requestId: caller.requestId, details,
        },
      })
    },
    list: (query) => readPage<AuditRow>(pool, cursors, LIST, query),
  }
}

// The audit log as one organization sees it (prisma/migrations/*_organization_audit): by the index on the organization, however long the whole log is.
import type pg from 'pg'
import { createList } from '../database/list.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

export interface OrganizationLogStore {
  list: (organizationId: string, query: ListQuery) => Promise<PageText>
}

const LIST = createList({
  name: 'organization-audit',
  table: 'organization_audit_log',
  fields: {
    id: { sql: 'id', as: 'word' },
    at: { sql: 'at', as: 'time' },
    actorType: { sql: 'actor_type', as: 'value' },
    actorId: { sql: 'actor_id', as: 'value' },
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
    targetId: (p) => `target_id = ${p}`,
    'at[gte]': (p) => `at >= ${p}::timestamptz`,
    'at[lte]': (p) => `at <= ${p}::timestamptz`,
  },
  defaultSort: '-at',
})

export function createOrganizationLogStore({ pool, cursors }: { pool: pg.Pool; cursors: Cursors }): OrganizationLogStore {
  return { list: (organizationId, query) => LIST(pool, cursors, query, { scope: { sql: (p) => `organization_id = ${p}::uuid`, value: organizationId } }) }
}

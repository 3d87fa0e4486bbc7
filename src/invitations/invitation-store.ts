// Invitations at rest: mailed links of their kind that can still be used. They are made and used up by src/mailed-links.
import type pg from 'pg'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

export interface GivenInvitation {
  id: string
  details: unknown
  givenBy: string | null
}

export interface InvitationStore {
  list: (query: ListQuery, now: Date) => Promise<PageText>
  /** One that can still be used, locked; null when there is none. */
  lock: (tx: Tx, id: string, now: Date) => Promise<GivenInvitation | null>
}

// a literal, for the indexes that hold no other rows
const KIND = "kind = 'invitation'"
const LIVE = 'used_at IS NULL AND expires_at > <now>::timestamptz'

const LIST = createList({
  name: 'invitations',
  table: 'mailed_links',
  fields: {
    id: { sql: 'id', as: 'word' },
    email: { sql: 'email', as: 'value' },
    roles: { sql: "ARRAY(SELECT role ->> 'name' FROM jsonb_array_elements(details -> 'roles') AS role)", as: 'value' },
    givenBy: { sql: 'given_by', as: 'word' },
    givenWithKey: { sql: 'given_with_key', as: 'word' },
    createdAt: { sql: 'created_at', as: 'time' },
    expiresAt: { sql: 'expires_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { givenBy: (p) => `given_by = ${p}::uuid`, email: (p) => `email = ${p}` },
  defaultSort: '-createdAt',
})

export function createInvitationStore({ pool, cursors }: { pool: pg.Pool; cursors: Cursors }): InvitationStore {
  return {
    list: (query, now) => LIST(pool, cursors, query, { scope: { sql: (p) => `${KIND} AND ${p}::text = 'live' AND ${LIVE}`, value: 'live' }, given: { now: now.toISOString() } }),
    async lock(tx, id, now) {
      const [row] = await tx.$queryRaw<GivenInvitation[]>`
        SELECT id, details, given_by AS "givenBy" FROM mailed_links WHERE id = ${id}::uuid AND kind = 'invitation' AND used_at IS NULL AND expires_at > ${now} FOR UPDATE`
      return row ?? null
    },
  }
}

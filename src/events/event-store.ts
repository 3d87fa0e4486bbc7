// Events at rest: numbered after their commit (prisma/migrations/*_events says how), read by their numbers.
import type pg from 'pg'
import { prepared } from '../database/prepared.js'
import type { EventRow, PlacedRow } from './event-rules.js'

/** The last number that was given, and whose it is. */
export interface Head {
  position: number
  id: string
}

export interface EventPage {
  rows: PlacedRow[]
  /** all up to here has been looked at */
  end: number
}

export interface EventSelection {
  /** null: of every type */
  types: readonly string[] | null
  subject: string | null
  /** only what is about an organization, or a key or client of it */
  organizationId?: string
}

export interface EventStore {
  /** Numbers at most `most` events that have committed; nothing where another node is about it. The head afterwards, and how many it were. */
  number: (most: number) => Promise<Head & { numbered: number }>
  head: () => Promise<Head>
  /** The id of the event at a position; null: it is not kept any more, or was never given. */
  idAt: (position: number) => Promise<string | null>
  /** An event by its id, of an organization's where that is said; null: there is none, or it is not kept any more. */
  byId: (id: string, organizationId?: string) => Promise<EventRow | null>
  /** The place before the first event that is kept. */
  beginning: () => Promise<number>
  /** The first that are selected after a position, at most `most` of them, out of the next 5,000 and none beyond `head`. */
  page: (after: number, head: number, selection: EventSelection, most: number) => Promise<EventPage>
  /** The last position of what happened before a time. */
  positionBefore: (time: Date) => Promise<number>
}

// what one statement looks through for events that are rare
const WINDOW = 5_000
const COLUMNS = 'position, id, at, type, subject_type AS "subjectType", subject_id AS "subjectId", actor_type AS "actorType", actor_id AS "actorId", request_id AS "requestId", details'

// what is about an organization is what its log has (src/organization-log)
const ofOrganization = (p: string): string => `EXISTS (SELECT FROM organization_audit a WHERE a.organization_id = ${p} AND a.at = events.at AND a.id = events.id)`

type StoredRow = Omit<EventRow, 'position'> & { position: string }

export function createEventStore({ pool }: { pool: pg.Pool }): EventStore {
  const store: EventStore = {
    async number(most) {
      const { rows: [row] } = await pool.query<{ head: string; headId: string; numbered: number }>(prepared('events-number', 'SELECT head, head_id AS "headId", numbered FROM number_events($1)', [most]))
      return { position: Number(row?.head ?? 0), id: row?.headId ?? '', numbered: row?.numbered ?? 0 }
    },
    async head() {
      const { rows: [row] } = await pool.query<{ position: string; id: string }>('SELECT position, last_id AS id FROM event_head')
      return { position: Number(row?.position ?? 0), id: row?.id ?? '' }
    },
    async idAt(position) {
      const { rows: [row] } = await pool.query<{ id: string }>('SELECT id FROM events WHERE position = $1', [position])
      return row?.id ?? null
    },
    async byId(id, organizationId) {
      const { rows: [row] } = await pool.query<StoredRow>(`SELECT ${COLUMNS} FROM events WHERE id = $1 AND ($2::uuid IS NULL OR ${ofOrganization('$2')}) LIMIT 1`, [id, organizationId ?? null])
      return row ? { ...row, position: Number(row.position) } : null
    },
    async beginning() {
      const { rows: [row] } = await pool.query<{ position: string | null }>('SELECT min(position) - 1 AS position FROM events')
      return row?.position == null ? (await store.head()).position : Number(row.position)
    },
    async page(after, head, { types, subject, organizationId = null }, most) {
      const until = Math.min(after + WINDOW, head)
      const { rows } = await pool.query<StoredRow & Pick<PlacedRow, 'organizationId'>>(prepared('events-page', `
        SELECT ${COLUMNS}, (SELECT a.organization_id::text FROM organization_audit a WHERE a.id = events.id LIMIT 1) AS "organizationId"
        FROM events WHERE position > $1 AND position <= $2 AND ($3::text[] IS NULL OR type = ANY ($3)) AND ($4::text IS NULL OR subject_id = $4)
          AND ($6::uuid IS NULL OR ${ofOrganization('$6')})
        ORDER BY position LIMIT $5`, [after, until, types, subject, most, organizationId]))
      const found = rows.map((row) => ({ ...row, position: Number(row.position) }))
      return { rows: found, end: found.length < most ? Math.max(until, after) : found.at(-1)?.position ?? after }
    },
    async positionBefore(time) {
      // by the index on the time; what is told later than it happened, by a slow commit or another clock, is taken in rather than left out
      const { rows: [row] } = await pool.query<{ position: string | null }>(
        'SELECT min(position) - 1 AS position FROM (SELECT position FROM events WHERE at >= $1 ORDER BY at LIMIT 1000) AS first', [time])
      if (row?.position != null) return Number(row.position)
      return (await store.head()).position
    },
  }
  return store
}

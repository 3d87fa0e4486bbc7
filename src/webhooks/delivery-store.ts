// What is told to endpoints, at rest: who is about it (a claim that ends by itself, so that a node that was killed delays and loses nothing), how far
// they are, and what was not taken. How a batch ended is one statement, and counts only under the claim.
import type pg from 'pg'
import { prepared } from '../database/prepared.js'
import type { Tx } from '../database/transaction.js'
import type { EventRow } from '../events/index.js'
import { MOST_WAITING } from './webhook-rules.js'

export interface ClaimedEndpoint {
  id: string
  claim: string
  /** null: the operator's */
  organizationId: string | null
  url: string
  types: string[]
  secretCiphertext: Buffer
  previousCiphertext: Buffer | null
  previousUntil: Date | null
  givenBy: string
  givenViaKey: string | null
  position: number
  replayPosition: number | null
  replayUntil: number | null
  failingSince: Date | null
}

export interface WaitingDelivery {
  id: string
  event: EventRow
  attempts: number
  firstFailedAt: Date
}

export interface Waiting {
  due: WaitingDelivery[]
  /** how many wait in all, at most the number that was asked for */
  count: number
  /** when the next of them is due */
  nextAt: Date | null
}

/** How a batch ended. */
export interface Settlement {
  position?: number
  /** null: the replay is over */
  replayPosition?: number | null
  taken: readonly string[]
  failed: readonly { event: EventRow; deliveryId: string; nextAt: Date; error: string }[]
  again: readonly { id: string; nextAt: Date; error: string; deadAt: Date | null }[]
  /** of waiting ones: whoever gave the endpoint may not see them any more */
  dropped: readonly string[]
  error: string | null
  now: Date
  until: Date
}

/** How many endpoints are told at a time. */
export interface Places {
  working: number
  failing: number
}

export interface DeliveryStore {
  /** Takes endpoints that there is something to tell: of the operator's and of organizations' at most so many that work and so many that fail, `each` of one organization and none of those that are `full`. */
  claim: (head: number, now: Date, until: Date, most: { operators: Places; organizations: Places & { each: number; full: readonly string[] } }) => Promise<ClaimedEndpoint[]>
  /** May an organization be told anything now? */
  isActive: (organizationId: string) => Promise<boolean>
  waiting: (endpointId: string, now: Date, most: { due: number; count: number }) => Promise<Waiting>
  /** False: the claim is another's, or the endpoint was changed. Otherwise since when it has been failing. */
  settle: (endpoint: ClaimedEndpoint, settlement: Settlement) => Promise<{ failingSince: Date | null } | false>
  release: (endpoint: ClaimedEndpoint, waitsUntil: Date | null, error?: string) => Promise<void>
  /** Puts one event before an endpoint whose row is locked, now; whether or not it was told before. False: as many as may wait do so already, and it is none of them. */
  enqueue: (tx: Tx, endpointId: string, deliveryId: string, event: EventRow, now: Date) => Promise<boolean>
}

// an endpoint whose kinds of events are rare is moved on when so many others have passed
const PASSED = 500
// of one organization there may be none among many: it is looked for where they are, and not among all others'
const PASSED_OF_ORGANIZATION = 5_000
const FREE = `e.enabled AND (e.claimed_until IS NULL OR e.claimed_until <= $2) AND (e.waits_until IS NULL OR e.waits_until <= $2)`
const WAITING = `e.replay_position < e.replay_until OR EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.next_at <= $2 AND d.dead_at IS NULL)`
const NEW = `v.position > e.position AND v.position <= $1 AND (e.types = '{}' OR EXISTS (SELECT FROM unnest(e.types) w WHERE v.type LIKE replace(w, '*', '%')))`
const OF_OPERATORS = `e.organization_id IS NULL AND ${FREE} AND (e.position < $1 - ${PASSED} OR ${WAITING} OR EXISTS (SELECT FROM events v WHERE ${NEW}))`
// an hour: what is numbered later than it happened. Where that is more, it is found with what has passed
const OF_ORGANIZATIONS = `e.organization_id IS NOT NULL AND ${FREE} AND EXISTS (SELECT FROM organizations o WHERE o.id = e.organization_id AND o.status = 'active')
  AND (e.position < $1 - ${PASSED_OF_ORGANIZATION} OR ${WAITING} OR (e.position < $1 AND EXISTS (
    SELECT FROM organization_audit a JOIN events v ON v.id = a.id AND v.at = a.at
    WHERE a.organization_id = e.organization_id AND a.at >= coalesce((SELECT p.at FROM events p WHERE p.position = e.position), '-infinity') - interval '1 hour' AND ${NEW})))`
// those of one organization that have waited the longest, and none of one that has as many places as it may
const inTurn = (state: string, each: string, full: string): string => `${FREE} AND e.id IN (
  SELECT e.id FROM (SELECT e.id, row_number() OVER (PARTITION BY e.organization_id ORDER BY e.waits_until NULLS FIRST, e.id) AS n FROM webhook_endpoints e
    WHERE e.failing_since ${state} AND ${OF_ORGANIZATIONS} AND e.organization_id <> ALL (${full}::uuid[])) AS e WHERE e.n <= ${each})`
const taking = (whose: string, order: string, most: string): string => `(SELECT e.id FROM webhook_endpoints e WHERE ${whose} ORDER BY ${order} NULLS FIRST LIMIT ${most} FOR UPDATE OF e SKIP LOCKED)`
// an organization's that has had its turn is behind those that wait for theirs
const CLAIM = `
  WITH working AS ${taking(`e.failing_since IS NULL AND ${OF_OPERATORS}`, 'e.claimed_until', '$4')},
       failing AS ${taking(`e.failing_since IS NOT NULL AND ${OF_OPERATORS}`, 'e.waits_until', '$5')},
       working_there AS ${taking(inTurn('IS NULL', '$8', '$9'), 'e.waits_until', '$6')},
       failing_there AS ${taking(inTurn('IS NOT NULL', '$8', '$9'), 'e.waits_until', '$7')}
  UPDATE webhook_endpoints SET claim = gen_random_uuid(), claimed_until = $3
  WHERE id IN (SELECT id FROM working UNION ALL SELECT id FROM failing UNION ALL SELECT id FROM working_there UNION ALL SELECT id FROM failing_there)
  RETURNING id, claim, organization_id AS "organizationId", url, types, secret_ciphertext AS "secretCiphertext", previous_ciphertext AS "previousCiphertext", previous_until AS "previousUntil", given_by AS "givenBy",
    given_via_key AS "givenViaKey", position, replay_position AS "replayPosition", replay_until AS "replayUntil", failing_since AS "failingSince"`
const SETTLE = `
  WITH mine AS (
    UPDATE webhook_endpoints SET
      position = coalesce($3, position), replay_position = CASE WHEN $4 THEN $5 ELSE replay_position END, replay_until = CASE WHEN $4 AND $5::bigint IS NULL THEN NULL ELSE replay_until END, claimed_until = $6,
      failing_since = CASE WHEN $7 THEN NULL WHEN $8::text IS NOT NULL THEN coalesce(failing_since, $9) ELSE failing_since END,
      last_success_at = CASE WHEN $7 THEN $9 ELSE last_success_at END, last_error = CASE WHEN $8::text IS NOT NULL THEN $8 WHEN $7 THEN NULL ELSE last_error END
    WHERE id = $1 AND claim = $2 AND enabled RETURNING id, failing_since
  ), taken AS (
    DELETE FROM webhook_deliveries d WHERE d.endpoint_id = $1 AND d.event_id = ANY ($10::uuid[]) AND EXISTS (SELECT FROM mine)
  ), again AS (
    UPDATE webhook_deliveries d SET attempts = d.attempts + 1, next_at = a.next_at, error = a.error, dead_at = a.dead_at
    FROM jsonb_to_recordset($11::jsonb) AS a(id uuid, next_at timestamptz, error text, dead_at timestamptz) WHERE d.id = a.id AND d.endpoint_id = $1 AND EXISTS (SELECT FROM mine)
  ), failed AS (
    INSERT INTO webhook_deliveries (id, endpoint_id, event_id, event, attempts, first_failed_at, next_at, error)
    SELECT f.id, $1, f.event_id, f.event, 1, $9, f.next_at, f.error
    FROM jsonb_to_recordset($12::jsonb) AS f(id uuid, event_id uuid, event jsonb, next_at timestamptz, error text) WHERE EXISTS (SELECT FROM mine)
    ON CONFLICT (endpoint_id, event_id) DO UPDATE SET attempts = 1, first_failed_at = excluded.first_failed_at, next_at = excluded.next_at, error = excluded.error, dead_at = NULL
    WHERE webhook_deliveries.dead_at IS NOT NULL
  )
  SELECT failing_since AS "failingSince" FROM mine`

type Numeric = 'position' | 'replayPosition' | 'replayUntil'
type StoredEndpoint = Omit<ClaimedEndpoint, Numeric> & { position: string; replayPosition: string | null; replayUntil: string | null }

const numberOrNull = (text: string | null): number | null => (text === null ? null : Number(text))
/** What JSON keeps of an event, with its time as one. */
const revived = (event: EventRow): EventRow => ({ ...event, at: new Date(event.at) })

export function createDeliveryStore({ pool }: { pool: pg.Pool }): DeliveryStore {
  return {
    async claim(head, now, until, { operators, organizations }) {
      const places = [operators.working, operators.failing, organizations.working, organizations.failing, organizations.each, organizations.full]
      const { rows } = await pool.query<StoredEndpoint>(prepared('webhooks-claim', CLAIM, [head, now, until, ...places]))
      return rows.map((row) => ({ ...row, position: Number(row.position), replayPosition: numberOrNull(row.replayPosition), replayUntil: numberOrNull(row.replayUntil) }))
    },
    async isActive(organizationId) {
      const { rows: [row] } = await pool.query<{ active: boolean }>(prepared('webhooks-organization', "SELECT status = 'active' AS active FROM organizations WHERE id = $1", [organizationId]))
      return row?.active ?? false
    },
    async waiting(endpointId, now, most) {
      const { rows: [row] } = await pool.query<{ count: number; nextAt: Date | null; due: (Omit<WaitingDelivery, 'firstFailedAt'> & { firstFailedAt: string })[] | null }>(prepared('webhooks-waiting', `
        WITH waiting AS (SELECT id, event, attempts, first_failed_at, next_at FROM webhook_deliveries WHERE endpoint_id = $1 AND dead_at IS NULL ORDER BY next_at LIMIT $4)
        SELECT (SELECT count(*) FROM waiting)::int AS count, (SELECT min(next_at) FROM waiting) AS "nextAt",
          (SELECT jsonb_agg(jsonb_build_object('id', d.id, 'event', d.event, 'attempts', d.attempts, 'firstFailedAt', d.first_failed_at) ORDER BY d.next_at)
           FROM (SELECT * FROM waiting WHERE next_at <= $2 ORDER BY next_at LIMIT $3) AS d) AS due`, [endpointId, now, most.due, most.count]))
      const due = (row?.due ?? []).map((one) => ({ ...one, event: revived(one.event), firstFailedAt: new Date(one.firstFailedAt) }))
      return { due, count: row?.count ?? 0, nextAt: row?.nextAt ?? null }
    },
    async settle({ id, claim }, { position, replayPosition, taken, failed, again, dropped, error, now, until }) {
      const { rows: [mine] } = await pool.query<{ failingSince: Date | null }>(prepared('webhooks-settle', SETTLE, [
        id, claim, position ?? null, replayPosition !== undefined, replayPosition ?? null, until, taken.length > 0, error, now, [...taken, ...dropped],
        JSON.stringify(again.map((one) => ({ id: one.id, next_at: one.nextAt, error: one.error, dead_at: one.deadAt }))),
        JSON.stringify(failed.map((one) => ({ id: one.deliveryId, event_id: one.event.id, event: one.event, next_at: one.nextAt, error: one.error }))),
      ]))
      return mine ?? false
    },
    async release({ id, claim, position }, waitsUntil, error) {
      await pool.query(prepared('webhooks-release', `
        UPDATE webhook_endpoints SET claim = NULL, claimed_until = NULL, waits_until = $3, position = greatest(position, $4), last_error = coalesce($5, last_error) WHERE id = $1 AND claim = $2`, [id, claim, waitsUntil, position, error ?? null]))
    },
    async enqueue(tx, endpointId, deliveryId, event, now) {
      const count = await tx.$executeRaw`
        INSERT INTO webhook_deliveries (id, endpoint_id, event_id, event, attempts, first_failed_at, next_at, error)
        SELECT ${deliveryId}::uuid, ${endpointId}::uuid, ${event.id}::uuid, ${JSON.stringify(event)}::jsonb, 0, ${now}::timestamptz, ${now}::timestamptz, ''
        WHERE (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE endpoint_id = ${endpointId}::uuid AND dead_at IS NULL AND event_id <> ${event.id}::uuid LIMIT ${MOST_WAITING}) AS waiting) < ${MOST_WAITING}
        ON CONFLICT (endpoint_id, event_id) DO UPDATE SET attempts = 0, first_failed_at = excluded.first_failed_at, next_at = excluded.next_at, dead_at = NULL`
      // whoever tells it at this moment keeps the claim
      if (count === 1) await tx.$executeRaw`UPDATE webhook_endpoints SET waits_until = NULL WHERE id = ${endpointId}::uuid`
      return count === 1
    },
  }
}

// How a message is signed (Standard Webhooks 1.0), when it is tried again, and when an endpoint is given up. Pure but for the making of secrets.
import { createHmac, randomBytes } from 'node:crypto'
import type { EventView } from '../events/index.js'

const PREFIX = 'whsec_'
const SECRET_BYTES = 32

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
// 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, and every 8 h from then on
const WAITS_MS = [5 * SECOND_MS, 30 * SECOND_MS, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS] as const
const ASKED_WAIT_MOST_MS = HOUR_MS

/** A message that is refused for so long is given up. */
export const TRIED_MS = 3 * DAY_MS
/** An endpoint that takes nothing for so long is disabled. */
export const FAILING_MS = 5 * DAY_MS
/** Messages to an endpoint that wait: while there are so many, no others are added. */
export const MOST_WAITING = 100
/** What was given up is kept for so long. */
export const DEAD_KEPT_MS = 30 * DAY_MS

export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** The body of a message. The same event gives the same body, to the byte. */
export function bodyOf(event: EventView): string {
  return JSON.stringify({ type: event.type, timestamp: event.at, data: event })
}

/** The headers of a message: its id, the time of this attempt, and a signature by each secret. */
export function headersOf(id: string, nowMs: number, body: string, secrets: readonly string[]): Record<string, string> {
  const seconds = String(Math.floor(nowMs / SECOND_MS))
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', Buffer.from(secret.slice(PREFIX.length), 'base64')).update(`${id}.${seconds}.${body}`).digest('base64')}`)
  return { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signatures.join(' ') }
}

/** The wait after the `attempt`-th try (from 1), a fifth more or less by `chance` (0 to 1); longer where the endpoint asks for it, by an hour at most. */
export function waitMs(attempt: number, chance: number, askedMs = 0): number {
  const wait = WAITS_MS[Math.min(Math.max(attempt, 1), WAITS_MS.length) - 1] ?? HOUR_MS
  return Math.max(Math.round(wait * (0.8 + 0.4 * chance)), Math.min(askedMs, ASKED_WAIT_MOST_MS))
}

/** What an answer's Retry-After asks for, in ms; 0: nothing that is understood. */
export function askedWaitMs(header: string | null, nowMs: number): number {
  if (header === null) return 0
  if (/^\d{1,9}$/.test(header)) return Number(header) * SECOND_MS
  const at = Date.parse(header)
  return Number.isNaN(at) ? 0 : Math.max(0, at - nowMs)
}

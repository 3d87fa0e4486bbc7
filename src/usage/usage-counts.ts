// What is counted about decisions, and over which stretches of time. Pure. A stretch is counted whole or not at all: it
// belongs to a period when it begins in it. Hours and days are those of UTC.
import { problem } from '../kernel/errors.js'

/** How a question about a known key was answered. Columns of the ledger bear these names. */
export const OUTCOMES = ['allowed', 'revoked', 'expired', 'owner_suspended', 'forbidden', 'rate_limited'] as const
export type UsageOutcome = (typeof OUTCOMES)[number]

export type Granularity = 'minute' | 'hour' | 'day'

export interface UsageCounts {
  allowed: number
  revoked: number
  expired: number
  ownerSuspended: number
  forbidden: number
  rateLimited: number
  /** of the allowed ones: what is refused is charged nothing */
  cost: number
}

export interface UsageBucket extends UsageCounts {
  /** ISO 8601, where it begins */
  at: string
}

/** One key in one stretch. */
export interface UsageRow extends UsageBucket {
  keyId: string
  ownerUserId: string
}

/** Stretches of this length that begin at or after `from` and before `to`; both lie on their boundaries. */
export interface Period {
  granularity: Granularity
  from: Date
  to: Date
}

export interface PeriodQuery {
  granularity?: Granularity
  /** ISO 8601 */
  from?: string
  to?: string
}

export const STEP_MS: Record<Granularity, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }
const USUAL: Record<Granularity, number> = { minute: 60, hour: 24, day: 30 }
/** As many points fit into one answer; the export has no such end. */
export const MOST_BUCKETS = 1_500

/** Throws request.invalid for what the schema's grammar lets through but no clock shows here: a leap second. */
function timeOf(path: 'from' | 'to', text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw problem('request.invalid', { errors: [{ path, message: 'is not a time' }] })
  return ms
}

function nextBoundary(ms: number, stepMs: number): Date {
  return new Date(Math.ceil(ms / stepMs) * stepMs)
}

/** The end of the stretch that `nowMs` lies in. */
function endOfNow(nowMs: number, stepMs: number): number {
  return (Math.floor(nowMs / stepMs) + 1) * stepMs
}

function between(granularity: Granularity, fromMs: number, toMs: number): Period {
  const stepMs = STEP_MS[granularity]
  if (fromMs >= toMs) throw problem('request.invalid', { errors: [{ path: 'from', message: 'must be before to' }] })
  return { granularity, from: nextBoundary(fromMs, stepMs), to: nextBoundary(toMs, stepMs) }
}

/** The period of a series: by default the last 60 minutes, 24 hours or 30 days. Throws request.invalid when it is empty or too long. */
export function seriesPeriod({ granularity = 'hour', from, to }: PeriodQuery, nowMs: number): Period {
  const stepMs = STEP_MS[granularity]
  const toMs = to === undefined ? endOfNow(nowMs, stepMs) : timeOf('to', to)
  const fromMs = from === undefined ? toMs - USUAL[granularity] * stepMs : timeOf('from', from)
  const period = between(granularity, fromMs, toMs)
  if (period.to.getTime() - period.from.getTime() > MOST_BUCKETS * stepMs) {
    throw problem('request.invalid', { errors: [{ path: 'from', message: `at most ${MOST_BUCKETS} ${granularity}s in one answer: use a coarser granularity or the export` }] })
  }
  return period
}

/** The period of an export: by default all that is kept. Throws request.invalid when it is empty. */
export function exportPeriod({ granularity = 'hour', from, to }: PeriodQuery, nowMs: number): Period {
  return between(granularity, from === undefined ? 0 : timeOf('from', from), to === undefined ? endOfNow(nowMs, STEP_MS[granularity]) : timeOf('to', to))
}

/** Adds up the points of a series. */
export function totalOf(buckets: readonly UsageCounts[]): UsageCounts {
  const total: UsageCounts = { allowed: 0, revoked: 0, expired: 0, ownerSuspended: 0, forbidden: 0, rateLimited: 0, cost: 0 }
  const names = Object.keys(total) as (keyof UsageCounts)[]
  for (const bucket of buckets) for (const name of names) total[name] += bucket[name]
  return total
}

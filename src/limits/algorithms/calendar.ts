// Quotas of a calendar period: which period a moment belongs to, in UTC. Pure.

export const PERIODS = ['hour', 'day', 'month'] as const

export type Period = (typeof PERIODS)[number]

/** Ms since 1970: from `startMs` on, before `endMs`. */
export interface Span {
  startMs: number
  endMs: number
}

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** The hour, day or month of UTC that holds this moment. */
export function spanOf(period: Period, nowMs: number): Span {
  if (period === 'month') {
    const date = new Date(nowMs)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    return { startMs: Date.UTC(year, month), endMs: Date.UTC(year, month + 1) }
  }
  const length = period === 'hour' ? HOUR_MS : DAY_MS
  const startMs = Math.floor(nowMs / length) * length
  return { startMs, endMs: startMs + length }
}

/** Units of a block beyond what is needed at once: what is in demand, never more than an equal part of half of what is left. */
export function blockExtra(left: number, nodes: number, demand: number): number {
  return Math.max(0, Math.min(demand, Math.floor(left / (2 * Math.max(1, nodes)))))
}

// What a limit is, as people write it on keys, owners and namespaces, and how it becomes a charge and a report. Pure.
import { type FieldError, problem } from '../kernel/errors.js'
import { flat } from '../kernel/shared.js'
import type { Guarantee, LimitCharge, LimitState } from '../redis/fast.js'
import { type Period, PERIODS } from './calendar.js'
import { drainsInTime, isUnits, isWindowMs, MOST_LIMITS } from './limit-bounds.js'

export const ALGORITHMS = ['window', 'gcra', 'calendar'] as const

/**
 * `window` (default): at most `quota` in any windowSeconds. `gcra`: quota per windowSeconds evenly, at most `burst` (default:
 * quota) at once. `calendar`: at most `quota` in each `period` of UTC.
 */
export interface Limit {
  name: string
  quota: number
  windowSeconds?: number
  algorithm?: (typeof ALGORITHMS)[number]
  burst?: number
  period?: Period
}

/** Changes the limit of that name for one request, or adds one when the name is new and the rest complete. */
export interface LimitOverride extends Partial<Omit<Limit, 'name'>> {
  name: string
  /** instead of the request's */
  cost?: number
}

export interface LimitReport extends Guarantee {
  name: string
  quota: number
  remaining: number
  /** rounded up */
  resetSeconds: number
  /** null: a calendar's, which are not all of one length */
  windowSeconds: number | null
}

/** Limits and the charges that belong to them, in one order. */
export interface Bound {
  limits: readonly Limit[]
  charges: readonly LimitCharge[]
}

function mistakeOf({ quota, windowSeconds, algorithm = 'window', burst, period }: Limit): string | null {
  if (burst !== undefined && algorithm !== 'gcra') return 'burst goes with the algorithm gcra'
  if (period !== undefined && algorithm !== 'calendar') return 'period goes with the algorithm calendar'
  if (!isUnits(quota) || (burst !== undefined && !isUnits(burst))) return 'quota and burst are whole numbers from 1 to 10^9'
  if (algorithm === 'calendar') {
    if (windowSeconds !== undefined) return 'a calendar limit has a period, no windowSeconds'
    return period === undefined ? 'period is missing' : null
  }
  if (windowSeconds === undefined) return 'windowSeconds is missing'
  const windowMs = windowSeconds * 1000
  if (!isWindowMs(windowMs)) return 'windowSeconds is a whole number from 1 to 2592000'
  return algorithm === 'gcra' && !drainsInTime({ quota, windowMs, burst }) ? 'burst x windowSeconds / quota must be at most 10^9 seconds' : null
}

/** The part of a list of limits that a schema cannot check. */
export function limitMistakes(limits: readonly Limit[], path = '/limits'): FieldError[] {
  const found = limits.flatMap((limit, at) => {
    const message = mistakeOf(limit)
    return message === null ? [] : [{ path: `${path}/${at}`, message }]
  })
  return new Set(limits.map(({ name }) => name)).size < limits.length ? [...found, { path, message: 'must have different names' }] : found
}

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/

function isReadable(stored: unknown): stored is Limit {
  if (typeof stored !== 'object' || stored === null) return false
  const limit = stored as Limit
  if (typeof limit.name !== 'string' || !NAME.test(limit.name) || (limit.period !== undefined && !PERIODS.includes(limit.period))) return false
  return (limit.algorithm === undefined || ALGORITHMS.includes(limit.algorithm)) && mistakeOf(limit) === null
}

/** One that is denied whatever it counts: no row that cannot be read stands for "unlimited". */
function unreadable(stored: unknown): Limit {
  const name = typeof stored === 'object' && stored !== null && 'name' in stored ? stored.name : null
  return { name: typeof name === 'string' && NAME.test(name) ? name : 'unreadable', quota: 0, windowSeconds: 1 }
}

/** A list of limits as it stands in the database, whoever wrote it: the same list when it can be decided, else one whose bad limits deny. */
export function readLimits(stored: unknown): readonly Limit[] {
  if (!Array.isArray(stored) || stored.length > MOST_LIMITS) return [unreadable(null)]
  return stored.every(isReadable) ? stored : stored.map((one) => (isReadable(one) ? one : unreadable(one)))
}

/** Throws request.invalid, naming every mistake. */
export function checkLimits(limits: readonly Limit[]): void {
  const errors = limitMistakes(limits)
  if (errors.length > 0) throw problem('request.invalid', { errors })
}

export function chargeOf(key: string, { quota, windowSeconds = 0, algorithm = 'window', burst, period }: Limit, cost = 1): LimitCharge {
  return {
    key, quota, windowMs: windowSeconds * 1000, cost, strict: true, ...(algorithm === 'window' ? {} : { algorithm }),
    ...(burst === undefined ? {} : { burst }), ...(period === undefined ? {} : { period }),
  }
}

// the braces keep all counters of an owner in one slot where Redis spreads its keys
function keyCounter(ownerUserId: string, limitGroupId: string, name: string): string {
  return flat(`key:{${ownerUserId}}:${limitGroupId}:${name}`)
}

/** What stands for a limit that all keys of an owner share, among the names of a key's own limits. */
const OWNER = 'owner:'

/** All limits of a key, at cost 1: its own (rotated keys share them) and those its owner's keys share. */
export function limitsOfKey(key: { ownerUserId: string; limitGroupId: string; limits: readonly Limit[]; ownerLimits: readonly Limit[] }): Bound {
  const { ownerUserId, limitGroupId } = key
  const [limits, ownerLimits] = [readLimits(key.limits), readLimits(key.ownerLimits)]
  return {
    limits: ownerLimits.length === 0 ? limits : [...limits, ...ownerLimits.map((limit) => ({ ...limit, name: OWNER + limit.name }))],
    charges: [
      ...limits.map((limit) => chargeOf(keyCounter(ownerUserId, limitGroupId, limit.name), limit)),
      ...ownerLimits.map((limit) => chargeOf(`owner:{${ownerUserId}}:${limit.name}`, limit)),
    ],
  }
}

function merged(limit: Limit | undefined, override: LimitOverride): Limit {
  const { cost: _, ...change } = override
  if (limit) {
    // another algorithm starts from nothing: the old one's parts would contradict it
    const sameKind = change.algorithm === undefined || change.algorithm === (limit.algorithm ?? 'window')
    return sameKind ? { ...limit, ...change } : { quota: limit.quota, ...change }
  }
  const message = `the key has no limit ${change.name}, and its quota is missing`
  if (change.quota === undefined) throw problem('request.invalid', { errors: [{ path: '/limits', message }] })
  return { ...change, quota: change.quota }
}

/** A key's limits as one request wants them charged. Throws request.invalid for overrides that make no limit. */
export function forRequest(bound: Bound, key: { ownerUserId: string; limitGroupId: string }, cost: number, overrides: readonly LimitOverride[] = []): Bound {
  if (overrides.length === 0) return cost === 1 ? bound : { limits: bound.limits, charges: bound.charges.map((charge) => ({ ...charge, cost })) }
  const limits = [...bound.limits]
  const charges: LimitCharge[] = bound.charges.map((charge) => ({ ...charge, cost }))
  for (const override of overrides) {
    const at = limits.findIndex(({ name }) => name === override.name)
    const limit = merged(limits[at], override)
    checkLimits([limit])
    const counter = charges[at]?.key ?? keyCounter(key.ownerUserId, key.limitGroupId, limit.name)
    const place = at === -1 ? limits.length : at
    limits[place] = limit
    charges[place] = chargeOf(counter, limit, override.cost ?? cost)
  }
  return { limits, charges }
}

/** What is told of each limit after a decision. */
export function reportOf({ limits, charges }: Bound, states: readonly LimitState[], guarantee: (charge: LimitCharge) => Guarantee): LimitReport[] {
  const reports: LimitReport[] = []
  for (let at = 0; at < limits.length; at += 1) {
    const [limit, charge, state] = [limits[at], charges[at], states[at]]
    if (!limit || !charge || !state) continue
    const kept = guarantee(charge)
    reports.push({
      name: limit.name, quota: limit.quota, remaining: state.remaining, resetSeconds: Math.ceil(state.resetMs / 1000),
      guarantee: kept.guarantee, earlyBy: kept.earlyBy, windowSeconds: charge.windowMs > 0 ? charge.windowMs / 1000 : null,
    })
  }
  return reports
}

/** Whole seconds for Retry-After; null when no waiting helps. */
export function retryAfterSeconds(retryAfterMs: number): number | null {
  return Number.isFinite(retryAfterMs) ? Math.ceil(retryAfterMs / 1000) : null
}

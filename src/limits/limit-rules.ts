// What a limit is, as people write it on keys, owners and namespaces, and how it becomes a charge and a report. Pure.
import { type AppError, type FieldError, problem } from '../kernel/errors.js'
import { flat } from '../kernel/shared.js'
import type { Guarantee, LimitCharge, LimitState } from '../shared-store/shared-store.js'
import { type Period, PERIODS } from './algorithms/calendar.js'
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

/** Lowers the limit of that name for one request, or adds one when the name is new and the rest complete. */
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

/** Stands for a list that cannot be read at all. */
export const UNREADABLE: Limit = Object.freeze(unreadable(null))

/** A list of limits as it stands in the database, whoever wrote it: the same list when it can be decided, else one whose bad limits deny. */
export function readLimits(stored: unknown): readonly Limit[] {
  if (!Array.isArray(stored) || stored.length > MOST_LIMITS) return [UNREADABLE]
  return stored.every(isReadable) ? stored : stored.map((one) => (isReadable(one) ? one : unreadable(one)))
}

/** Throws request.invalid, naming every mistake. */
export function checkLimits(limits: readonly Limit[]): void {
  const errors = limitMistakes(limits)
  if (errors.length > 0) throw problem('request.invalid', { errors })
}

export function chargeOf(key: string, { quota, windowSeconds = 0, algorithm = 'window', burst, period }: Limit, cost = 1): LimitCharge {
  const windowMs = windowSeconds * 1000
  // written out: an object that others are spread into keeps room for more, and a million keys are held
  if (algorithm === 'window' && burst === undefined && period === undefined) return { key, quota, windowMs, cost, strict: true }
  return { key, quota, windowMs, cost, strict: true, algorithm, ...(burst === undefined ? {} : { burst }), ...(period === undefined ? {} : { period }) }
}

// the braces keep all counters of an owner in one slot where Redis spreads its keys
function keyCounter(ownerId: string, limitGroupId: string, name: string): string {
  return flat(`key:{${ownerId}}:${limitGroupId}:${name}`)
}

/** Most credentials hang on nothing: one object for them all. */
const UNLIMITED: Bound = Object.freeze({ limits: Object.freeze([]), charges: Object.freeze([]) })

export interface OwnerFacts {
  ownerId: string
  /** set for this owner */
  ownerLimits: readonly Limit[]
  /** what their roles give, see limits/plan.ts */
  plan?: readonly Limit[]
}

/**
 * What counts for an owner over all their keys and sessions, at cost 1: `owner:NAME` and `plan:NAME` among the names of a key's own limits. The
 * counters hang on owner and name alone, so no other role, key or rotation refills them.
 */
export function limitsOfOwner({ ownerId, ownerLimits, plan = [] }: OwnerFacts): Bound {
  const own = readLimits(ownerLimits)
  if (own.length === 0 && plan.length === 0) return UNLIMITED
  const limits: Limit[] = []
  const charges: LimitCharge[] = []
  for (const [kind, list] of [['owner', own], ['plan', plan]] as const) {
    for (const limit of list) {
      limits.push({ ...limit, name: `${kind}:${limit.name}` })
      charges.push(chargeOf(flat(`${kind}:{${ownerId}}:${limit.name}`), limit))
    }
  }
  return { limits, charges }
}

/** All limits of a key, at cost 1: its own (rotated keys share them) and its owner's. */
export function limitsOfKey(key: OwnerFacts & { limitGroupId: string; limits: readonly Limit[] }): Bound {
  const { ownerId, limitGroupId } = key
  const own = readLimits(key.limits)
  const owner = limitsOfOwner(key)
  if (own.length === 0) return owner
  const charges = own.map((limit) => chargeOf(keyCounter(ownerId, limitGroupId, limit.name), limit))
  // a list that was put together of two keeps room for more: a million keys are held
  return owner === UNLIMITED ? { limits: own, charges } : { limits: own.concat(owner.limits), charges: charges.concat(owner.charges) }
}

const notLowered = (name: string, why: string): AppError => problem('access.denied', { detail: `A request may only lower the limit ${name}: ${why}` })

/** The limit as an override leaves it: no larger, and on the same counter, for another one would be a fresh start. Throws access.denied. */
function lowered(limit: Limit, override: LimitOverride): Limit {
  const { cost: _, ...change } = override
  const { algorithm = 'window' } = limit
  const isSame = (change.algorithm ?? algorithm) === algorithm && (change.windowSeconds ?? limit.windowSeconds) === limit.windowSeconds && (change.period ?? limit.period) === limit.period
  if (!isSame) throw notLowered(limit.name, 'its window, period and algorithm stay')
  const result = { ...limit, ...change }
  if (result.quota > limit.quota) throw notLowered(limit.name, `its quota is ${limit.quota}`)
  if ((result.burst ?? result.quota) > (limit.burst ?? limit.quota)) throw notLowered(limit.name, `its burst is ${limit.burst ?? limit.quota}`)
  // one that cannot be read denies, whatever a request says of it
  if (limit.quota > 0) checkLimits([result])
  return result
}

function added(override: LimitOverride): Limit {
  const { cost: _, quota, ...rest } = override
  const message = `the key has no limit ${rest.name}, and its quota is missing`
  if (quota === undefined) throw problem('request.invalid', { errors: [{ path: '/limits', message }] })
  const limit = { ...rest, quota }
  checkLimits([limit])
  return limit
}

export function atCost(bound: Bound, cost: number): Bound {
  return cost === 1 ? bound : { limits: bound.limits, charges: bound.charges.map((charge) => ({ ...charge, cost })) }
}

/**
 * A key's limits as one request wants them charged: overrides lower what holds (a smaller quota, a higher cost) or add to it. Throws access.denied for
 * those that would raise, or leave out, anything, and request.invalid for those that make no limit.
 */
export function forRequest(bound: Bound, key: { ownerId: string; limitGroupId: string }, cost: number, overrides: readonly LimitOverride[] = []): Bound {
  if (overrides.length === 0) return atCost(bound, cost)
  const limits = [...bound.limits]
  const charges: LimitCharge[] = bound.charges.map((charge) => ({ ...charge, cost }))
  for (const override of overrides) {
    const found = limits.findIndex(({ name }) => name === override.name)
    const at = found === -1 ? limits.length : found
    const known = limits[at]
    const [limit, least] = known ? [lowered(known, override), charges[at]?.cost ?? cost] : [added(override), 1]
    if (override.cost !== undefined && override.cost < least) throw notLowered(limit.name, `its cost is ${least}`)
    const counter = charges[at]?.key ?? keyCounter(key.ownerId, key.limitGroupId, limit.name)
    limits[at] = limit
    charges[at] = chargeOf(counter, limit, override.cost ?? (known ? least : cost))
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

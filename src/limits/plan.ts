// Plans: roles carry limits, and an owner has those of all their roles and of the base role, by name the largest of each. A plan is written so that
// losing a role never means unlimited: what any role limits, the base role limits, too, and one name counts alike everywhere. Pure.
import { type FieldError, problem } from '../kernel/errors.js'
import { MOST_LIMITS } from './limit-bounds.js'
import { type Limit, readLimits, UNREADABLE } from './limit-rules.js'

/** Different names over all roles: all of them are charged with every request of an owner who has them. */
const MOST_NAMES = 20

export interface RolePlan {
  name: string
  limits: readonly Limit[]
}

/** What says on which counter a limit is counted. One that cannot be read is like no other: no larger one stands in for it. */
function kindOf({ quota, algorithm = 'window', windowSeconds, period }: Limit): string {
  return quota > 0 ? `${algorithm} ${windowSeconds ?? period ?? ''}` : 'unreadable'
}

const burstOf = ({ quota, burst = quota }: Limit): number => burst

function isLarger(limit: Limit, than: Limit): boolean {
  return limit.quota === than.quota ? burstOf(limit) > burstOf(than) : limit.quota > than.quota
}

/** The limits of an owner, of those of each of their roles as they are stored: by name the largest. Two that count differently under one name both hold. */
export function planOf(roleLimits: readonly unknown[]): readonly Limit[] {
  const largest = new Map<string, Limit>()
  for (const limit of roleLimits.flatMap(readLimits)) {
    const name = `${limit.name} ${kindOf(limit)}`
    const known = largest.get(name)
    if (!known || isLarger(limit, known)) largest.set(name, limit)
  }
  return largest.size > MOST_LIMITS ? [UNREADABLE] : [...largest.values()]
}

function planMistakes({ name, limits }: RolePlan, roles: readonly RolePlan[], base: string): FieldError[] {
  const others = roles.filter((role) => role.name !== name)
  const elsewhere = others.flatMap((role) => role.limits)
  const bases = name === base ? limits : others.filter((role) => role.name === base).flatMap((role) => role.limits)
  const found = limits.flatMap((limit, at): FieldError[] => {
    const path = `/limits/${at}`
    if (elsewhere.some((one) => one.name === limit.name && kindOf(one) !== kindOf(limit))) {
      return [{ path, message: `another role counts ${limit.name} with another window, algorithm or period` }]
    }
    return bases.some((one) => one.name === limit.name) ? [] : [{ path, message: `role ${base} has no limit ${limit.name}: give it one first, which holds for whoever loses this role` }]
  })
  const missing = name === base ? [...new Set(elsewhere.map((one) => one.name))].filter((one) => !limits.some((limit) => limit.name === one)) : []
  for (const one of missing) found.push({ path: '/limits', message: `other roles limit ${one}: it stays here for whoever loses them` })
  if (new Set([...elsewhere, ...limits].map((one) => one.name)).size > MOST_NAMES) found.push({ path: '/limits', message: `all roles together have at most ${MOST_NAMES} names of limits` })
  return found
}

/** Checks the limits that a role is about to have against those of all roles; `base` is the role that everybody has. Throws request.invalid, naming every mistake. */
export function checkPlan(plan: RolePlan, roles: readonly RolePlan[], base: string): void {
  const errors = planMistakes(plan, roles, base)
  if (errors.length > 0) throw problem('request.invalid', { errors })
}

// What roles add up to, and who may give or touch them. Pure.
import { notHeld } from '../access/principal.js'
import { problem } from '../kernel/errors.js'

/** The role whose last active holder cannot go. */
export const ADMIN = 'admin'
/** What an account gets when nobody says otherwise. */
export const MEMBER = 'member'

export interface RolePermissions {
  name: string
  permissions: readonly string[]
}

/** Everything the named roles permit. Throws role.unknown for a name that is no role. */
export function permissionsOf(names: readonly string[], known: readonly RolePermissions[]): string[] {
  const permissions = names.flatMap((name) => {
    const role = known.find((one) => one.name === name)
    if (!role) throw problem('role.unknown', { errors: [{ path: '/roles', message: 'names a role that does not exist' }] })
    return role.permissions
  })
  return [...new Set(permissions)]
}

/** Refuses to give roles that permit what the giver may not do. Throws permission.not_held and role.unknown. */
export function checkGrant(held: readonly string[], names: readonly string[], known: readonly RolePermissions[]): void {
  const missing = notHeld(held, permissionsOf(names, known))
  if (missing.length > 0) throw problem('permission.not_held', { detail: `These roles permit what you may not do: ${missing.join(', ')}` })
}

/** Refuses to change an account that may do more than the caller, who could otherwise take it over. Throws permission.not_held. */
export function checkReach(held: readonly string[], names: readonly string[], known: readonly RolePermissions[]): void {
  if (notHeld(held, permissionsOf(names, known)).length > 0) throw problem('permission.not_held', { detail: 'This account may do what you may not' })
}

// What roles add up to. Pure.
import { problem } from '../kernel/errors.js'

/** The role whose last active holder cannot go. */
export const ADMIN = 'admin'
/** What an account gets when nobody says otherwise. */
export const MEMBER = 'member'

export interface RolePermissions {
  name: string
  permissions: readonly string[]
}

/** Everything the named roles permit, less role member, which everybody has whether it is named or not. Throws role.unknown. */
export function givenBy(names: readonly string[], known: readonly RolePermissions[]): string[] {
  permissionsOf(names, known)
  return permissionsOf(names.filter((name) => name !== MEMBER), known)
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

// Who is asking, and what a permission allows. Pure.

export interface Principal {
  type: 'user' | 'key'
  /** the user's id; for a key, its owner's */
  id: string
  /** set when a session stands behind it (access token or cookie) */
  sessionId?: string
  /** set when an API key was presented */
  keyId?: string
  permissions: readonly string[]
  authenticatedBy: 'token' | 'cookie' | 'key'
}

/** One request's caller, as services and the audit log see it. */
export interface Caller {
  principal: Principal | null
  address: string
  userAgent: string
  requestId: string
}

/** What may open a route. A permission looks like `gatehouse:users.read`. `loopback`: an unforwarded request from this machine. */
export type Access = 'public' | 'user' | 'service' | 'loopback' | `gatehouse:${string}`

/** Does one granted permission cover a wanted one? `gatehouse:*` covers everything below `gatehouse:`; `*` alone stands for nothing. */
export function covers(granted: string, wanted: string): boolean {
  if (granted === wanted) return true
  return granted.endsWith(':*') && wanted.startsWith(granted.slice(0, -1))
}

export function holds(permissions: readonly string[], wanted: string): boolean {
  return permissions.some((granted) => covers(granted, wanted))
}

/** Is one of a route's accesses satisfied? `user`: a person signed in, by token or cookie. `service`: an API key. */
export function satisfies(principal: Principal, access: readonly Access[]): boolean {
  return access.some((one) => {
    if (one === 'public') return true
    if (one === 'user') return principal.type === 'user'
    if (one === 'service') return principal.type === 'key'
    return one !== 'loopback' && holds(principal.permissions, one)
  })
}

/** The permissions of `wanted` that only a holder may give (`gatehouse:...`, but for what members may do to their own things) and that `granted` does not cover. */
export function notHeld(granted: readonly string[], wanted: readonly string[]): string[] {
  return wanted.filter((permission) => permission.startsWith('gatehouse:') && !permission.startsWith('gatehouse:own.') && !holds(granted, permission))
}

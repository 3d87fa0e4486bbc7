// Who is asking, and which routes that opens. Pure.
import type { Acr } from './assurance.js'
import type { GatehousePermission } from './permission-catalogue.js'
import { holds, isOwnRight } from './permissions.js'

export interface Principal {
  /** `client`: an OAuth client that acts for itself */
  type: 'user' | 'key' | 'client'
  /** the user's id; for a key, its owner's; for a client, its own */
  id: string
  /** set when a session stands behind it (access token or cookie) */
  sessionId?: string
  /** set when an API key was presented */
  keyId?: string
  permissions: readonly string[]
  /** set when an OAuth client presents a token: which one, for which audience alone, and by which scopes */
  clientId?: string
  audience?: string
  scopes?: readonly string[]
  /** of a session: how well its owner has proven who they are, and when last */
  acr?: Acr
  authTimeMs?: number
  /** a role asks for a second factor, which this session has not proven: `permissions` are UNTIL_MFA */
  wantsMfa?: boolean
  /** the organization that is acted in; of a key, the one that owns it */
  organizationId?: string
  authenticatedBy: 'token' | 'cookie' | 'key'
  /** set when somebody else acts for the user: who, and in which session of theirs (`act` of RFC 8693) */
  act?: { sub: string; sid: string }
}

/** All that a session has whose user's roles ask for a second factor, until one is proven: enough to add one. */
export const UNTIL_MFA: readonly string[] = Object.freeze(['gatehouse:own.factors'])

/** One request's caller, as services and the audit log see it. */
export interface Caller {
  principal: Principal | null
  address: string
  userAgent: string
  requestId: string
  /** the machine itself acts: one of its commands, or its start */
  host?: true
}

/** What may open a route; a permission is one of the catalogue. `loopback`: an unforwarded request from this machine. */
export type Access = 'public' | 'user' | 'service' | 'loopback' | GatehousePermission

/** Is one of a route's accesses satisfied? `user`: a person signed in, by token or cookie. `service`: an API key. */
export function satisfies(principal: Principal, access: readonly Access[]): boolean {
  // what was issued for another audience opens nothing here, whatever it is worth there
  if (principal.audience !== undefined || principal.type === 'client') return access.includes('public')
  return access.some((one) => {
    if (one === 'public') return true
    if (one === 'user') return principal.type === 'user'
    if (one === 'service') return principal.type === 'key'
    // a right to one's own things is a person's, also where an old key covers it
    if (one === 'loopback' || (principal.type === 'key' && isOwnRight(one))) return false
    return holds(principal.permissions, one)
  })
}

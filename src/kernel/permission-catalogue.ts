// Gatehouse's own permissions: each with one sentence, and with its weight where it amounts to more than its name says. What is not in
// here is refused in a role, on a key, and (by its type) on a route. docs/permissions.md is made of it.
import { ALL_OF_GATEHOUSE, APPLICATION, covers, isOfGatehouse, isOwnRight, isPermission } from './permissions.js'

interface Entry {
  says: string
  /** what must be held, besides the permission itself, to give it */
  weight?: readonly string[]
  /** for people in person: never on a key */
  sessionsOnly?: true
}

export const CATALOGUE = {
  'gatehouse:own.factors': { says: 'See, add and remove second factors of one\'s own. Where a role asks for one, this is all that a session has until it is given.', sessionsOnly: true },
  'gatehouse:own.keys': { says: 'Issue, rename, narrow and rotate keys of one\'s own. Revoking them needs no permission.', sessionsOnly: true },
  'gatehouse:own.organizations': { says: 'Open organizations of one\'s own, which are entitled to nothing until an operator says so.', sessionsOnly: true },
  'gatehouse:own.profile': { says: 'Change one\'s own name and password.', sessionsOnly: true },
  'gatehouse:own.sessions': { says: 'See one\'s own sessions and devices. Ending and forgetting them needs no permission.', sessionsOnly: true },
  'gatehouse:users.read': { says: 'See accounts, their roles and what they have granted.' },
  'gatehouse:users.write': { says: 'Open, change, suspend and delete accounts, and give roles, within one\'s reach.' },
  'gatehouse:users.import': { says: 'Open accounts with the password hashes of another system. Whoever may do so knows, or chooses, what others sign in with.', weight: [ALL_OF_GATEHOUSE] },
  'gatehouse:users.impersonate': { says: 'Act for somebody who may do no more than oneself, for a quarter of an hour, to look and to repair. Each step is in the audit log.' },
  'gatehouse:roles.read': { says: 'See roles, their plans and who holds them.' },
  'gatehouse:roles.write': { says: 'Create, change and delete roles that permit no more than one holds.' },
  'gatehouse:keys.read': { says: 'See everybody\'s keys.' },
  'gatehouse:keys.write': { says: 'Sell keys to others, and change, rotate and revoke them, within one\'s reach.' },
  'gatehouse:keys.verify': { says: 'Ask whether a key is valid, as an API does for each request.' },
  'gatehouse:permissions.check': { says: 'Ask what somebody may do, anywhere and in an organization.' },
  'gatehouse:organizations.read': { says: 'See every organization, with its members, roles and invitations.' },
  'gatehouse:organizations.write': { says: 'Open, change, suspend and delete organizations, and say who is in them, within what one holds.' },
  'gatehouse:organizations.entitle': { says: 'Say what organizations are entitled to, of what one holds.' },
  'gatehouse:limits.read': { says: 'See the limits of owners and namespaces.' },
  'gatehouse:limits.write': { says: 'Set, raise and remove limits: of keys, owners, namespaces and plans.' },
  'gatehouse:limits.check': { says: 'Count against a namespace.' },
  'gatehouse:limits.override': { says: 'Lower a key\'s limits, or raise a cost, for one request.' },
  'gatehouse:gate.read': { says: 'See gate rules and have them explained.' },
  'gatehouse:gate.write': { says: 'Change what gateways ask for. Whoever may do so may open every application.', weight: [APPLICATION] },
  'gatehouse:providers.read': { says: 'See identity providers, without their secrets.' },
  'gatehouse:providers.write': { says: 'Say whose word on who somebody is counts. Whoever may do so may let anybody in.', weight: [ALL_OF_GATEHOUSE] },
  'gatehouse:clients.read': { says: 'See OAuth clients and resources, without secrets.' },
  'gatehouse:clients.write': { says: 'Write OAuth clients and resources whose scopes are worth no more than one holds.' },
  'gatehouse:audit.read': { says: 'Read the audit log.' },
  'gatehouse:events.read': { says: 'Be told of events as they happen: of each kind what one may see of its subject anyhow (docs/events.md).' },
  'gatehouse:webhooks.read': { says: 'See webhook endpoints, without their secrets, and what they have not taken.' },
  'gatehouse:webhooks.write': { says: 'Say where events are sent, of those that one is told of oneself.' },
  'gatehouse:usage.read': { says: 'See everybody\'s usage.' },
  'gatehouse:metrics.read': { says: 'Read the metrics.' },
  'gatehouse:queue.read': { says: 'See the work that was given up, such as mails that could not be sent.' },
  'gatehouse:queue.write': { says: 'Have given-up work done again, or forget it.' },
  'gatehouse:outbox.read': { says: 'Read the mails that there was no mail server for. The links in them open accounts.', weight: [ALL_OF_GATEHOUSE] },
  'gatehouse:brake': { says: 'Stop anything: revoke any key, end any session, suspend any account but the last administrator\'s. It gains nothing.' },
} as const satisfies Record<`gatehouse:${string}`, Entry>

/** A permission of Gatehouse's own that exists. */
export type GatehousePermission = keyof typeof CATALOGUE

const ENTRIES: ReadonlyMap<string, Entry> = new Map(Object.entries(CATALOGUE))
/** Those of a person's own things: what role `member` may carry of Gatehouse's. */
export const OWN_RIGHTS = [...ENTRIES.keys()].filter(isOwnRight)

export type Bearer = 'key' | 'role' | 'member' | 'rule'

/**
 * Why a permission may not stand where it is asked for, or null. `gatehouse:*` stands in role admin alone: an upgrade must not widen
 * what somebody wrote; a key carries nothing of a person's own things; role `member` nothing else of Gatehouse's.
 */
export function misplaced(permission: string, bearer: Bearer): string | null {
  if (!isPermission(permission)) return 'is no permission: two to eight parts of a-z 0-9 _ . - joined by colons, the last may be *'
  if (!isOfGatehouse(permission)) return null
  if (permission === ALL_OF_GATEHOUSE) return bearer === 'rule' ? null : 'stands in role admin alone; name the permissions one by one'
  const entry = ENTRIES.get(permission)
  if (!entry) return 'is no permission of Gatehouse: see docs/permissions.md'
  if (bearer === 'key' && entry.sessionsOnly) return 'is for people in person, not for a key'
  return bearer === 'member' && !entry.sessionsOnly ? 'may not stand in role member, which everybody has' : null
}

/** What must be held to give these: themselves and what they amount to, less what is free to give. */
export function weightOf(permissions: readonly string[]): string[] {
  const given = permissions.filter((permission) => !isOwnRight(permission))
  if (given.length === 0) return []
  const added = [...ENTRIES].flatMap(([name, { weight = [] }]) => (given.some((one) => covers(one, name)) ? weight : []))
  return [...new Set([...given, ...added])]
}

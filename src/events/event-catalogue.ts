// Every kind of event: what has happened, which of an audit row's details it tells, and what somebody must be able to read to be told of it.
// docs/events.md is made of it. A change whose action is not in here is no event; test/structure/documents.test.ts finds what was forgotten.
import type { GatehousePermission } from '../kernel/permission-catalogue.js'

interface Entry {
  says: string
  /** besides gatehouse:events.read: the permission that shows the subject anyhow */
  needs: GatehousePermission
  /** of the details in the audit row; no other is told */
  data?: readonly string[]
}

const PEOPLE = 'gatehouse:users.read'
const KEYS = 'gatehouse:keys.read'
const ROLES = 'gatehouse:roles.read'
const LIMITS = 'gatehouse:limits.read'
const GATE = 'gatehouse:gate.read'
const PROVIDERS = 'gatehouse:providers.read'
const CLIENTS = 'gatehouse:clients.read'
const WEBHOOKS = 'gatehouse:webhooks.read'
const QUEUE = 'gatehouse:queue.read'
const AUDIT = 'gatehouse:audit.read'
const ORGANIZATIONS = 'gatehouse:organizations.read'

const RULE = ['host', 'path', 'methods', 'public', 'permissions'] as const
const CLIENT = ['name', 'kind', 'enabled', 'scopes', 'resources'] as const
const PROVIDER = ['name', 'issuer', 'enabled', 'signUp'] as const

export const EVENTS = {
  'user.created': { says: 'An account was opened', needs: PEOPLE, data: ['kind', 'roles', 'anonymous'] },
  'user.updated': { says: 'An account was changed', needs: PEOPLE, data: ['fields', 'status', 'roles'] },
  'user.suspended': { says: 'An account was suspended: its sessions have ended and its keys stopped', needs: PEOPLE, data: ['fields', 'status', 'roles'] },
  'user.upgraded': { says: 'An anonymous account became somebody\'s', needs: PEOPLE },
  'user.deleted': { says: 'An account was deleted, with its sessions and keys', needs: PEOPLE, data: ['roles', 'own'] },
  'users.anonymous_expired': { says: 'Anonymous accounts that nobody came back to were deleted', needs: PEOPLE, data: ['count'] },
  'password.changed': { says: 'Somebody changed their password', needs: PEOPLE },
  'password.reset': { says: 'A password was set by a link, or by the host', needs: PEOPLE },
  'password.reset_asked': { says: 'Somebody asked for a link that sets a password', needs: PEOPLE },
  'password.reset_given': { says: 'A link that sets a password was given', needs: PEOPLE, data: ['expiresAt'] },
  'password.reset_refused': { says: 'A link that sets a password was used after whoever gave it had lost the right to', needs: PEOPLE },
  'invitation.given': { says: 'Somebody was invited to open an account', needs: PEOPLE, data: ['roles'] },
  'invitation.accepted': { says: 'An account was opened by an invitation', needs: PEOPLE, data: ['invitation', 'givenBy'] },
  'invitation.refused': { says: 'An invitation was accepted after whoever gave it had lost the right to', needs: PEOPLE, data: ['givenBy'] },
  'invitation.revoked': { says: 'An invitation was revoked', needs: PEOPLE },
  'email.verified': { says: 'Mail to the address of an account was shown to reach whoever uses it', needs: PEOPLE },
  'email.change_asked': { says: 'Somebody asked for another address for their account', needs: PEOPLE },
  'email.changed': { says: 'The address of an account was changed by its owner', needs: PEOPLE },
  'account.reclaimed': { says: 'The first sign-in by mail put out whoever was in an account whose address nobody had proven', needs: PEOPLE, data: ['passwordRemoved', 'sessionsEnded'] },
  'magic_link.asked': { says: 'Somebody asked for a mail to sign in by', needs: PEOPLE },
  'login.succeeded': { says: 'Somebody signed in', needs: PEOPLE, data: ['amr', 'acr'] },
  'login.challenged': { says: 'Somebody gave a right password, and is asked for a second factor', needs: PEOPLE, data: ['amr'] },
  'login.proven': { says: 'Somebody proved once more who they are', needs: PEOPLE, data: ['amr', 'acr'] },
  'session.ended': { says: 'A session was ended', needs: PEOPLE },
  'sessions.ended': { says: 'Several sessions of an account were ended', needs: PEOPLE, data: ['count', 'cap'] },
  'refresh.reused': { says: 'A refresh token came a second time: its session was ended', needs: PEOPLE },
  'device.new': { says: 'Somebody signed in on a device that was not known', needs: PEOPLE, data: ['device'] },
  'device.forgotten': { says: 'A device was forgotten', needs: PEOPLE, data: ['device'] },
  'factor.added': { says: 'A second factor was added', needs: PEOPLE, data: ['kind', 'factorId'] },
  'factor.removed': { says: 'A second factor was removed', needs: PEOPLE, data: ['kind', 'factorId'] },
  'factor.codes_made': { says: 'A set of recovery codes was made', needs: PEOPLE },
  'factor.code_used': { says: 'A recovery code was used', needs: PEOPLE },
  'factors.reset_planned': { says: 'That all factors of an account go was planned', needs: PEOPLE, data: ['dueAt'] },
  'factors.reset_cancelled': { says: 'It was called off', needs: PEOPLE },
  'factors.reset': { says: 'All factors of an account went, as was planned, and its sessions ended', needs: PEOPLE, data: ['givenBy'] },
  'factors.reset_refused': { says: 'Factors stayed: whoever planned that they go had lost the right to', needs: PEOPLE },
  'identity.linked': { says: 'An identity of another system was linked to an account', needs: PEOPLE, data: ['identityId', 'providerId', 'issuer'] },
  'identity.unlinked': { says: 'An identity of another system was taken from an account', needs: PEOPLE, data: ['identityId', 'providerId', 'issuer'] },
  'impersonation.started': { says: 'Somebody acts for an account', needs: PEOPLE, data: ['session', 'expiresAt'] },
  'role.taken_back': { says: 'A role was taken back from whom somebody had given it', needs: PEOPLE, data: ['role', 'givenBy'] },
  'organization.created': { says: 'An organization was opened', needs: ORGANIZATIONS, data: ['slug', 'entitlement'] },
  'organization.updated': { says: 'An organization was changed', needs: ORGANIZATIONS, data: ['slug', 'fields', 'status', 'entitlement'] },
  'organization.suspended': { says: 'An organization was suspended: its keys stopped, and nobody acts in it', needs: ORGANIZATIONS, data: ['slug', 'fields', 'status'] },
  'organization.deleted': { says: 'An organization was deleted, with what it had', needs: ORGANIZATIONS, data: ['slug'] },
  'organization.entered': { says: 'Somebody acts in an organization from now on, or in none', needs: PEOPLE, data: ['organizationId'] },
  'organization_member.added': { says: 'Somebody came into an organization', needs: ORGANIZATIONS, data: ['userId', 'owner', 'roles', 'invitation', 'domain'] },
  'organization_member.changed': { says: 'Somebody has other roles in an organization', needs: ORGANIZATIONS, data: ['userId', 'owner', 'roles'] },
  'organization_member.removed': { says: 'Somebody left an organization, or was taken out of it', needs: ORGANIZATIONS, data: ['userId', 'own'] },
  'organization_role.created': { says: 'An organization made a role', needs: ORGANIZATIONS, data: ['role', 'name', 'permissions', 'rights'] },
  'organization_role.updated': { says: 'An organization changed a role', needs: ORGANIZATIONS, data: ['role', 'name', 'fields', 'permissions', 'rights'] },
  'organization_role.deleted': { says: 'An organization deleted a role', needs: ORGANIZATIONS, data: ['role', 'name'] },
  'organization_invitation.created': { says: 'Somebody was invited into an organization', needs: ORGANIZATIONS, data: ['invitation', 'owner', 'roles'] },
  'organization_invitation.withdrawn': { says: 'An invitation into an organization was withdrawn', needs: ORGANIZATIONS, data: ['invitation'] },
  'organization_domain.asked': { says: 'An organization asked for a domain: it is to prove it', needs: ORGANIZATIONS, data: ['domain', 'automatic', 'roles'] },
  'organization_domain.verified': { says: 'An organization proved that a domain is its own', needs: ORGANIZATIONS, data: ['domain', 'automatic'] },
  'organization_domain.changed': { says: 'An organization said who comes in by a domain, and with what', needs: ORGANIZATIONS, data: ['domain', 'automatic', 'roles'] },
  'organization_domain.lost': { says: 'The record of a domain is gone: it is the organization\'s no longer', needs: ORGANIZATIONS, data: ['domain'] },
  'organization_domain.removed': { says: 'An organization gave up a domain', needs: ORGANIZATIONS, data: ['domain'] },
  'key.issued': { says: 'A key was issued', needs: KEYS, data: ['ownerUserId', 'kind', 'permissions'] },
  'key.updated': { says: 'A key was changed', needs: KEYS, data: ['fields', 'widened', 'permissions'] },
  'key.rotated': { says: 'A key got a successor', needs: KEYS, data: ['rotatedToId', 'graceSeconds'] },
  'key.revoked': { says: 'A key was revoked', needs: KEYS, data: ['ownerUserId', 'sweep'] },
  'key.adopted': { says: 'A key of an older version was judged', needs: KEYS },
  'keys.swept': { says: 'The revocation of many keys began', needs: KEYS },
  'role.created': { says: 'A role was created', needs: ROLES, data: ['name', 'permissions', 'requiresMfa'] },
  'role.updated': { says: 'A role was changed', needs: ROLES, data: ['name', 'fields', 'permissions', 'requiresMfa'] },
  'role.deleted': { says: 'A role was deleted', needs: ROLES, data: ['name'] },
  'limits.created': { says: 'Limits were set', needs: LIMITS },
  'limits.updated': { says: 'Limits were changed', needs: LIMITS },
  'limits.deleted': { says: 'Limits were removed', needs: LIMITS },
  'limit.exhausted': { says: 'A limit of a key or an owner ran out: somebody was refused for it. Once a window, and at most once an hour', needs: LIMITS, data: ['limit', 'quota', 'windowSeconds', 'resetSeconds', 'keyId', 'ownerId'] },
  'gate_rule.created': { says: 'A gate rule was made', needs: GATE, data: RULE },
  'gate_rule.updated': { says: 'A gate rule was changed', needs: GATE, data: RULE },
  'gate_rule.deleted': { says: 'A gate rule was deleted', needs: GATE, data: RULE },
  'provider.created': { says: 'An identity provider was added', needs: PROVIDERS, data: PROVIDER },
  'provider.updated': { says: 'An identity provider was changed', needs: PROVIDERS, data: PROVIDER },
  'provider.deleted': { says: 'An identity provider was removed', needs: PROVIDERS, data: PROVIDER },
  'client.created': { says: 'An OAuth client was made', needs: CLIENTS, data: CLIENT },
  'client.updated': { says: 'An OAuth client was changed', needs: CLIENTS, data: ['fields', ...CLIENT] },
  'client.deleted': { says: 'An OAuth client was deleted', needs: CLIENTS, data: CLIENT },
  'client.registered': { says: 'An OAuth client registered itself', needs: CLIENTS, data: ['name', 'kind'] },
  'client.secret_added': { says: 'An OAuth client got a secret more', needs: CLIENTS, data: ['name', 'secret'] },
  'client.secret_removed': { says: 'A secret of an OAuth client was taken away', needs: CLIENTS, data: ['name', 'secret'] },
  'consent.given': { says: 'Somebody let an application act for them', needs: CLIENTS, data: ['name', 'scopes', 'resources'] },
  'consent.withdrawn': { says: 'Somebody took back what they had let an application do', needs: CLIENTS },
  'grant.opened': { says: 'An application got tokens of somebody', needs: CLIENTS, data: ['name'] },
  'grant.returned': { says: 'An application gave back what it had been granted', needs: PEOPLE, data: ['client'] },
  'grant.refresh_reused': { says: 'A refresh token of an application came a second time: its grant was ended', needs: PEOPLE, data: ['client'] },
  'code.reused': { says: 'A code came a second time: what it had been traded for was ended', needs: PEOPLE, data: ['client'] },
  'token.revoked': { says: 'A client gave a token back', needs: CLIENTS, data: ['client'] },
  'resource.created': { says: 'An API was described that tokens are for', needs: CLIENTS, data: ['identifier', 'name'] },
  'resource.updated': { says: 'Such an API was changed', needs: CLIENTS, data: ['identifier', 'name', 'fields'] },
  'resource.deleted': { says: 'Such an API was deleted', needs: CLIENTS, data: ['identifier', 'name'] },
  'webhook.created': { says: 'A webhook endpoint was added', needs: WEBHOOKS, data: ['origin', 'types'] },
  'webhook.updated': { says: 'A webhook endpoint was changed', needs: WEBHOOKS, data: ['origin', 'types', 'enabled'] },
  'webhook.deleted': { says: 'A webhook endpoint was removed', needs: WEBHOOKS, data: ['origin'] },
  'webhook.secret_rotated': { says: 'A webhook endpoint got another secret', needs: WEBHOOKS, data: ['origin', 'overlapHours'] },
  'webhook.replayed': { says: 'Events were told to a webhook endpoint once more', needs: WEBHOOKS, data: ['origin', 'since', 'eventId'] },
  'webhook.disabled': { says: 'A webhook endpoint took nothing for five days, or said that it is no more: nothing is sent there', needs: WEBHOOKS, data: ['origin', 'why'] },
  'dead_letter.replayed': { says: 'Given-up work is done again', needs: QUEUE },
  'dead_letter.deleted': { says: 'Given-up work was forgotten', needs: QUEUE },
  'signing_key.rotated': { says: 'A signing key was rotated', needs: AUDIT, data: ['atOnce'] },
  'installation.set_up': { says: 'The installation was set up', needs: AUDIT },
  'users.exported': { says: 'Somebody took a copy of the accounts', needs: AUDIT },
  'keys.exported': { says: 'Somebody took a copy of everybody\'s keys', needs: AUDIT },
  'audit.exported': { says: 'Somebody took a copy of the audit log', needs: AUDIT },
  'usage.exported': { says: 'Somebody took a copy of others\' usage', needs: AUDIT, data: ['granularity'] },
} as const satisfies Record<string, Entry>

/** A kind of event that exists. */
export type EventType = keyof typeof EVENTS

/** Changes that are written down and are no events: somebody only looked. */
export const NO_EVENTS: readonly string[] = ['gate_rule.explained']

const ENTRIES: ReadonlyMap<string, Entry> = new Map(Object.entries<Entry>(EVENTS))

/** The entry of a type; undefined: no event. */
export function entryOf(type: string): Entry | undefined {
  return ENTRIES.get(type)
}

/** All types, in the order of the catalogue. */
export const EVENT_TYPES: readonly string[] = [...ENTRIES.keys()]

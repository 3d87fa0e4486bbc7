// The shapes of organizations on the wire, and of what is in one.
import { Type } from '@sinclair/typebox'
import { Id, strict, Time } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { PERMISSION_LENGTH, PERMISSION_PATTERN } from '../../src/kernel/permissions.js'
import { Limits, LimitView } from '../limits/schema.js'

const RIGHTS = ['organization.write', 'members.read', 'members.write', 'roles.write', 'keys.read', 'keys.write', 'clients.read', 'clients.write', 'webhooks.read', 'webhooks.write', 'usage.read', 'audit.read'] as const

const ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f50'
const ROLE = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f51'
const PERSON = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00'
const at = '2027-01-01T09:00:00.000Z'
const Version = Type.Integer({ description: 'Second half of the ETag' })
const NullableId = Type.Union([Type.String(), Type.Null()])

const Slug = Type.String({ pattern: '^[a-z][a-z0-9-]{1,38}[a-z0-9]$', description: 'What it is called in addresses; one of a kind' })
const Name = Type.String({ minLength: 1, maxLength: 100, 'x-text': 'name' })
const Metadata = Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true, description: 'Its operator\'s: at most 4096 bytes of JSON' })
const Permission = Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN })
const Entitlement = Type.Array(Permission, { maxItems: 200, uniqueItems: true, description: 'What it may do of the application\'s permissions: nobody in it, and no key of it, is worth more. Its operator\'s, with gatehouse:organizations.entitle' })
const Plan = Type.Array(Limits.items, { maxItems: 10, description: 'Limits that count over all its keys, and its members while they act in it. Its operator\'s, with gatehouse:limits.write' })
const ClientsMax = Type.Integer({ minimum: 0, maximum: 1_000, description: 'OAuth clients that it may have of its own. Its operator\'s, with gatehouse:clients.write' })
const WebhooksMax = Type.Integer({ minimum: 0, maximum: 100, description: 'Webhook endpoints that it may have of its own. Its operator\'s, with gatehouse:webhooks.write' })
const Status = Type.Unsafe<'active' | 'suspended'>({ type: 'string', enum: ['active', 'suspended'], description: 'suspended: its keys open nothing, and nobody acts in it' })

const organization = {
  id: ID, slug: 'acme', name: 'Acme', status: 'active', metadata: { plan: 'pro' }, entitlement: ['reports:*'], limits: [{ name: 'calls', quota: 10_000, windowSeconds: 60 }], clientsMax: 0, webhooksMax: 0, version: 1,
  createdAt: at, updatedAt: at,
}
const organizationFields = {
  id: Id, slug: Type.String(), name: Type.String(), status: Status, metadata: Metadata, entitlement: Type.Array(Type.String()), limits: Type.Array(LimitView), clientsMax: ClientsMax, webhooksMax: WebhooksMax,
  version: Version, createdAt: Time, updatedAt: Time,
}
export const OrganizationView = Type.Object(organizationFields, { examples: [organization] })
export const OrganizationPage = pageOf(OrganizationView)
export const OrganizationQuery = pageQuery(['createdAt', 'name'], organizationFields, { slug: Type.Optional(Slug), status: Type.Optional(Status) })
export const NewOrganization = strict({
  slug: Slug, name: Name, metadata: Type.Optional(Metadata), entitlement: Type.Optional(Entitlement), limits: Type.Optional(Plan), clientsMax: Type.Optional(ClientsMax),
  webhooksMax: Type.Optional(WebhooksMax),
  ownerUserId: Type.Optional(Type.String({ ...Id, description: 'Of an operator: who owns it; without, nobody yet. Anybody else owns what they open' })),
}, { examples: [{ slug: 'acme', name: 'Acme' }] })
export const OrganizationPatch = strict({
  slug: Type.Optional(Slug), name: Type.Optional(Name), status: Type.Optional(Status), metadata: Type.Optional(Metadata), entitlement: Type.Optional(Entitlement), limits: Type.Optional(Plan), clientsMax: Type.Optional(ClientsMax),
  webhooksMax: Type.Optional(WebhooksMax),
}, { minProperties: 1, examples: [{ entitlement: ['reports:*', 'exports:read'] }] })

export const OwnOrganizations = Type.Object({
  data: Type.Array(Type.Object({ id: Id, slug: Type.String(), name: Type.String(), status: Status, owner: Type.Boolean(), roles: Type.Array(Type.String()) })),
}, { examples: [{ data: [{ id: ID, slug: 'acme', name: 'Acme', status: 'active', owner: true, roles: [] }] }] })

export const MemberParams = strict({ id: Id, userId: Id })
const Owner = Type.Boolean({ description: 'May do all that the organization may, and everything with it' })
const RoleIds = Type.Array(Id, { maxItems: 20, uniqueItems: true, description: 'Ids of roles of the organization' })
const member = { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f52', organizationId: ID, userId: PERSON, email: 'ada@example.com', name: 'Ada', owner: false, roles: [ROLE], invitedBy: null, version: 1, createdAt: at, updatedAt: at }
const memberFields = {
  id: Id, organizationId: Id, userId: Id, email: NullableId, name: NullableId, owner: Owner, roles: Type.Array(Type.String()), invitedBy: NullableId, version: Version, createdAt: Time, updatedAt: Time,
}
export const MemberView = Type.Object(memberFields, { examples: [member] })
export const MemberPage = pageOf(MemberView)
export const MemberQuery = pageQuery(['createdAt'], memberFields, { userId: Type.Optional(Id), owner: Type.Optional(Type.Boolean()), role: Type.Optional(Id) })
export const NewMember = strict({ userId: Id, owner: Type.Optional(Owner), roles: Type.Optional(RoleIds) }, { examples: [{ userId: PERSON, owner: true }] })
export const MemberPatch = strict({ owner: Type.Optional(Owner), roles: Type.Optional(RoleIds) }, { minProperties: 1, examples: [{ roles: [ROLE] }] })

export const RoleParams = strict({ id: Id, roleId: Id })
const RoleName = Type.String({ minLength: 1, maxLength: 64, 'x-text': 'name' })
const Description = Type.String({ maxLength: 500, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$' })
const Permissions = Type.Array(Permission, { maxItems: 100, uniqueItems: true, description: 'Of the application, within what the organization is entitled to and the caller holds in it' })
const Right = Type.Unsafe<(typeof RIGHTS)[number]>({ type: 'string', enum: [...RIGHTS] })
const Rights = Type.Array(Right, { maxItems: RIGHTS.length, uniqueItems: true, description: 'To what the organization itself has' })
const role = { id: ROLE, organizationId: ID, name: 'Analysts', description: '', permissions: ['reports:read'], rights: ['members.read'], version: 1, createdAt: at, updatedAt: at }
const roleFields = { id: Id, organizationId: Id, name: Type.String(), description: Type.String(), permissions: Type.Array(Type.String()), rights: Type.Array(Right), version: Version, createdAt: Time, updatedAt: Time }
export const OrganizationRoleView = Type.Object(roleFields, { examples: [role] })
export const OrganizationRoleList = Type.Object({ data: Type.Array(Type.Object(roleFields), { description: 'All of them, by name' }) }, { examples: [{ data: [role] }] })
export const NewOrganizationRole = strict({ name: RoleName, description: Type.Optional(Description), permissions: Permissions, rights: Type.Optional(Rights) }, { examples: [{ name: 'Analysts', permissions: ['reports:read'], rights: ['members.read'] }] })
export const OrganizationRolePatch = strict({
  name: Type.Optional(RoleName), description: Type.Optional(Description), permissions: Type.Optional(Permissions), rights: Type.Optional(Rights),
}, { minProperties: 1, examples: [{ permissions: ['reports:read', 'reports:export'] }] })

export const InvitationParams = strict({ id: Id, invitationId: Id })
const Email = Type.String({ minLength: 3, maxLength: 254 })
const invitation = { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f53', organizationId: ID, email: 'ada@example.com', owner: false, roles: [ROLE], invitedBy: PERSON, createdAt: at, expiresAt: '2027-01-08T09:00:00.000Z' }
const invitationFields = { id: Id, organizationId: Id, email: Type.String(), owner: Owner, roles: Type.Array(Type.String()), invitedBy: Type.String(), createdAt: Time, expiresAt: Time }
export const OrganizationInvitationView = Type.Object(invitationFields, { examples: [invitation] })
export const OrganizationInvitationPage = pageOf(OrganizationInvitationView)
export const OrganizationInvitationQuery = pageQuery(['createdAt'], invitationFields, { email: Type.Optional(Email) })
export const NewOrganizationInvitation = strict({ email: Email, owner: Type.Optional(Owner), roles: Type.Optional(RoleIds) }, { examples: [{ email: 'ada@example.com', roles: [ROLE] }] })
export const Join = strict({ token: Type.String({ minLength: 1, maxLength: 200, description: 'Of the link in the mail' }) }, { examples: [{ token: 'gl_4fQzT0p9LmXc2Vb7Nq1Rw8Ys5Kd3Hj0aZ9xQ24fQzT0' }] })
export const Joined = Type.Object({ organizationId: Type.String() }, { examples: [{ organizationId: ID }] })

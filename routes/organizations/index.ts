// Organizations: opened, named, entitled, suspended and deleted. To whoever is not in one, and does not look after all of them, it is one that there is not.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent, WaitQuery } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import type { Access, Caller } from '../../src/kernel/principal.js'
import {
  InvitationParams, Join, Joined, MemberPage, MemberParams, MemberPatch, MemberQuery, MemberView, NewMember, NewOrganization, NewOrganizationInvitation, NewOrganizationRole, OrganizationInvitationPage,
  OrganizationInvitationQuery, OrganizationInvitationView, OrganizationPage, OrganizationPatch, OrganizationQuery, OrganizationRoleList, OrganizationRolePatch, OrganizationRoleView, OrganizationView, RoleParams,
} from './schema.js'

const tags = ['Organizations']
const LOOK: Access[] = ['user', 'gatehouse:organizations.read', 'gatehouse:organizations.write']

/** What If-Match asks for, where it is honoured and not needed. */
const versionOf = ({ headers }: { headers: { 'if-match'?: string | undefined } }, id: string): number | '*' => (headers['if-match'] === undefined ? '*' : expectedVersion(headers['if-match'], id))

export default (async (app) => {
  const { organizations, organizationMembers: members, organizationRoles: roles, organizationInvitations: invitations, audit } = app
  const recorded = <T>(request: { caller: Caller; params: { id: string } }, work: () => Promise<T>): Promise<T> => audit.recordingRefusal(request.caller, { targetType: 'organization', targetId: request.params.id }, work)

  app.get('/', {
    schema: { operationId: 'listOrganizations', summary: 'List organizations', description: 'Those that the caller is in; with gatehouse:organizations.read all of them.', tags, querystring: OrganizationQuery, response: { 200: OrganizationPage } },
    config: { access: LOOK, errors: ['cursor.invalid'] },
  }, async (request, reply) => reply.page(await organizations.list(request.caller, request.query)))

  app.post('/', {
    schema: {
      operationId: 'createOrganization', summary: 'Open an organization', tags, body: NewOrganization, response: { 201: OrganizationView },
      description: 'With gatehouse:own.organizations for oneself; it is entitled to nothing then. With gatehouse:organizations.write for whomever; what it is entitled to must be held, and takes gatehouse:organizations.entitle.',
    },
    config: { access: ['gatehouse:own.organizations', 'gatehouse:organizations.write'], idempotent: true, errors: ['permission.not_held', 'owner.unknown', 'organization.taken', 'organization.cap_reached'] },
  }, async (request, reply) => audit.recordingRefusal(request.caller, { targetType: 'organization', targetId: '' }, () =>
    request.idempotently(reply, 201, () => organizations.create(request.caller, request.body))))

  app.post('/join', {
    schema: {
      operationId: 'joinOrganization', summary: 'Take an invitation', tags, body: Join, response: { 200: Joined },
      description: 'With the token of the mail, once, signed in with the account of the address that it was sent to. Whoever invited is judged again.',
    },
    config: { access: ['user'], errors: ['organization.invitation_void', 'organization.member_known', 'organization.full'] },
  }, async (request) => app.organizationInvitations.take(request.caller, request.body.token))

  app.get('/:id', {
    schema: { operationId: 'readOrganization', summary: 'Read an organization', tags, params: IdParams, response: { 200: OrganizationView } },
    config: { access: LOOK, errors: ['organization.not_found'] },
  }, async (request, reply) => reply.versioned(await organizations.find(request.caller, request.params.id)))

  app.patch('/:id', {
    schema: {
      operationId: 'changeOrganization', summary: 'Change an organization', tags, params: IdParams, querystring: WaitQuery, body: OrganizationPatch, response: { 200: OrganizationView },
      description: 'Name and slug are its own (right organization.write). The rest is its operator\'s: status and metadata with gatehouse:organizations.write, entitlement with gatehouse:organizations.entitle, limits with '
        + 'gatehouse:limits.write, clientsMax with gatehouse:clients.write, webhooksMax with gatehouse:webhooks.write. What is taken away is gone from its keys and members at once.',
    },
    config: {
      access: ['user', 'gatehouse:organizations.write', 'gatehouse:organizations.entitle', 'gatehouse:limits.write', 'gatehouse:clients.write', 'gatehouse:webhooks.write', 'gatehouse:brake'],
      errors: ['organization.not_found', 'organization.taken', 'permission.not_held', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const { id } = request.params
    const expected = expectedVersion(request.headers['if-match'], id)
    const view = await recorded(request, () => organizations.update(request.caller, id, expected, request.body))
    await reply.effective(request.query.wait)
    return reply.versioned(view)
  })

  app.delete('/:id', {
    schema: {
      operationId: 'deleteOrganization', summary: 'Delete an organization', description: 'For ever, with its members, roles, invitations and keys. For its owners, and with gatehouse:organizations.write. If-Match is honoured when given.',
      tags, params: IdParams, querystring: WaitQuery, response: { 204: NoContent },
    },
    config: { access: ['user', 'gatehouse:organizations.write'], errors: ['organization.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    await recorded(request, () => organizations.remove(request.caller, id, versionOf(request, id)))
    await reply.effective(request.query.wait)
    return reply.code(204).send(null)
  })

  app.get('/:id/members', {
    schema: { operationId: 'listMembers', summary: 'List the members of an organization', description: 'Right members.read.', tags, params: IdParams, querystring: MemberQuery, response: { 200: MemberPage } },
    config: { access: LOOK, errors: ['organization.not_found', 'cursor.invalid'] },
  }, async (request, reply) => reply.page(await members.list(request.caller, request.params.id, request.query)))

  app.post('/:id/members', {
    schema: { operationId: 'addMember', summary: 'Put somebody into an organization', description: 'For operators. Members invite.', tags, params: IdParams, body: NewMember, response: { 201: MemberView } },
    config: { access: ['user', 'gatehouse:organizations.write'], idempotent: true, errors: ['organization.not_found', 'permission.not_held', 'role.unknown', 'owner.unknown', 'organization.member_known', 'organization.full'] },
  }, async (request, reply) => recorded(request, () =>
    request.idempotently(reply, 201, () => members.add(request.caller, request.params.id, { owner: false, roles: [], ...request.body }))))

  app.get('/:id/members/:userId', {
    schema: { operationId: 'readMember', summary: 'Read a membership', description: 'Right members.read; one\'s own without.', tags, params: MemberParams, response: { 200: MemberView } },
    config: { access: LOOK, errors: ['organization.not_found', 'organization.member_not_found'] },
  }, async (request, reply) => reply.versioned(await members.find(request.caller, request.params.id, request.params.userId)))

  app.patch('/:id/members/:userId', {
    schema: {
      operationId: 'changeMember', summary: 'Change what somebody is in an organization', tags, params: MemberParams, querystring: WaitQuery, body: MemberPatch, response: { 200: MemberView },
      description: 'Right members.write, and all that is given; owners are made and unmade by owners, and one stays.',
    },
    config: {
      access: ['user', 'gatehouse:organizations.write'],
      errors: ['organization.not_found', 'organization.member_not_found', 'permission.not_held', 'role.unknown', 'organization.last_owner', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const { id, userId } = request.params
    const { id: membership } = await members.find(request.caller, id, userId)
    const view = await recorded(request, () => members.update(request.caller, id, userId, expectedVersion(request.headers['if-match'], membership), request.body))
    await reply.effective(request.query.wait)
    return reply.versioned(view)
  })

  app.delete('/:id/members/:userId', {
    schema: {
      operationId: 'removeMember', summary: 'Take somebody out of an organization', tags, params: MemberParams, querystring: WaitQuery, response: { 204: NoContent },
      description: 'Right members.write; leaving oneself needs none. The last owner stays. If-Match is honoured when given.',
    },
    config: { access: ['user', 'gatehouse:organizations.write'], errors: ['organization.not_found', 'organization.member_not_found', 'permission.not_held', 'organization.last_owner', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, userId } = request.params
    const { id: membership } = await members.find(request.caller, id, userId)
    await recorded(request, () => members.remove(request.caller, id, userId, versionOf(request, membership)))
    await reply.effective(request.query.wait)
    return reply.code(204).send(null)
  })

  app.get('/:id/roles', {
    schema: { operationId: 'listOrganizationRoles', summary: 'List the roles of an organization', tags, params: IdParams, response: { 200: OrganizationRoleList } },
    config: { access: LOOK, errors: ['organization.not_found'] },
  }, async (request) => ({ data: await roles.list(request.caller, request.params.id) }))

  app.post('/:id/roles', {
    schema: {
      operationId: 'createOrganizationRole', summary: 'Make a role of an organization', tags, params: IdParams, body: NewOrganizationRole, response: { 201: OrganizationRoleView },
      description: 'Right roles.write. It is worth what the caller holds in the organization, and what that is entitled to, and no more.',
    },
    config: { access: ['user', 'gatehouse:organizations.write'], idempotent: true, errors: ['organization.not_found', 'permission.not_held', 'role.taken', 'role.cap_reached'] },
  }, async (request, reply) => recorded(request, () =>
    request.idempotently(reply, 201, () => roles.create(request.caller, request.params.id, { description: '', rights: [], ...request.body }))))

  app.get('/:id/roles/:roleId', {
    schema: { operationId: 'readOrganizationRole', summary: 'Read a role of an organization', tags, params: RoleParams, response: { 200: OrganizationRoleView } },
    config: { access: LOOK, errors: ['organization.not_found', 'role.not_found'] },
  }, async (request, reply) => reply.versioned(await roles.find(request.caller, request.params.id, request.params.roleId)))

  app.patch('/:id/roles/:roleId', {
    schema: {
      operationId: 'changeOrganizationRole', summary: 'Change a role of an organization', tags, params: RoleParams, querystring: WaitQuery, body: OrganizationRolePatch, response: { 200: OrganizationRoleView },
      description: 'Right roles.write, and all that the role is worth before and after. Those who have it follow at once.',
    },
    config: { access: ['user', 'gatehouse:organizations.write'], errors: ['organization.not_found', 'role.not_found', 'role.taken', 'permission.not_held', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, roleId } = request.params
    const view = await recorded(request, () => roles.update(request.caller, id, roleId, expectedVersion(request.headers['if-match'], roleId), request.body))
    await reply.effective(request.query.wait)
    return reply.versioned(view)
  })

  app.delete('/:id/roles/:roleId', {
    schema: { operationId: 'deleteOrganizationRole', summary: 'Delete a role of an organization', description: 'One that nobody has. If-Match is honoured when given.', tags, params: RoleParams, response: { 204: NoContent } },
    config: { access: ['user', 'gatehouse:organizations.write'], errors: ['organization.not_found', 'role.not_found', 'role.held', 'permission.not_held', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, roleId } = request.params
    await recorded(request, () => roles.remove(request.caller, id, roleId, versionOf(request, roleId)))
    return reply.code(204).send(null)
  })

  app.get('/:id/invitations', {
    schema: { operationId: 'listOrganizationInvitations', summary: 'List invitations that wait', description: 'Right members.read.', tags, params: IdParams, querystring: OrganizationInvitationQuery, response: { 200: OrganizationInvitationPage } },
    config: { access: LOOK, errors: ['organization.not_found', 'cursor.invalid'] },
  }, async (request, reply) => reply.page(await invitations.list(request.caller, request.params.id, request.query)))

  app.post('/:id/invitations', {
    schema: {
      operationId: 'inviteMember', summary: 'Invite somebody into an organization', tags, params: IdParams, body: NewOrganizationInvitation, response: { 201: OrganizationInvitationView },
      description: 'Right members.write, and all that is given. Mailed to that address, good once, for a week, and for the account of that address; one to the same address before it is void.',
    },
    config: { access: ['user', 'gatehouse:organizations.write'], idempotent: true, price: 10, errors: ['organization.not_found', 'permission.not_held', 'role.unknown', 'organization.member_known', 'organization.invitations_full', 'rate.limited'] },
  }, async (request, reply) => recorded(request, () =>
    request.idempotently(reply, 201, () => invitations.invite(request.caller, request.params.id, { owner: false, roles: [], ...request.body }))))

  app.delete('/:id/invitations/:invitationId', {
    schema: { operationId: 'withdrawInvitation', summary: 'Withdraw an invitation', description: 'Right members.write.', tags, params: InvitationParams, response: { 204: NoContent } },
    config: { access: ['user', 'gatehouse:organizations.write'], errors: ['organization.not_found', 'organization.invitation_not_found'] },
  }, async (request, reply) => {
    await invitations.withdraw(request.caller, request.params.id, request.params.invitationId)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

// Roles: named sets of permissions, with or without a plan. A name used again after a deletion is another role.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoContent, WaitQuery } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { NewRole, Role, RoleList, RoleParams, RolePatch, RoleQuery } from './schema.js'

const tags = ['Roles']

export default (async (app) => {
  const { roles } = app

  app.get('/', {
    schema: { operationId: 'listRoles', summary: 'List roles', tags, response: { 200: RoleList } },
    config: { access: ['gatehouse:roles.read', 'gatehouse:roles.write', 'gatehouse:users.read'] },
  }, async () => ({ data: await roles.list() }))

  app.post('/', {
    schema: { operationId: 'createRole', summary: 'Create a role', description: 'It may permit what the caller holds, and no more.', tags, body: NewRole, response: { 201: Role } },
    config: { access: ['gatehouse:roles.write'], errors: ['role.taken', 'role.cap_reached', 'permission.not_held'], idempotent: true },
  }, async (request, reply) => app.audit.recordingRefusal(request.caller, { targetType: 'role', targetId: '' }, () => request.idempotently(reply, 201, () => roles.create(request.caller, {
    description: '', limits: [], requiresMfa: false, ...request.body,
  }))))

  app.get('/:role', {
    schema: { operationId: 'readRole', summary: 'Read a role', tags, params: RoleParams, querystring: RoleQuery, response: { 200: Role } },
    config: { access: ['gatehouse:roles.read', 'gatehouse:roles.write', 'gatehouse:users.read'], errors: ['role.not_found'] },
  }, async ({ params, query }, reply) => (query.holders ? reply.send(await roles.findWithHolders(params.role, query.after ?? null)) : reply.versioned(await roles.find(params.role))))

  app.patch('/:role', {
    schema: {
      operationId: 'changeRole', summary: 'Change a role', tags, params: RoleParams, querystring: WaitQuery, body: RolePatch, response: { 200: Role },
      description: 'Needs If-Match, and all that the role permits before and after to be held. Sessions of its holders follow at once; bound keys lose what it no longer permits, and gain nothing.',
    },
    config: {
      access: ['gatehouse:roles.write'], errors: ['role.not_found', 'role.builtin', 'permission.not_held', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const { id } = await roles.find(request.params.role)
    const expected = expectedVersion(request.headers['if-match'], id)
    const view = await app.audit.recordingRefusal(request.caller, { targetType: 'role', targetId: id }, () => roles.update(request.caller, id, expected, request.body))
    await reply.effective(request.query.wait)
    return reply.versioned(view)
  })

  app.delete('/:role', {
    schema: { operationId: 'deleteRole', summary: 'Delete a role', description: 'One that nobody holds. If-Match is honoured when given.', tags, params: RoleParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:roles.write'], errors: ['role.not_found', 'role.builtin', 'role.held', 'permission.not_held', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = await roles.find(request.params.role)
    const header = request.headers['if-match']
    await app.audit.recordingRefusal(request.caller, { targetType: 'role', targetId: id }, () => roles.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id)))
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

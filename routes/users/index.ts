// Accounts, for those who manage them.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent, WaitQuery } from '../../plugins/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { NewUser, User, UserPage, UserPatch, UserQuery } from './schema.js'

const tags = ['Users']

export default (async (app) => {
  const { accounts } = app

  app.get('/', {
    schema: { summary: 'List users', tags, querystring: UserQuery, response: { 200: UserPage } },
    config: { access: ['gatehouse:users.read'], errors: ['cursor.invalid'] },
  }, async ({ query }) => accounts.list(query))

  app.post('/', {
    schema: {
      summary: 'Create a user',
      description: 'Without a password the user cannot sign in by one. A role can be given only by someone who holds its permissions; '
        + 'without `roles` the user is a member.',
      tags,
      body: NewUser,
      response: { 201: User },
    },
    config: {
      access: ['gatehouse:users.write'], idempotent: true, errors: ['email.taken', 'password.weak', 'role.unknown', 'permission.not_held', 'rate.limited', 'server.busy'],
    },
  }, async (request, reply) => {
    // hashed before the transaction that Idempotency-Key opens: it must not hold a connection for the time of a hash
    const draft = await accounts.draftFor(request.caller, request.body)
    return request.once(reply, 201, () => accounts.open(request.caller, draft))
  })

  app.get('/:id', {
    schema: { summary: 'Read a user', tags, params: IdParams, response: { 200: User } },
    config: { access: ['gatehouse:users.read'], errors: ['user.not_found'] },
  }, async ({ params }, reply) => reply.versioned(await accounts.find(params.id)))

  app.patch('/:id', {
    schema: {
      summary: 'Change a user',
      description: 'Suspending ends the user\'s sessions and stops their keys. Roles are replaced as a whole; '
        + 'a role taken away takes its permissions from the user\'s keys.',
      tags,
      params: IdParams,
      querystring: WaitQuery,
      body: UserPatch,
      response: { 200: User },
    },
    config: {
      access: ['gatehouse:users.write'],
      errors: ['user.not_found', 'email.taken', 'role.unknown', 'permission.not_held', 'admin.last', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const id = request.params.id.toLowerCase()
    const user = await accounts.update(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body)
    await reply.effective(request.query.wait)
    return reply.versioned(user)
  })

  app.delete('/:id', {
    schema: {
      summary: 'Delete a user',
      description: 'With their sessions and keys. If-Match is honoured when given.',
      tags,
      params: IdParams,
      querystring: WaitQuery,
      response: { 204: NoContent },
    },
    config: { access: ['gatehouse:users.write'], errors: ['user.not_found', 'permission.not_held', 'admin.last', 'precondition.failed'] },
  }, async (request, reply) => {
    const id = request.params.id.toLowerCase()
    const header = request.headers['if-match']
    await accounts.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id))
    await reply.effective(request.query.wait)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

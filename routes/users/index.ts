// Accounts, for those who manage them.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Id, IdParams, NoContent, strict, WaitQuery } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { Identities } from '../me/identities/schema.js'
import { Deleted, GivenPasswordReset, GrantCounts, GrantsQuery, Impersonate, NewUser, PlannedFactorReset, StartedImpersonation, User, UserPage, UserPatch, UserQuery } from './schema.js'

const tags = ['Users']
const IdentityParams = strict({ id: Id, identityId: Id })
const ChangeQuery = strict({ ...WaitQuery.properties, ...GrantsQuery })

export default (async (app) => {
  const { accounts, accountChanges, grants } = app

  app.get('/', {
    schema: { operationId: 'listUsers', summary: 'List users', tags, querystring: UserQuery, response: { 200: UserPage } },
    config: { access: ['gatehouse:users.read'], errors: ['cursor.invalid'] },
  }, async ({ query }, reply) => reply.page(await accounts.list(query)))

  app.post('/', {
    schema: {
      operationId: 'createUser', summary: 'Create a user',
      description: 'Without a password the user cannot sign in by one. A role can be given only by someone who holds its permissions; '
        + 'without `roles` the user is a member. `passwordHash` takes over the hash of another system, with gatehouse:users.import.',
      tags,
      body: NewUser,
      response: { 201: User },
    },
    config: {
      access: ['gatehouse:users.write'], idempotent: true, price: 10, errors: ['email.taken', 'password.weak', 'role.unknown', 'permission.not_held', 'rate.limited', 'server.busy'],
    },
  }, async (request, reply) => {
    // hashed before the transaction that Idempotency-Key opens: it must not hold a connection for the time of a hash
    const { caller } = request
    const draft = await app.audit.recordingRefusal(caller, { targetType: 'user', targetId: '' }, () => accounts.draftFor(caller, request.body))
    return app.audit.recordingRefusal(caller, { targetType: 'user', targetId: '' }, () => request.idempotently(reply, 201, () => accounts.open(caller, draft)))
  })

  app.get('/:id', {
    schema: { operationId: 'readUser', summary: 'Read a user', tags, params: IdParams, response: { 200: User } },
    config: { access: ['gatehouse:users.read'], errors: ['user.not_found'] },
  }, async ({ params }, reply) => reply.versioned(await accounts.find(params.id)))

  app.get('/:id/grants', {
    schema: { operationId: 'readGrants', summary: 'What a user has given to others', description: 'Counted, so that it is known before somebody is stopped.', tags, params: IdParams, response: { 200: GrantCounts } },
    config: { access: ['gatehouse:users.read'], errors: ['user.not_found'] },
  }, async ({ params }) => {
    const { id } = await accounts.find(params.id)
    return grants.count(id)
  })

  app.patch('/:id', {
    schema: {
      operationId: 'changeUser', summary: 'Change a user',
      description: 'Suspending ends the user\'s sessions and stops their keys. Roles are replaced as a whole; '
        + 'a role taken away takes its permissions from the user\'s keys.',
      tags,
      params: IdParams,
      querystring: ChangeQuery,
      body: UserPatch,
      response: { 200: User },
    },
    config: {
      access: ['gatehouse:users.write', 'gatehouse:brake'],
      errors: ['user.not_found', 'email.taken', 'role.unknown', 'permission.not_held', 'admin.last', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const id = request.params.id.toLowerCase()
    const user = await accountChanges.update(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body, request.query.grants)
    await reply.effective(request.query.wait)
    return reply.versioned(user)
  })

  app.delete('/:id', {
    schema: {
      operationId: 'deleteUser', summary: 'Delete a user',
      description: 'With their sessions and keys. If-Match is honoured when given.',
      tags,
      params: IdParams,
      querystring: ChangeQuery,
      response: { 200: Deleted },
    },
    config: { access: ['gatehouse:users.write'], errors: ['user.not_found', 'permission.not_held', 'admin.last', 'precondition.failed'] },
  }, async (request, reply) => {
    const id = request.params.id.toLowerCase()
    const header = request.headers['if-match']
    const removed = await accountChanges.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id), request.query.grants)
    await reply.effective(request.query.wait)
    return removed
  })

  app.post('/:id/password-reset', {
    schema: {
      operationId: 'givePasswordReset', summary: 'Give a link that sets a user\'s password',
      description: 'For who has forgotten theirs, or was created without one. Needs everything the user may do. The token is answered once, works once and for an hour, '
        + 'and voids the one before; so does a change of the user\'s roles, status, e-mail or password. Whoever gave it is judged again when it is used.',
      tags,
      params: IdParams,
      response: { 201: GivenPasswordReset },
    },
    config: { access: ['gatehouse:users.write'], errors: ['user.not_found', 'access.denied', 'permission.not_held', 'reset.unavailable'] },
  }, async (request, reply) => reply.code(201).send(await app.passwordResets.give(request.caller, request.params.id.toLowerCase())))

  app.post('/:id/impersonate', {
    schema: {
      operationId: 'impersonateUser', summary: 'Act for a user',
      description: 'For who is signed in, and may do all that the user may, their sold keys included. The token is good for a quarter of an hour, for reading and for repairing what is the user\'s own, '
        + 'as far as both may: it gives nothing, lets nobody in and changes no password, address, factor or key. It ends with one\'s own session, with a loss of one\'s rights, with the next '
        + 'such token, and by POST /auth/logout. Each step is in the audit log, in both names. `act` in the token and in GET /whoami says that it is one.',
      tags,
      params: IdParams,
      body: Impersonate,
      response: { 201: StartedImpersonation },
    },
    config: { access: ['gatehouse:users.impersonate'], price: 10, errors: ['user.not_found', 'permission.not_held', 'impersonation.unavailable'] },
  }, async (request, reply) => reply.code(201).send(await app.impersonation.start(request.caller, request.params.id, request.body.reason)))

  app.get('/:id/identities', {
    schema: { operationId: 'listIdentities', summary: 'A user\'s identities at other systems', tags, params: IdParams, response: { 200: Identities } },
    config: { access: ['gatehouse:users.read'], errors: ['user.not_found'] },
  }, async ({ params }) => {
    const { id } = await accounts.find(params.id)
    return { data: await app.identities.list(id) }
  })

  app.delete('/:id/identities/:identityId', {
    schema: { operationId: 'unlinkIdentity', summary: 'Take an identity of a user away', description: 'Ends the user\'s sessions. It says how somebody may come back, and so takes all that they may do.', tags, params: IdentityParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:users.write'], errors: ['user.not_found', 'identity.not_found', 'permission.not_held'] },
  }, async (request, reply) => {
    await app.identities.unlinkOf(request.caller, request.params.id, request.params.identityId)
    return reply.code(204).send(null)
  })

  app.post('/:id/factors/reset', {
    schema: {
      operationId: 'planFactorReset', summary: 'Plan that all factors of a user go',
      description: 'For who has lost them all, the recovery codes too. Needs everything the user may do, and is not for oneself. It happens 24 hours later: the user is told at once, and calls it off by proving a factor. '
        + 'Whoever planned it is judged again then. It ends the user\'s sessions. One that is planned already is planned anew.',
      tags, params: IdParams, response: { 202: PlannedFactorReset },
    },
    config: { access: ['gatehouse:users.write'], price: 10, errors: ['user.not_found', 'access.denied', 'permission.not_held', 'factor.none'] },
  }, async ({ caller, params }, reply) => reply.code(202).send(await app.factorResets.plan(caller, params.id)))

  app.get('/:id/factors/reset', {
    schema: { operationId: 'readFactorReset', summary: 'The planned reset of a user\'s factors', tags, params: IdParams, response: { 200: PlannedFactorReset } },
    config: { access: ['gatehouse:users.read'], errors: ['factor_reset.not_found'] },
  }, async ({ params }) => app.factorResets.find(params.id))

  app.delete('/:id/factors/reset', {
    schema: { operationId: 'cancelFactorReset', summary: 'Call a reset of factors off', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:users.write'], errors: ['user.not_found', 'factor_reset.not_found'] },
  }, async ({ caller, params }, reply) => {
    await app.factorResets.cancel(caller, params.id)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

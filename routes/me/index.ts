// The signed-in user's own account.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NoContent, RECENT, strict, WaitQuery } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { NewPassword, NullableLocale, NullableName, Password, User } from '../users/schema.js'

const tags = ['Account']
const OwnChanges = strict({ name: Type.Optional(NullableName), locale: Type.Optional(NullableLocale) }, { minProperties: 1, examples: [{ name: 'Ada Lovelace', locale: 'en-GB' }] })
const PasswordChange = strict({ currentPassword: Password, newPassword: NewPassword }, {
  examples: [{ currentPassword: 'correct horse battery staple', newPassword: 'a quiet mountain of paper' }],
})

export default (async (app) => {
  const { accounts } = app

  app.get('/', {
    schema: { operationId: 'readMe', summary: 'Read my account', tags, response: { 200: User } },
    config: { access: ['user'], errors: ['user.not_found'] },
  }, async (request, reply) => reply.versioned(await accounts.find(request.signedIn().id)))

  app.patch('/', {
    schema: { operationId: 'changeMe', summary: 'Change my name or language', tags, body: OwnChanges, response: { 200: User } },
    config: { access: ['gatehouse:own.profile'], impersonated: true, errors: ['user.not_found', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.signedIn()
    return reply.versioned(await accounts.changeOwn(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body))
  })

  app.delete('/', {
    schema: {
      operationId: 'deleteMe', summary: 'Delete my account',
      description: 'For ever, with its sessions, keys and devices. Keys and roles that I gave to others stand: an administrator ends those. The audit log keeps what was done.',
      tags, querystring: WaitQuery, response: { 204: NoContent },
    },
    config: { access: ['user'], stepUp: RECENT, errors: ['user.not_found', 'admin.last', 'organization.last_owner'], price: 10 },
  }, async (request, reply) => {
    await app.accountChanges.removeOwn(request.caller)
    await reply.effective(request.query.wait)
    return reply.code(204).send(null)
  })

  app.post('/password', {
    schema: {
      operationId: 'changeMyPassword', summary: 'Change my password',
      description: 'Ends every other session of mine. Wrong guesses of the current password count like failed sign-ins.',
      tags,
      body: PasswordChange,
      response: { 204: NoContent },
    },
    config: { access: ['gatehouse:own.profile'], errors: ['credentials.invalid', 'password.weak', 'login.throttled', 'rate.limited', 'server.busy'], price: 10 },
  }, async (request, reply) => {
    await accounts.changePassword(request.caller, request.body)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

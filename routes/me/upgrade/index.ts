// From an anonymous account to a real one.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SignUp, User } from '../../users/schema.js'

export default (async (app) => {
  const { anonymous, signUp } = app

  app.post('/', {
    schema: {
      operationId: 'upgradeMe', summary: 'Make my anonymous account a real one',
      description: 'With an address and a password; id, sessions and keys stay. It is a sign-up, and open to whom that is.',
      tags: ['Account'], body: SignUp, response: { 200: User },
    },
    config: { access: ['user'], price: 10, errors: ['signup.closed', 'account.not_anonymous', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    preParsing: () => signUp.requireOpen(),
  }, async (request, reply) => reply.versioned(await anonymous.upgrade(request.caller, request.body)))
}) satisfies FastifyPluginAsyncTypebox

// The one-time set-up of an installation.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SetUp, SignedIn } from '../users/schema.js'

export default (async (app) => {
  app.post('/', {
    schema: {
      operationId: 'setUp', summary: 'Set this installation up',
      description: 'Opens the first administrator\'s account and signs in. Works once, with the token that Gatehouse prints at its start on an empty database.',
      tags: ['Setup'],
      body: SetUp,
      response: { 201: SignedIn },
    },
    config: { access: ['public'], idempotent: true, errors: ['setup.done', 'setup.token_invalid', 'email.taken', 'password.weak', 'server.busy'] },
  }, async (request, reply) => request.idempotently(reply, 201, () => app.setup.setUp(request.caller, request.body)))
}) satisfies FastifyPluginAsyncTypebox

// The one-time set-up of an installation.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { tokensOf } from '../../plugins/http/route-kit.js'
import { SetUp, SignedInHere } from '../users/schema.js'

export default (async (app) => {
  app.post('/', {
    schema: {
      operationId: 'setUp', summary: 'Set this installation up',
      description: 'Opens the first administrator\'s account and signs in. Works once, with the token that Gatehouse prints at its start on an empty database.',
      tags: ['Setup'],
      body: SetUp,
      response: { 201: SignedInHere },
    },
    config: { access: ['public'], idempotent: true, errors: ['setup.done', 'setup.token_invalid', 'email.taken', 'password.weak', 'server.busy'] },
  }, async (request, reply) => request.idempotently(reply, 201, async () => tokensOf(await app.setup.setUp(request.caller, request.body))))
}) satisfies FastifyPluginAsyncTypebox

// Using an application before saying who one is.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SignedIn } from '../../users/schema.js'

export default (async (app) => {
  const { anonymous } = app

  app.post('/', {
    schema: {
      operationId: 'signInAnonymously', summary: 'Sign in without an account',
      description: 'Opens an account that has no address and no password, only where ANONYMOUS_USERS is on. It may what every member may, and is deleted when neither a session nor a key of it has been used '
        + 'for ANONYMOUS_USERS_KEPT_DAYS. POST /me/upgrade makes it a real one, with the same id, sessions and keys. Whoever loses the refresh token has lost it.',
      tags: ['Sign-in'], response: { 201: SignedIn },
    },
    config: { access: ['public'], rateLimit: { max: 20, timeWindow: 600_000 }, errors: ['signup.closed', 'rate.limited', 'session.cap_reached'] },
    // before the body is read: whoever is refused has cost nothing
    preParsing: () => anonymous.requireOpen(),
  }, async (request, reply) => reply.code(201).send(await anonymous.open(request.caller)))
}) satisfies FastifyPluginAsyncTypebox

// Forgotten passwords: asking for a link, and setting a password with one, mailed or given by an administrator.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Accepted, NoContent, strict } from '../../../plugins/http/route-kit.js'
import { Email, NewPassword } from '../../users/schema.js'

const PasswordReset = strict({
  token: Type.String({ minLength: 1, maxLength: 256, description: 'Of the mail, or from POST /users/{id}/password-reset' }),
  newPassword: NewPassword,
}, { examples: [{ token: 'gp_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', newPassword: 'a quiet mountain of paper' }] })

const Forgotten = strict({ email: Email }, { examples: [{ email: 'ada@example.com' }] })

export default (async (app) => {
  app.post('/forgot', {
    schema: {
      operationId: 'forgotPassword', summary: 'Ask for a link that sets my password',
      description: 'Answers 202 whether or not there is such an account; where there is, a link that works once for 20 minutes is mailed to it. A few an hour go to one address. '
        + 'Nothing of the account changes until the link is used.',
      tags: ['Sign-in'],
      body: Forgotten,
      response: { 202: Accepted },
    },
    config: { access: ['public'], rateLimit: { max: 20, timeWindow: 600_000 }, errors: ['rate.limited'] },
  }, async (request, reply) => {
    await app.forgottenPasswords.ask(request.caller, request.body.email)
    return reply.code(202).send({ status: 'accepted' })
  })

  app.post('/reset', {
    schema: {
      operationId: 'resetPassword', summary: 'Set a password with a link',
      description: 'Works once, and ends every session of the account. A token that is wrong, used, expired, replaced by a later one or void answers '
        + '410 alike; it is void when the account\'s roles, status, e-mail or password have changed, or whoever gave it no longer may. A password that is too weak uses nothing up.',
      tags: ['Sign-in'],
      body: PasswordReset,
      response: { 204: NoContent },
    },
    // an address's share of hashing and of guesses
    config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000 }, errors: ['reset.void', 'password.weak', 'rate.limited', 'server.busy'] },
  }, async (request, reply) => {
    await app.passwordResets.take(request.caller, request.body)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

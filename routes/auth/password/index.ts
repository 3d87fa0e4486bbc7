// Setting a password with a link that an administrator gave.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NoContent, strict } from '../../../plugins/http/route-kit.js'
import { NewPassword } from '../../users/schema.js'

const PasswordReset = strict({
  token: Type.String({ minLength: 1, maxLength: 256, description: 'From POST /users/{id}/password-reset' }),
  newPassword: NewPassword,
}, { examples: [{ token: 'gp_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', newPassword: 'a quiet mountain of paper' }] })

export default (async (app) => {
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

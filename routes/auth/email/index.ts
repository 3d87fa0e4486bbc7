// Confirming an address with a link that was mailed to it: that of an account, or the one that it is to have.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoContent } from '../../../plugins/http/route-kit.js'
import { MailedToken } from '../../users/schema.js'

const tags = ['Sign-in']
const rateLimit = { max: 60, timeWindow: 60_000 }

export default (async (app) => {
  const { ownEmail } = app

  app.post('/verify', {
    schema: {
      operationId: 'verifyEmail', summary: 'Confirm the address of an account', tags, body: MailedToken, response: { 204: NoContent },
      description: 'With the token of a mail that went there after signing up, or after POST /me/email/verify. Works once, for 24 hours; void when the account\'s address, password or status has changed since.',
    },
    config: { access: ['public'], rateLimit, errors: ['confirmation.void', 'rate.limited'] },
  }, async (request, reply) => {
    await ownEmail.prove(request.caller, request.body.token)
    return reply.code(204).send(null)
  })

  app.post('/change', {
    schema: {
      operationId: 'confirmEmailChange', summary: 'Change the address of an account to the one that was mailed to', tags, body: MailedToken, response: { 204: NoContent },
      description: 'With the token of the mail that POST /me/email sent. Works once, for 24 hours; void when the account\'s address, password or status has changed since, when another change was asked for, and when the session that asked has ended. '
        + 'Ends every session but the one that asked, and tells the old address. 409 email.taken when it is another account\'s address, which uses nothing up.',
    },
    config: { access: ['public'], rateLimit, errors: ['confirmation.void', 'email.taken', 'rate.limited'] },
  }, async (request, reply) => {
    await ownEmail.change(request.caller, request.body.token)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

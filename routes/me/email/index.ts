// Asking for a mail about the address of one's own account. What is done with it is at /auth/email.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Accepted, RECENT, strict } from '../../../plugins/http/route-kit.js'
import { Email } from '../../users/schema.js'

const tags = ['Account']
const NewEmail = strict({ email: Email }, { examples: [{ email: 'ada@new.example.com' }] })

export default (async (app) => {
  const { ownEmail } = app

  app.post('/', {
    schema: {
      operationId: 'askForEmailChange', summary: 'Ask for another address', tags, body: NewEmail, response: { 202: Accepted },
      description: 'Mails a link to the new address, by which it takes the place of the old one within 24 hours, and tells the old one. Answers alike whether or not the new one is somebody\'s. '
        + 'A change that was asked for before is void; so is this one when the password changes. Five an hour.',
    },
    config: { access: ['gatehouse:own.profile'], stepUp: RECENT, price: 10, errors: ['user.not_found', 'rate.limited'] },
  }, async (request, reply) => {
    await ownEmail.askChange(request.caller, request.body.email)
    return reply.code(202).send({ status: 'accepted' })
  })

  app.post('/verify', {
    schema: {
      operationId: 'askForEmailProof', summary: 'Ask for a link that confirms my address', tags, response: { 202: Accepted },
      description: 'Mails one, unless the address is confirmed already or three went there within the hour.',
    },
    config: { access: ['gatehouse:own.profile'], price: 10, errors: ['user.not_found'] },
  }, async (request, reply) => {
    await ownEmail.askOwnProof(request.caller)
    return reply.code(202).send({ status: 'accepted' })
  })
}) satisfies FastifyPluginAsyncTypebox

// Accepting an invitation.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { tokensOf } from '../../../plugins/http/route-kit.js'
import { OpenByLink, SignedInHere } from '../../users/schema.js'

export default (async (app) => {
  const { invitations, signUp } = app

  app.post('/accept', {
    schema: {
      operationId: 'acceptInvitation', summary: 'Accept an invitation', tags: ['Sign-in'], body: OpenByLink, response: { 201: SignedInHere },
      description: 'Opens the account that one is invited to, with the token of the mail and a password, and answers what a sign-in answers. A token that is wrong, used, expired or revoked answers 410, and so does one '
        + 'whose giver could not give it any more. A password that is too weak uses nothing up. 409 email.taken when the address has an account by now.',
    },
    // an address's share of hashing and of guesses
    config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000 }, errors: ['signup.closed', 'invitation.void', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    preParsing: () => signUp.requireInvitations(),
  }, async (request, reply) => reply.code(201).send(tokensOf(await invitations.accept(request.caller, request.body, { kind: 'token' }))))
}) satisfies FastifyPluginAsyncTypebox

// From an anonymous account to a real one.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Accepted } from '../../../plugins/http/route-kit.js'
import { OpenByLink, SignUp, User } from '../../users/schema.js'

export default (async (app) => {
  const { signUp, signUps } = app

  app.post('/', {
    schema: {
      operationId: 'upgradeMe', summary: 'Make my anonymous account a real one',
      description: 'It is a sign-up, and open to whom that is. With an address and a password: id, sessions and keys stay. Where EMAIL_VERIFICATION is `required`: with an address alone, and answered 202 for every '
        + 'one of them. The link that is mailed there makes the account a real one: with POST /me/upgrade/confirm all stays as well; with POST /auth/signup/confirm the id alone, for whoever reads the mail need not be who asked.',
      tags: ['Account'], body: SignUp, response: { 200: User, 202: Accepted },
    },
    config: { access: ['user'], price: 10, errors: ['signup.closed', 'account.not_anonymous', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    preParsing: () => signUp.requireOpen(),
  }, async (request, reply) => {
    const { caller, body } = request
    if (signUps.isConfirmed) return reply.code(202).send(await signUps.askUpgrade(caller, body, request.wishedLocale()))
    return reply.versioned(await signUps.upgrade(caller, body))
  })

  app.post('/confirm', {
    schema: {
      operationId: 'confirmMyUpgrade', summary: 'Make my anonymous account a real one with the link of the mail',
      description: 'In a session of the account that asked for the link: id, keys and this session stay. Its other sessions, factors, devices and identities end. Works once, for 24 hours; a password that is too weak uses nothing up.',
      tags: ['Account'], body: OpenByLink, response: { 200: User },
    },
    config: { access: ['user'], price: 10, errors: ['signup.closed', 'confirmation.void', 'account.not_anonymous', 'session.not_found', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    preParsing: () => signUp.requireOpen(),
  }, async ({ caller, body }, reply) => reply.versioned(await signUps.confirmOwn(caller, body)))
}) satisfies FastifyPluginAsyncTypebox

// Signing up and signing in for tokens, with e-mail and password.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { tokensOf } from '../../plugins/http/route-kit.js'
import { LoggedIn, LogIn, SignedIn, SignUp } from '../users/schema.js'

const tags = ['Sign-in']

export default (async (app) => {
  const { login, signUp } = app

  app.post('/signup', {
    schema: { operationId: 'signUp', summary: 'Sign up', description: 'Opens a member\'s account and signs in. Only where SIGN_UP is open; elsewhere administrators open accounts.', tags, body: SignUp, response: { 201: SignedIn } },
    config: { access: ['public'], idempotent: true, errors: ['signup.closed', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    // after the limit by address and before the body is read: whoever is refused has cost nothing and learnt nothing
    preParsing: () => signUp.requireOpen(),
  }, async (request, reply) => {
    // hashed before the transaction that Idempotency-Key opens: strangers must not hold connections for the time of a hash
    const draft = await login.draft(request.caller, request.body)
    return request.idempotently(reply, 201, () => login.open(request.caller, draft))
  })

  app.post('/login', {
    schema: {
      operationId: 'signIn', summary: 'Sign in',
      description: 'Wrong password, unknown e-mail and suspended account answer alike. Too many failures in a row answer 429 for up to 15 minutes; '
        + 'a device that sends the deviceToken of an earlier sign-in is not held back by failures of others. An account with a second factor is asked for that next: `mfa_required`.',
      tags,
      body: LogIn,
      response: { 200: LoggedIn },
    },
    config: { access: ['public'], errors: ['credentials.invalid', 'login.throttled', 'session.cap_reached', 'server.busy'] },
  }, async (request) => tokensOf(await login.logIn(request.caller, request.body)))
}) satisfies FastifyPluginAsyncTypebox

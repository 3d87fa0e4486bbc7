// Signing up and signing in for tokens, with e-mail and password.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Accepted, tokensOf } from '../../plugins/http/route-kit.js'
import { LoggedIn, LogIn, OpenByLink, SignedInHere, SignUp } from '../users/schema.js'

const tags = ['Sign-in']

export default (async (app) => {
  const { login, signUp, signUps } = app
  // each may send a mail to a stranger
  const limit = signUps.isConfirmed ? { rateLimit: { max: 60, timeWindow: 600_000 } } : {}

  app.post('/signup', {
    schema: {
      operationId: 'signUp', summary: 'Sign up', tags, body: SignUp, response: { 201: SignedInHere, 202: Accepted },
      description: 'Only where SIGN_UP is open; elsewhere administrators open accounts, or invite. Where EMAIL_VERIFICATION is `required`: takes an address alone and answers 202 whether or not it has an account. A link is mailed to it by '
        + 'which POST /auth/signup/confirm opens one, or a note to the owner of the one there is; three an hour. Else: opens a member\'s account with a password, and answers what a sign-in answers.',
    },
    config: { access: ['public'], ...limit, idempotent: true, errors: ['signup.closed', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    // after the limit by address and before the body is read: whoever is refused has cost nothing and learnt nothing
    preParsing: () => signUp.requireOpen(),
  }, async (request, reply) => {
    const { caller, body } = request
    const locale = request.wishedLocale()
    if (signUps.isConfirmed) return request.idempotently(reply, 202, () => signUps.ask(caller, body, locale))
    // hashed before the transaction that Idempotency-Key opens: strangers must not hold connections for the time of a hash
    const draft = await signUps.draft(caller, body, locale)
    return request.idempotently(reply, 201, async () => tokensOf(await signUps.open(caller, draft, { kind: 'token' })))
  })

  app.post('/signup/confirm', {
    schema: {
      operationId: 'confirmSignUp', summary: 'Open the account that was asked for', tags, body: OpenByLink, response: { 201: SignedInHere },
      description: 'With the token of the mail and a password, which is chosen now. Answers what a sign-in answers. Works once, for 24 hours; a password that is too weak uses nothing up. '
        + '409 email.taken when the address has an account by now. A link that an anonymous account asked for makes that one real: its id stays, and its sessions and keys end.',
    },
    // an address's share of hashing and of guesses
    config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000 }, errors: ['signup.closed', 'confirmation.void', 'account.not_anonymous', 'email.taken', 'password.weak', 'rate.limited', 'server.busy'] },
    preParsing: () => signUp.requireOpen(),
  }, async (request, reply) => reply.code(201).send(tokensOf(await signUps.confirm(request.caller, request.body, { kind: 'token' }))))

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

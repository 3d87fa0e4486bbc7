// Proving once more who one is, in the session that asks: what answered 401 login.stepup opens again (RFC 9470).
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { answerOf } from '../../../plugins/http/route-kit.js'
import session from '../../../plugins/security/session.js'
import { Proven, RequestOptions, StepUpAnswer } from '../mfa/schema.js'

const tags = ['Sign-in']

export default (async (app) => {
  await app.register(session)
  const { stepUps } = app

  app.post('/', {
    schema: {
      operationId: 'stepUp', summary: 'Prove once more who I am',
      description: 'By the password, or by a second factor where the account has one. Whoever has neither signs in anew. Wrong guesses count like failed sign-ins. '
        + 'A session by cookie gets a new cookie; the one before ends.',
      tags, body: StepUpAnswer, response: { 200: Proven },
    },
    config: { access: ['user'], price: 10, errors: ['credentials.invalid', 'factor.invalid', 'factor.required', 'login.throttled', 'session.not_found', 'rate.limited', 'server.busy'] },
  }, async (request, reply) => {
    const { body, caller } = request
    const proven = await request.renewCookie((cookieSecret) => stepUps.prove(caller, body.method === 'password' ? body : answerOf(body), cookieSecret))
    await reply.effective(false)
    return proven
  })

  app.post('/passkey-options', {
    schema: { operationId: 'readStepUpPasskeyOptions', summary: 'Options for proving who I am by a passkey', tags, response: { 200: RequestOptions } },
    config: { access: ['user'] },
  }, async ({ caller }) => stepUps.passkeyOptions(caller))
}) satisfies FastifyPluginAsyncTypebox

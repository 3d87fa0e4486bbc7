// The second factor of a sign-in that asked for one, for tokens. Into a cookie: routes/auth/session.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { answerOf, tokensOf } from '../../../plugins/http/route-kit.js'
import { SignedInHere } from '../../users/schema.js'
import { MfaAnswer, MfaChallenge, RequestOptions } from './schema.js'

const tags = ['Sign-in']
const LIMIT = { max: 120, timeWindow: 60_000 }

export default (async (app) => {
  const { mfa } = app

  app.post('/', {
    schema: {
      operationId: 'signInWithSecondFactor', summary: 'Answer the challenge of a sign-in',
      description: 'A challenge lives five minutes and takes five tries; after ten wrong codes in 15 minutes an account takes none, whatever challenge they answer. A code counts once.',
      tags, body: MfaAnswer, response: { 200: SignedInHere },
    },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['challenge.invalid', 'factor.invalid', 'login.throttled', 'session.cap_reached', 'rate.limited'] },
  }, async ({ body, caller }) => tokensOf(await mfa.answer(caller, {
    challenge: body.challenge, answer: answerOf(body), deviceToken: body.deviceToken, open: { kind: 'token', endOldest: body.endOldest },
  })))

  app.post('/passkey-options', {
    schema: { operationId: 'readMfaPasskeyOptions', summary: 'Options for answering a challenge with a passkey', tags, body: MfaChallenge, response: { 200: RequestOptions } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['challenge.invalid', 'rate.limited'] },
  }, async ({ body }) => mfa.passkeyOptions(body.challenge))
}) satisfies FastifyPluginAsyncTypebox

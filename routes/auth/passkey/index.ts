// Signing in by a passkey alone, for tokens. Into a cookie: routes/auth/session.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { assertionOf, tokensOf } from '../../../plugins/http/route-kit.js'
import { SignedInHere } from '../../users/schema.js'
import { PasskeyTokenSignIn, RequestOptions } from '../mfa/schema.js'

const tags = ['Sign-in']
const LIMIT = { max: 120, timeWindow: 60_000 }

export default (async (app) => {
  const { mfa } = app

  app.post('/options', {
    schema: {
      operationId: 'readPasskeyOptions', summary: 'Options for signing in by a passkey',
      description: 'The same for everybody: the browser finds the passkey, and the passkey says whose it is. Nothing is kept of them. Also for conditional UI.', tags, response: { 200: RequestOptions },
    },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['rate.limited'] },
  }, async () => mfa.signInOptions(null))

  app.post('/', {
    schema: {
      operationId: 'signInWithPasskey', summary: 'Sign in by a passkey', description: 'Its owner must have been verified (finger, face, PIN): such a passkey is both factors.',
      tags, body: PasskeyTokenSignIn, response: { 200: SignedInHere },
    },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['factor.invalid', 'session.cap_reached', 'rate.limited'] },
  }, async ({ body, caller }) => tokensOf(await mfa.signIn(caller, {
    assertion: assertionOf(body.assertion), browser: null, deviceToken: body.deviceToken, open: { kind: 'token', endOldest: body.endOldest },
  })))
}) satisfies FastifyPluginAsyncTypebox

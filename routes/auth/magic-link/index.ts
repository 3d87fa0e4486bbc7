// Signing in by a mail, for tokens. Into a cookie: routes/auth/session/magic-link.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { tokensOf } from '../../../plugins/http/route-kit.js'
import { LoggedIn } from '../../users/schema.js'
import { MagicLinkAsk, MagicLinkAsked, MagicLinkTake, proofOf } from './schema.js'

const tags = ['Sign-in']

export default (async (app) => {
  const { magicLinks } = app

  app.post('/', {
    schema: {
      operationId: 'askForMagicLink', summary: 'Ask for a mail to sign in by',
      description: 'Only where MAGIC_LINK is on. Answers alike whether or not there is such an account; where there is, a code and a link that work once for 10 minutes are mailed to it. '
        + 'At most three an hour go to one address, and five more for each device that its owner has signed in from.',
      tags, body: MagicLinkAsk, response: { 202: MagicLinkAsked },
    },
    config: { access: ['public'], rateLimit: { max: 20, timeWindow: 600_000 }, errors: ['magic_link.off', 'rate.limited'] },
    // before the body is read: whoever is refused has cost nothing
    preParsing: async () => magicLinks.requireOn(),
  }, async ({ body, caller }, reply) => reply.code(202).send({ status: 'accepted', ...(await magicLinks.askUnbound(caller, body)) }))

  app.post('/take', {
    schema: {
      operationId: 'signInByMagicLink', summary: 'Sign in by the code or the link of a mail',
      description: 'With the binding of the one who asked. A code takes five tries, each counted before the look. An account with a second factor is asked for that next: `mfa_required`.',
      tags, body: MagicLinkTake, response: { 200: LoggedIn },
    },
    config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000 }, errors: ['magic_link.off', 'magic_link.invalid', 'session.cap_reached', 'rate.limited'] },
    preParsing: async () => magicLinks.requireOn(),
  }, async ({ body, caller }) => tokensOf(await magicLinks.take(caller, {
    proof: proofOf(body), binding: body.binding, deviceToken: body.deviceToken, open: { kind: 'token', endOldest: body.endOldest },
  })))
}) satisfies FastifyPluginAsyncTypebox

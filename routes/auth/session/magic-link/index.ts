// Signing in by a mail, into a cookie: bound to the browser that asked.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import session from '../../../../plugins/security/session.js'
import { problem } from '../../../../src/kernel/errors.js'
import { MfaRequired } from '../../../users/schema.js'
import { MagicLinkCookieAsk, MagicLinkCookieAsked, MagicLinkCookieTake, proofOf } from '../../magic-link/schema.js'
import { Opened } from '../schema.js'

const tags = ['Sign-in']

export default (async (app) => {
  await app.register(session)
  const { csrf, magicLinks, sessions } = app

  app.post('/', {
    schema: { operationId: 'askForMagicLinkWithCookie', summary: 'Ask for a mail to sign in by with a cookie', description: 'Held to this browser.', tags, body: MagicLinkCookieAsk, response: { 202: MagicLinkCookieAsked } },
    // counted together with those who ask for tokens
    config: { access: ['public'], rateLimit: { max: 20, timeWindow: 600_000, groupId: '/api/v1/auth/magic-link' }, errors: ['magic_link.off', 'csrf.invalid', 'rate.limited'] },
    preParsing: async () => magicLinks.requireOn(),
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    const asked = await magicLinks.ask(request.caller, { email: request.body.email, browser: request.browserBinding(reply), ...request.knownDevice() })
    return reply.code(202).send({ status: 'accepted', ...asked })
  })

  app.post('/take', {
    schema: {
      operationId: 'signInByMagicLinkWithCookie', summary: 'Sign in by the code or the link of a mail, with a cookie', description: 'In the browser that asked. An account with a second factor is asked for that next: 200 with `mfa_required`, and no cookie.',
      tags, body: MagicLinkCookieTake, response: { 200: MfaRequired, 201: Opened },
    },
    config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: '/api/v1/auth/magic-link/take' }, errors: ['magic_link.off', 'magic_link.invalid', 'session.cap_reached', 'csrf.invalid', 'rate.limited'] },
    preParsing: async () => magicLinks.requireOn(),
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    const { caller, body } = request
    const binding = request.knownBrowser()
    if (binding === null) throw problem('magic_link.invalid')
    const opened = await request.openCookie(async (cookieSecret, replaced) => {
      const done = await magicLinks.take(caller, { proof: proofOf(body), binding, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: body.endOldest } })
      if (done.status === 'signed_in' && replaced) await sessions.endReplaced(caller, replaced)
      return done
    })
    if (opened.status === 'mfa_required') return reply.code(200).send(opened)
    return reply.rememberDevice(opened.deviceToken).code(201).send({ status: opened.status, user: opened.user, csrfToken: csrf.create(opened.session.id) })
  })
}) satisfies FastifyPluginAsyncTypebox

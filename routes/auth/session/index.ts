// Signing in with a cookie, for browsers on the same origin.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { answerOf, assertionOf, NoContent } from '../../../plugins/http/route-kit.js'
import session from '../../../plugins/security/session.js'
import { problem } from '../../../src/kernel/errors.js'
import { MfaRequired } from '../../users/schema.js'
import { MfaCookieAnswer, PasskeyCookieSignIn, RequestOptions } from '../mfa/schema.js'
import { Credentials, Current, Opened } from './schema.js'

const LIMIT = { max: 120, timeWindow: 60_000 }

export default (async (app) => {
  await app.register(session)
  const { accounts, csrf, login, mfa, sessions } = app

  app.post('/', {
    schema: { operationId: 'signInWithCookie', summary: 'Sign in with a cookie', description: 'An account with a second factor is asked for that next: 200 with `mfa_required`, and no cookie.', tags: ['Sign-in'], body: Credentials, response: { 200: MfaRequired, 201: Opened } },
    config: { access: ['public'], errors: ['credentials.invalid', 'login.throttled', 'session.cap_reached', 'csrf.invalid', 'server.busy'] },
  }, async (request, reply) => {
    // a page elsewhere must not sign a visitor in to an account of its own choice
    csrf.refuseForeign(request)
    const opened = await request.openCookie(async (cookieSecret, replaced) => {
      const done = await login.logInWithCookie(request.caller, { ...request.body, ...request.knownDevice() }, cookieSecret)
      if (done.status === 'signed_in' && replaced) await sessions.endReplaced(request.caller, replaced)
      return done
    })
    if (opened.status === 'mfa_required') return reply.code(200).send(opened)
    return reply.rememberDevice(opened.deviceToken).code(201).send({ status: opened.status, user: opened.user, csrfToken: csrf.create(opened.session.id) })
  })

  app.post('/mfa', {
    schema: { operationId: 'signInWithSecondFactorAndCookie', summary: 'Answer the challenge of a sign-in with a cookie', tags: ['Sign-in'], body: MfaCookieAnswer, response: { 201: Opened } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['challenge.invalid', 'factor.invalid', 'login.throttled', 'session.cap_reached', 'csrf.invalid', 'rate.limited'] },
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    const { caller, body } = request
    const opened = await request.openCookie(async (cookieSecret, replaced) => {
      const done = await mfa.answer(caller, { challenge: body.challenge, answer: answerOf(body), ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: body.endOldest } })
      if (replaced) await sessions.endReplaced(caller, replaced)
      return done
    })
    return reply.rememberDevice(opened.deviceToken).code(201).send({ status: opened.status, user: opened.user, csrfToken: csrf.create(opened.session.id) })
  })

  app.post('/passkey/options', {
    schema: { operationId: 'readCookiePasskeyOptions', summary: 'Options for signing in by a passkey and a cookie', description: 'Held to this browser.', tags: ['Sign-in'], response: { 200: RequestOptions } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['csrf.invalid', 'rate.limited'] },
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    return mfa.signInOptions(request.browserBinding(reply))
  })

  app.post('/passkey', {
    schema: { operationId: 'signInWithPasskeyAndCookie', summary: 'Sign in by a passkey and a cookie', tags: ['Sign-in'], body: PasskeyCookieSignIn, response: { 201: Opened } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['factor.invalid', 'session.cap_reached', 'csrf.invalid', 'rate.limited'] },
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    const { caller, body } = request
    const browser = request.knownBrowser()
    if (browser === null) throw problem('factor.invalid')
    const opened = await request.openCookie(async (cookieSecret, replaced) => {
      const done = await mfa.signIn(caller, { assertion: assertionOf(body.assertion), browser, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: body.endOldest } })
      if (replaced) await sessions.endReplaced(caller, replaced)
      return done
    })
    return reply.rememberDevice(opened.deviceToken).code(201).send({ status: opened.status, user: opened.user, csrfToken: csrf.create(opened.session.id) })
  })

  app.get('/', {
    schema: { operationId: 'readCookieSession', summary: 'Who is signed in here', tags: ['Sign-in'], response: { 200: Current } },
    config: { access: ['user'], errors: ['session.not_found', 'user.not_found'] },
  }, async (request) => {
    const { id, sessionId } = request.signedIn()
    if (sessionId === undefined) throw problem('session.not_found')
    const [user, current] = await Promise.all([accounts.find(id), sessions.find(id, sessionId, sessionId)])
    return { user, session: current, csrfToken: csrf.create(sessionId) }
  })

  app.delete('/', {
    schema: { operationId: 'signOutOfCookie', summary: 'Sign out', description: 'Ends the session and drops the cookie.', tags: ['Sign-in'], response: { 204: NoContent } },
    config: { access: ['user'] },
  }, async (request, reply) => {
    await sessions.endOwn(request.caller)
    await request.session.destroy()
    return reply.dropSessionCookie().code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

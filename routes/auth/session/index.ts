// Signing in with a cookie, for browsers on the same origin.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoContent } from '../../../plugins/route-kit.js'
import session from '../../../plugins/session.js'
import { problem } from '../../../src/kernel/errors.js'
import { Credentials, Current, Opened } from './schema.js'

export default (async (app) => {
  await app.register(session)
  const { accounts, csrf, login, sessions } = app

  app.post('/', {
    schema: { operationId: 'signInWithCookie', summary: 'Sign in with a cookie', tags: ['Sign-in'], body: Credentials, response: { 201: Opened } },
    config: { access: ['public'], errors: ['credentials.invalid', 'login.throttled', 'session.cap_reached', 'csrf.invalid', 'server.busy'] },
  }, async (request, reply) => {
    // a page elsewhere must not sign a visitor in to an account of its own choice
    csrf.refuseForeign(request)
    const opened = await request.openCookie(async (cookieSecret, replacedSecret) => {
      const signedIn = await login.logInWithCookie(request.caller, { ...request.body, ...request.knownDevice() }, cookieSecret)
      await sessions.endReplaced(request.caller, replacedSecret)
      return signedIn
    })
    return reply.rememberDevice(opened.deviceToken).code(201).send({ user: opened.user, csrfToken: csrf.create(opened.session.id) })
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

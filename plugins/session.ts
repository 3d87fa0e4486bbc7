// @fastify/session for the routes that make and end cookie sessions; registered in their scope only. It makes ids, signs
// them and sets the cookie. Rows are written and ended by services, in the transaction of the audit row.
import { callbackify } from 'node:util'
import session from '@fastify/session'
import fp from 'fastify-plugin'
import type { Session } from 'fastify'
import { cookieAttributes, cookieName, createCookieSigner, newCookieSecret } from '../src/sessions/session-cookie.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Tells the browser to drop the session cookie. */
    dropSessionCookie: () => FastifyReply
  }
}

export default fp(async (app) => {
  const { config, secrets, sessions } = app
  const origin = app.publicOrigin()
  const name = cookieName(origin)
  const attributes = cookieAttributes(origin)

  await app.register(session, {
    secret: createCookieSigner(secrets),
    cookieName: name,
    cookie: { ...attributes, maxAge: config.sessionAbsoluteSeconds * 1_000 },
    idGenerator: newCookieSecret,
    rolling: false,
    saveUninitialized: false,
    store: {
      get: callbackify(async (secret: string) => ((await sessions.isLiveCookie(secret)) ? ({} as Session) : null)),
      set: (_secret, _session, done) => done(),
      destroy: (_secret, done) => done(),
    },
  })
  app.decorateReply('dropSessionCookie', function dropSessionCookie() {
    return this.clearCookie(name, attributes)
  })
}, { name: 'session', dependencies: ['services', '@fastify/cookie'] })

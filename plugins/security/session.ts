// @fastify/session for the routes that make and end cookie sessions; registered in their scope only. It makes ids, signs
// them and sets the cookie. Rows are written and ended by services, in the transaction of the audit row.
import { callbackify } from 'node:util'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import fp from 'fastify-plugin'
import type { FastifyRequest, Session } from 'fastify'
import { DEVICE_KEPT_SECONDS } from '../../src/accounts/index.js'
import { cookieAttributes, cookieName, createCookieSigner, deviceCookieName, newCookieSecret, type SessionOfUser } from '../../src/sessions/index.js'

declare module 'fastify' {
  interface Session {
    /** the live session that the browser came with */
    live?: SessionOfUser
  }

  interface FastifyRequest {
    /** Runs a sign-in with the id of a session yet to be, and sends its cookie when that has signed in; where a second factor is asked for, none. `replaced` is the live session that the browser came with, if it did. */
    openCookie: <T extends { status: 'signed_in' | 'mfa_required' }>(signIn: (cookieSecret: string, replaced: SessionOfUser | null) => Promise<T>) => Promise<T>
    /** Runs a proof of who has a cookie session with a new id for it, and sends its cookie: whoever had the one before has not proven anything. Another credential keeps what it has: no id. */
    renewCookie: <T>(prove: (cookieSecret?: string) => Promise<T>) => Promise<T>
  }

  interface FastifyReply {
    /** Tells the browser to drop the session cookie. */
    dropSessionCookie: () => FastifyReply
    /** Leaves the device its token; signing out does not take it away. */
    rememberDevice: (deviceToken: string) => FastifyReply
    deviceToken: string
  }
}

export default fp(async (app) => {
  const { config, secrets, sessions } = app
  const origin = app.publicOrigin()
  const name = cookieName(origin)
  const attributes = cookieAttributes(origin)

  const signer = createCookieSigner(secrets)
  await app.register(cookie)
  // a cookie of the secret before this one is signed anew; its session ends when it would have
  app.addHook('onRequest', async (request, reply) => {
    const given = request.cookies[name]
    const read = given === undefined ? null : signer.unsign(given)
    if (read?.renew) void reply.setCookie(name, signer.sign(read.value), { ...attributes, maxAge: config.sessionAbsoluteSeconds })
  })
  await app.register(session, {
    secret: signer,
    cookieName: name,
    cookie: { ...attributes, maxAge: config.sessionAbsoluteSeconds * 1_000 },
    idGenerator: newCookieSecret,
    rolling: false,
    saveUninitialized: false,
    store: {
      get: callbackify(async (secret: string) => {
        const live = await sessions.findCookie(secret)
        return live && ({ live } as Session)
      }),
      set: (_secret, _session, done) => done(),
      destroy: (_secret, done) => done(),
    },
  })
  /** Runs `work` with a session id that is new, and sends its cookie when it is to be kept; a failure leaves the browser as it was. */
  async function withNewId<T>(request: FastifyRequest, work: (cookieSecret: string, replaced: SessionOfUser | null) => Promise<T>, isKept: (result: T) => boolean): Promise<T> {
    const previous = request.session
    await previous.regenerate()
    try {
      const result = await work(request.session.sessionId, previous.live ?? null)
      if (!isKept(result)) {
        request.session = previous
        return result
      }
      await request.session.save()
      // the library first clears a cookie it sees replaced; the new one of the same name does that by itself
      request.cookies = { ...request.cookies, [name]: undefined }
      return result
    } catch (error) {
      request.session = previous
      throw error
    }
  }
  // a new id at every sign-in: one that was planted before is never signed in (session fixation)
  app.decorateRequest('openCookie', function openCookie<T extends { status: 'signed_in' | 'mfa_required' }>(this: FastifyRequest, signIn: (cookieSecret: string, replaced: SessionOfUser | null) => Promise<T>) {
    return withNewId(this, signIn, ({ status }) => status === 'signed_in')
  })
  app.decorateRequest('renewCookie', function renewCookie<T>(this: FastifyRequest, prove: (cookieSecret?: string) => Promise<T>) {
    return this.principal?.authenticatedBy === 'cookie' ? withNewId(this, (cookieSecret) => prove(cookieSecret), () => true) : prove()
  })
  const deviceName = deviceCookieName(origin)
  // a hook that comes after the session's, so that the session's cookie is the first
  app.decorateReply('deviceToken', '')
  app.addHook('onSend', async (_request, reply) => {
    if (reply.deviceToken !== '') void reply.setCookie(deviceName, reply.deviceToken, { ...attributes, maxAge: DEVICE_KEPT_SECONDS })
  })
  app.decorateReply('rememberDevice', function rememberDevice(deviceToken: string) {
    this.deviceToken = deviceToken
    return this
  })
  app.decorateReply('dropSessionCookie', function dropSessionCookie() {
    return this.clearCookie(name, attributes)
  })
}, { name: 'session', dependencies: ['sessions', 'accounts', 'device-cookie'] })

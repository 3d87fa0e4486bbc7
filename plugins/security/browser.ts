// A name for a browser that nobody else can say: what began in one browser (a link asked for by mail, a sign-in at another provider) ends in
// that browser, however its address gets about. It is no credential: it opens nothing, and what is kept of it is a SHA-256.
import { randomBytes } from 'node:crypto'
import { fastifyCookie } from '@fastify/cookie'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sha256 } from '../../src/kernel/secrets.js'
import { cookieAttributes, cookieName } from '../../src/sessions/index.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The SHA-256 of this browser's secret. A browser without one is given it with this answer; one that has it keeps it for another day. */
    browserBinding: (reply: FastifyReply) => Buffer
    /** The SHA-256 of this browser's secret, or null: it has none. */
    knownBrowser: () => Buffer | null
    browserSecret: string
  }
}

// longer than anything that is bound to it lives; it names a browser for no longer than that takes
const KEPT_SECONDS = 86_400
const SECRET = /^[A-Za-z0-9_-]{43}$/

export default fp(async (app) => {
  // not before the port is known
  const nameOf = (): string => `${cookieName(app.publicOrigin())}-browser`

  function secretOf({ browserSecret, raw }: FastifyRequest): string | null {
    if (browserSecret !== '') return browserSecret
    const { cookie } = raw.headers
    const given = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[nameOf()]
    return given !== undefined && SECRET.test(given) ? given : null
  }

  app.decorateRequest('browserSecret', '')
  app.decorateRequest('knownBrowser', function knownBrowser(this: FastifyRequest) {
    const secret = secretOf(this)
    return secret === null ? null : sha256(secret)
  })
  app.decorateRequest('browserBinding', function browserBinding(this: FastifyRequest, reply: FastifyReply) {
    if (this.browserSecret === '') {
      this.browserSecret = secretOf(this) ?? randomBytes(32).toString('base64url')
      void reply.header('set-cookie', fastifyCookie.serialize(nameOf(), this.browserSecret, { ...cookieAttributes(app.publicOrigin()), maxAge: KEPT_SECONDS }))
    }
    return sha256(this.browserSecret)
  })
}, { name: 'browser', dependencies: ['prisma', 'sessions'] })

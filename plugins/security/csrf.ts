// Proof that an unsafe request riding on a cookie was made by a page of this origin: a token that only such a page can
// have read, and the browser's own word on where the request comes from. Both are needed.
import { Tokens } from '@fastify/csrf'
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import { problem } from '../../src/kernel/errors.js'

declare module 'fastify' {
  interface FastifyInstance {
    csrf: {
      /** A token for the pages of one session. */
      create: (sessionId: string) => string
      /** Throws csrf.invalid unless the request carries a token of the session and comes from this origin. */
      check: (request: FastifyRequest, sessionId: string) => void
      /** The same for a form of a page: its field `csrf` is a token for `binding`, and the browser says that the form is of this very origin. */
      checkForm: (request: FastifyRequest, binding: string) => void
      /** Throws csrf.invalid when a browser says that the request comes from elsewhere; a client that says nothing passes. */
      refuseForeign: (request: FastifyRequest) => void
    }
  }
}

const NOBODY: ReadonlySet<string> = new Set()

type Origin = 'same' | 'foreign' | 'unsaid'

export default fp(async (app) => {
  const { config, secrets, publicOrigin } = app
  // pages of these may send cookies: their site's cookies come along only where the browser holds both for one site (SameSite=Lax)
  const ownOrigins = new Set(config.corsCredentials ? config.corsOrigins : [])
  const makerOf = (under: typeof secrets) => {
    const tokens = new Tokens({ hmacKey: under.derive('csrf-token') })
    const secretOf = (sessionId: string): string => under.mac('csrf', sessionId).toString('base64url')
    return {
      create: (sessionId: string) => tokens.create(secretOf(sessionId)),
      verify: (sessionId: string, token: string) => tokens.verify(secretOf(sessionId), token),
    }
  }
  const current = makerOf(secrets)
  const previous = secrets.previous && makerOf(secrets.previous)

  // neither header can be set by a page's script (Fetch: forbidden header names)
  function originOf(request: FastifyRequest, others: ReadonlySet<string> = ownOrigins): Origin {
    if (request.headers.origin !== undefined && others.has(request.headers.origin)) return 'same'
    const site = request.headers['sec-fetch-site']
    if (site !== undefined) return site === 'same-origin' ? 'same' : 'foreign'
    const { origin } = request.headers
    if (origin === undefined) return 'unsaid'
    // the request's own Host: a browser sends it truly, and a node reached under a second name stays usable
    return origin === publicOrigin() || origin === `${request.protocol}://${request.host}` ? 'same' : 'foreign'
  }

  app.decorate('csrf', {
    create: current.create,
    check(request: FastifyRequest, sessionId: string) {
      const token = request.headers['x-csrf-token']
      if (typeof token !== 'string' || (!current.verify(sessionId, token) && previous?.verify(sessionId, token) !== true)) throw problem('csrf.invalid', { detail: 'Send the csrfToken of GET /auth/session as x-csrf-token' })
      if (originOf(request) !== 'same') throw problem('csrf.invalid', { detail: 'The request must come from a page of this origin' })
    },
    checkForm(request: FastifyRequest, binding: string) {
      const { csrf: token } = (request.body ?? {}) as { csrf?: unknown }
      if (typeof token !== 'string' || (!current.verify(binding, token) && previous?.verify(binding, token) !== true)) throw problem('csrf.invalid')
      // silence is no word: what sends this form is a browser
      if (originOf(request, NOBODY) !== 'same') throw problem('csrf.invalid')
    },
    refuseForeign(request: FastifyRequest) {
      if (originOf(request) === 'foreign') throw problem('csrf.invalid', { detail: 'The request must come from a page of this origin' })
    },
  })
}, { name: 'csrf', dependencies: ['prisma'] })

// Whoever comes to the authorization endpoint or to one of its pages: the browser, and who is signed in there, if anybody; and how what came of the request is
// answered. Straight from the client a redirect leads back; after a form of ours a page does, for browsers hold a form's policy against every redirect
// that follows it.
import { fastifyCookie } from '@fastify/cookie'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Parameters, readParameters } from '../../src/clients/index.js'
import { isProblem } from '../../src/kernel/errors.js'
import { ONE_FACTOR } from '../../src/kernel/assurance.js'
import type { Principal } from '../../src/kernel/principal.js'
import type { AuthorizationOutcome, Visitor } from '../../src/oauth/index.js'
import { cookieAttributes, cookieName } from '../../src/sessions/index.js'

declare module 'fastify' {
  interface FastifyRequest {
    visitor: (reply: FastifyReply) => Promise<Visitor>
    /** Of an OAuth request, out of the address. Throws OAuthError invalid_request. */
    queryParameters: () => Parameters
  }

  interface FastifyReply {
    /** Sends what came of an authorization request, but for the consent page itself. */
    authorization: (outcome: AuthorizationOutcome) => Promise<FastifyReply>
    /** Tells the browser to drop the cookie of its sign-in. */
    dropSignIn: () => FastifyReply
  }
}

const NOBODY = ['session.invalid', 'credentials.ambiguous', 'credentials.malformed'] as const

export default fp(async (app) => {
  async function principalOf(request: FastifyRequest): Promise<Principal | null> {
    const { cookie } = request.raw.headers
    const value = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[cookieName(app.publicOrigin())]
    if (value === undefined) return null
    try {
      return await app.authorizer.authenticate({ kind: 'cookie', value }, request.ip)
    } catch (error) {
      if (isProblem(error, ...NOBODY)) return null
      throw error
    }
  }

  function sessionOf({ id: userId, sessionId, acr = ONE_FACTOR, authTimeMs = 0, wantsMfa = false }: Principal): NonNullable<Visitor['session']> {
    return { userId, sessionId: sessionId ?? '', acr, authTimeMs, wantsMfa, hasFactor: async () => (await app.factors.list(userId)).data.length > 0 }
  }

  app.decorateRequest('queryParameters', function queryParameters(this: FastifyRequest) {
    const at = this.url.indexOf('?')
    return readParameters(at < 0 ? '' : this.url.slice(at + 1))
  })
  app.decorateRequest('visitor', async function visitor(this: FastifyRequest, reply: FastifyReply) {
    const browser = this.browserBinding(reply)
    const principal = this.principal ?? (await principalOf(this))
    return { browser, session: principal && sessionOf(principal), caller: { ...this.caller, principal } }
  })

  app.decorateReply('dropSignIn', function dropSignIn(this: FastifyReply) {
    return this.header('set-cookie', fastifyCookie.serialize(cookieName(app.publicOrigin()), '', { ...cookieAttributes(app.publicOrigin()), maxAge: 0 }))
  })

  const ways = { 'sign-in': '/ui/sign-in', 'step-up': '/ui/step-up', 'add-factor': '/ui/account/factors' } as const
  app.decorateReply('authorization', async function authorization(this: FastifyReply, outcome: AuthorizationOutcome) {
    if (outcome.kind === 'again') return this.onward(outcome.path)
    if (outcome.kind === 'sendTo') {
      const { location, isFresh, name } = outcome
      return isFresh ? this.onward(location) : this.show('hand-over', { to: location, name: name === '' ? new URL(location).host : name })
    }
    const { need, path, request: { loginHint } } = outcome
    if (need === 'consent') return this.onward(path)
    const locales = this.request.queryParameters().get('ui_locales')
    const query = new URLSearchParams({ return_to: path, ...(need === 'sign-in' && loginHint !== '' ? { login_hint: loginHint } : {}), ...(locales === '' ? {} : { ui_locales: locales }) })
    return this.onward(need === 'add-factor' ? ways[need] : `${ways[need]}?${query.toString()}`)
  })
}, { name: 'oauth-visitor', dependencies: ['oauth', 'browser', 'factors', 'authenticate'] })

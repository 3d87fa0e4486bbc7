// Signing in with e-mail and password, or by another system. Whether there is such an account, and why it cannot sign in, is told to nobody.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CREDENTIAL_LENGTH, readAssertion } from '../../../plugins/http/passkey-fields.js'
import { doneOf, form, formProblem, missing, onward } from '../../../plugins/http/page-kit.js'

const SignInForm = form({ email: 320, 'current-password': 1024, 'end-oldest': 5, provider: 64, credential: CREDENTIAL_LENGTH })

// what is kept on the way to another system and back has an end
const MOST_KEPT = 8_000

export default (async (app) => {
  const { clock, federation, identityProviders, login, mfa, sessions } = app

  app.get('/', { config: { access: ['public'] } }, async (request, reply) => reply.showSignIn({ returnTo: request.returnTo(), email: request.asked('login_hint').slice(0, 254), done: doneOf(request.asked('done')) }))

  app.post('/', { schema: { body: SignInForm }, config: { access: ['public'], rateLimit: { max: 120, timeWindow: 60_000 } } }, async (request, reply) => {
    const { email, 'current-password': password, 'end-oldest': endOldest, provider, credential } = request.body
    const returnTo = request.returnTo()
    try {
      if (provider !== '') {
        const { authorizationUrl } = await federation.start(request.browserBinding(reply), { providerId: provider, intent: { kind: 'login' }, mode: 'cookie', returnTo: onward('/ui/federated', returnTo.length > MOST_KEPT ? '' : returnTo) })
        const { name } = (await identityProviders.listEnabled()).find(({ id }) => id === provider) ?? { name: '' }
        return await reply.show('leave', { to: authorizationUrl, name })
      }
      if (credential !== '') {
        const browser = request.knownBrowser()
        const assertion = readAssertion(credential)
        const opened = await request.openCookie(async (cookieSecret, replaced) => {
          const done = await mfa.signIn(request.caller, { assertion, browser, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: true } })
          if (replaced) await sessions.endReplaced(request.caller, replaced)
          return done
        })
        return reply.rememberDevice(opened.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
      }
      const empty = missing({ email, 'current-password': password })
      if (empty) return await reply.showSignIn({ returnTo, email, problem: empty })
      const opened = await request.openCookie(async (cookieSecret, replaced) => {
        const done = await login.logInWithCookie(request.caller, { email, password, ...request.knownDevice(), endOldest: endOldest !== '' }, cookieSecret)
        if (done.status === 'signed_in' && replaced) await sessions.endReplaced(request.caller, replaced)
        return done
      })
      if (opened.status === 'mfa_required') return reply.keep('challenge', opened.challenge, opened.expiresIn).onward(onward('/ui/verify', returnTo))
      return reply.rememberDevice(opened.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
    } catch (error) {
      const problem = formProblem(error, clock.now(), {
        'credentials.invalid': 'sign-in.wrong', 'request.invalid': 'sign-in.wrong', 'login.throttled': 'sign-in.throttled', 'session.cap_reached': 'sessions.full',
        'provider.not_found': 'provider.unavailable', 'provider.unavailable': 'provider.unavailable', 'federation.refused': 'provider.unavailable',
        'factor.invalid': 'passkey.invalid',
      })
      return reply.showSignIn({ returnTo, email, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

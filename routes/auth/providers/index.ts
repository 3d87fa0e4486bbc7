// Signing in by other systems. The way back ends in a redirect to a path of this origin, which says in its query what came of it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { IdParams, NoContent, RECENT, tokensOf } from '../../../plugins/http/route-kit.js'
import session from '../../../plugins/security/session.js'
import { AppError, problem } from '../../../src/kernel/errors.js'
import { LoggedIn } from '../../users/schema.js'
import { Pending, Providers, Redeem, Start, Started } from './schema.js'

const tags = ['Sign-in by others']
const LIMIT = { max: 120, timeWindow: 60_000 }
// what a form may bring, in what goes on with it as a URL
const LONGEST_FORM = 8 * 1024
const POSTED = ['code', 'state', 'iss', 'error', 'error_description', 'user']
const SeeOther = Type.Null({ description: 'See Location' })

export default (async (app) => {
  await app.register(session)
  const { csrf, federation, identityProviders, sessions, signIns } = app

  app.get('/', {
    schema: { operationId: 'listSignInProviders', summary: 'By whom one may sign in here', tags, response: { 200: Providers } },
    config: { access: ['public'] },
  }, async () => ({ data: await identityProviders.listEnabled() }))

  app.post('/:id/start', {
    schema: {
      operationId: 'startProviderSignIn', summary: 'Begin to sign in by a provider',
      description: 'Answers where to send the browser, and gives it a cookie: the way back works in this browser alone, once, within ten minutes.', tags, params: IdParams, body: Start, response: { 200: Started },
    },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['csrf.invalid', 'provider.not_found', 'provider.unavailable', 'federation.refused', 'rate.limited'] },
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    const { returnTo, mode = 'cookie' } = request.body
    return federation.start(request.browserBinding(reply), { providerId: request.params.id, intent: { kind: 'login' }, mode, returnTo })
  })

  /** Where the browser goes on to. */
  async function comeBack(request: FastifyRequest, reply: FastifyReply, providerId: string): Promise<string> {
    const browser = request.knownBrowser()
    const { searchParams } = new URL(request.url, 'http://here.invalid')
    const { returnTo, outcome } = await federation.arrive(request.caller, browser, { providerId, params: searchParams })
    const goOn = (result: Record<string, string>): string => federation.goOn(returnTo, result)
    if (outcome.kind === 'failed') return goOn({ federation: 'failed', error: outcome.code })
    if (outcome.kind === 'code') return goOn({ federation: 'signed_in', federation_code: outcome.code })
    if (outcome.kind !== 'sign_in') return goOn({ federation: outcome.kind })
    const { completable } = outcome
    const opened = await request.openCookie(async (cookieSecret, replaced) => {
      const done = await signIns.complete(request.caller, { ...completable, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: true } })
      if (done.status === 'signed_in' && replaced) await sessions.endReplaced(request.caller, replaced)
      return done
    }).catch((error: unknown) => {
      // a browser that came here by a redirect is told on its page; a fault of ours is one
      if (error instanceof AppError && error.statusCode < 500) return error
      throw error
    })
    if (opened instanceof AppError) return goOn({ federation: 'failed', error: opened.code })
    if (opened.status === 'signed_in') {
      void reply.rememberDevice(opened.deviceToken)
      return goOn({ federation: 'signed_in' })
    }
    const code = await federation.keepChallenge(request.browserBinding(reply), opened)
    return goOn({ federation: 'mfa_required', federation_code: code })
  }

  app.get('/:id/callback', {
    schema: { operationId: 'returnFromProvider', summary: 'Where a provider sends the browser back', tags, params: IdParams, response: { 303: SeeOther } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['federation.state_invalid', 'rate.limited'] },
  }, async (request, reply) => reply.code(303).header('location', await comeBack(request, reply, request.params.id)).send(null))

  await app.register((async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: LONGEST_FORM }, (_request, body, done) => done(null, new URLSearchParams(String(body))))
    scope.post('/:id/callback', {
      schema: {
        operationId: 'returnFromProviderByForm', summary: 'Where a provider posts its answer (response_mode=form_post)',
        description: 'A post from another site comes without cookies: the browser is sent on, and comes with them.', tags, params: IdParams, response: { 303: SeeOther },
      },
      config: { access: ['public'], rateLimit: LIMIT, errors: ['request.invalid', 'rate.limited'] },
    }, async (request, reply) => {
      const params = new URLSearchParams([...(request.body instanceof URLSearchParams ? request.body : [])].filter(([name]) => POSTED.includes(name)))
      return reply.code(303).header('location', `/api/v1/auth/providers/${request.params.id}/callback?${params.toString()}`).send(null)
    })
  }) satisfies FastifyPluginAsyncTypebox)

  app.post('/token', {
    schema: {
      operationId: 'redeemFederationCode', summary: 'Trade the code of the way back for tokens',
      description: 'Once, within a minute, in the browser that came back. After `mfa_required` it gives the challenge of the second factor.', tags, body: Redeem, response: { 200: LoggedIn },
    },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['csrf.invalid', 'federation.code_invalid', 'credentials.invalid', 'session.cap_reached', 'rate.limited'] },
  }, async (request) => {
    csrf.refuseForeign(request)
    const { code, endOldest } = request.body
    const done = await federation.redeem(request.caller, request.knownBrowser(), code, { open: { kind: 'token', endOldest }, ...request.knownDevice() })
    if (done.status === 'signed_in' && !('tokens' in done)) throw problem('federation.code_invalid')
    return tokensOf(done)
  })

  app.get('/link', {
    schema: { operationId: 'readPendingLink', summary: 'What waits to be linked in this browser', description: 'After `link_required`: somebody came whose address is an account\'s. It is linked when that account signs in here, by another way, and says so.', tags, response: { 200: Pending } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['link.void', 'rate.limited'] },
  }, async (request) => federation.pendingLink(request.knownBrowser()))

  app.post('/link', {
    schema: { operationId: 'confirmPendingLink', summary: 'Link what waits to my account', tags, response: { 204: NoContent } },
    config: { access: ['user'], stepUp: RECENT, errors: ['link.void', 'identity.taken', 'identity.cap_reached'] },
  }, async (request, reply) => {
    await federation.confirmLink(request.caller, request.knownBrowser())
    return reply.code(204).send(null)
  })

  app.delete('/link', {
    schema: { operationId: 'dropPendingLink', summary: 'Link nothing', tags, response: { 204: NoContent } },
    config: { access: ['public'], rateLimit: LIMIT, errors: ['csrf.invalid', 'rate.limited'] },
  }, async (request, reply) => {
    csrf.refuseForeign(request)
    await federation.dropLink(request.knownBrowser())
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

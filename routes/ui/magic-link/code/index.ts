// The code of a mail, typed in by the browser that asked for it: the same page, and the same refusals, for every address.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, missing, onward } from '../../../../plugins/http/page-kit.js'
import { problem as refusal } from '../../../../src/kernel/errors.js'

const CodeForm = form({ email: 320, code: 40, 'end-oldest': 5 })

export default (async (app) => {
  const { clock, magicLinks, sessions } = app

  app.get('/', { config: { access: ['public'] }, preHandler: async () => magicLinks.requireOn() }, async (request, reply) => {
    const returnTo = request.returnTo()
    if (request.kept('magic') === '') return reply.onward(onward('/ui/magic-link', returnTo))
    return reply.show('magic-code', { returnTo, email: request.kept('sent'), problem: null })
  })

  app.post('/', { schema: { body: CodeForm }, config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: '/api/v1/auth/magic-link/take' } }, preHandler: async () => magicLinks.requireOn() }, async (request, reply) => {
    const { code, 'end-oldest': endOldest } = request.body
    const returnTo = request.returnTo()
    const email = request.kept('sent')
    const [id = ''] = request.kept('magic').split(' ', 1)
    try {
      const empty = missing({ code })
      if (empty) return await reply.code(422).show('magic-code', { returnTo, email, problem: empty })
      const binding = request.knownBrowser()
      if (binding === null) throw refusal('magic_link.invalid')
      const opened = await request.openCookie(async (cookieSecret, replaced) => {
        const done = await magicLinks.take(request.caller, { proof: { id, code }, binding, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: endOldest !== '' } })
        if (done.status === 'signed_in' && replaced) await sessions.endReplaced(request.caller, replaced)
        return done
      })
      void reply.drop('magic').drop('sent')
      if (opened.status === 'mfa_required') return reply.keep('challenge', opened.challenge, opened.expiresIn).onward(onward('/ui/verify', returnTo))
      return reply.rememberDevice(opened.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'magic_link.invalid': ['magic.code', 'code'], 'session.cap_reached': 'sessions.full' })
      return reply.code(422).show('magic-code', { returnTo, email, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

// What the link of a mail opens: in the browser that asked, one button; in another one, words that say so, and nothing else.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem, localPath, onward } from '../../../../plugins/http/page-kit.js'
import { problem as refusal } from '../../../../src/kernel/errors.js'
import type { FormProblem } from '../../../../src/pages/index.js'

const OpenForm = form({ 'end-oldest': 5 })

export default (async (app) => {
  const { clock, magicLinks, sessions } = app

  async function shown(request: FastifyRequest, reply: FastifyReply, problem: FormProblem | null): Promise<FastifyReply> {
    const found = await magicLinks.look(request.kept('magic-link'), request.knownBrowser())
    if (found === 'elsewhere') return reply.code(403).show('magic-elsewhere', {})
    if (found === null) return reply.drop('magic-link').code(410).show('magic-void', {})
    return reply.code(problem === null ? 200 : 422).show('magic-open', { email: found.email, problem })
  }

  app.get('/', { config: { access: ['public'] }, preHandler: async () => magicLinks.requireOn() }, async (request, reply) => shown(request, reply, null))

  app.post('/', { schema: { body: OpenForm }, config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: '/api/v1/auth/magic-link/take' } }, preHandler: async () => magicLinks.requireOn() }, async (request, reply) => {
    const [, kept = ''] = request.kept('magic').split(' ', 2)
    const returnTo = localPath(kept) ?? ''
    const endOldest = request.body['end-oldest'] !== ''
    try {
      const binding = request.knownBrowser()
      if (binding === null) throw refusal('magic_link.invalid')
      const opened = await request.openCookie(async (cookieSecret, replaced) => {
        const done = await magicLinks.take(request.caller, { proof: { token: request.kept('magic-link') }, binding, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest } })
        if (done.status === 'signed_in' && replaced) await sessions.endReplaced(request.caller, replaced)
        return done
      })
      void reply.drop('magic-link').drop('magic').drop('sent')
      if (opened.status === 'mfa_required') return reply.keep('challenge', opened.challenge, opened.expiresIn).onward(onward('/ui/verify', returnTo))
      return reply.rememberDevice(opened.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
    } catch (error) {
      return shown(request, reply, formProblem(error, clock.now(), { 'magic_link.invalid': 'magic.code', 'session.cap_reached': 'sessions.full' }))
    }
  })
}) satisfies FastifyPluginAsyncTypebox

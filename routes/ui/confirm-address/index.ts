// Confirming an address with a mailed link: that of an account, or the one that it is to have. The link's token goes from the address into a cookie
// before anything is shown; looking uses nothing up, the button does.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem } from '../../../plugins/http/page-kit.js'
import type { FormProblem } from '../../../src/pages/index.js'

const ConfirmForm = form({ kind: { maxLength: 12, pattern: '^(verify|change)?$' } })
const KEPT_SECONDS = 3_600

export default (async (app) => {
  const { clock, ownEmail } = app

  async function shown(request: FastifyRequest, reply: FastifyReply, problem: FormProblem | null): Promise<FastifyReply> {
    const waiting = await ownEmail.find(request.kept('address'))
    if (!waiting) return reply.drop('address').code(410).show('link-void', {})
    if (problem) void reply.code(422)
    return reply.show('confirm-address', { kind: waiting.kind === 'email.change' ? 'change' : 'verify', email: waiting.email, problem })
  }

  app.get('/', { config: { access: ['public'] } }, async (request, reply) => {
    const token = request.asked('token')
    return token === '' ? shown(request, reply, null) : reply.keep('address', token, KEPT_SECONDS).onward('/ui/confirm-address')
  })

  app.post('/', { schema: { body: ConfirmForm }, config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: '/api/v1/auth/email/verify' } } }, async (request, reply) => {
    const { kind } = request.body
    try {
      await (kind === 'change' ? ownEmail.change : ownEmail.prove)(request.caller, request.kept('address'))
      // whoever is signed in here sees it at their account
      const { live } = request.session
      return reply.drop('address').onward(`${live === undefined ? '/ui/sign-in' : '/ui/account/email'}?done=address`)
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'confirmation.void': 'mail.void', 'email.taken': 'email.taken' })
      return problem.code === 'mail.void' ? reply.drop('address').code(410).show('link-void', {}) : shown(request, reply, problem)
    }
  })
}) satisfies FastifyPluginAsyncTypebox

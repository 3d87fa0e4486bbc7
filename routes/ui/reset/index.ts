// Setting a password with a link. The link's token goes from the address into a cookie before anything is shown; looking uses nothing up.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, missing } from '../../../plugins/http/page-kit.js'

const ResetForm = form({ email: 320, 'new-password': 1024 })
const KEPT_SECONDS = 3_600

export default (async (app) => {
  const { clock, passwordResets } = app

  app.get('/', { config: { access: ['public'] } }, async (request, reply) => {
    const token = request.asked('token')
    if (token !== '') return reply.keep('reset', token, KEPT_SECONDS).onward('/ui/reset')
    const email = await passwordResets.emailOf(request.kept('reset'))
    return email === null ? reply.code(410).show('reset-void', {}) : reply.show('reset', { email, problem: null })
  })

  // the guesses and the hashing of an address are counted together with those of the API
  app.post('/', { schema: { body: ResetForm }, config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: '/api/v1/auth/password/reset' } } }, async (request, reply) => {
    const token = request.kept('reset')
    const { email, 'new-password': newPassword } = request.body
    try {
      const empty = missing({ 'new-password': newPassword })
      if (empty) return await reply.code(422).show('reset', { email, problem: empty })
      await passwordResets.take(request.caller, { token, newPassword })
      return reply.drop('reset').onward('/ui/sign-in?done=reset')
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'password.weak': ['password.weak', 'new-password'], 'reset.void': 'reset.void' })
      if (problem.code === 'reset.void') return reply.drop('reset').code(410).show('reset-void', {})
      return reply.code(422).show('reset', { email, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

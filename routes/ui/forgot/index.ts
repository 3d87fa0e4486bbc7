// Asking for a link that sets a password. What comes next is the same page for every address.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, missing } from '../../../plugins/http/page-kit.js'

const ForgotForm = form({ email: 320 })

export default (async (app) => {
  const { clock, forgottenPasswords } = app

  app.get('/', { config: { access: ['public'] } }, async (request, reply) => reply.show('forgot', { returnTo: request.returnTo(), email: '', problem: null }))

  // what an address may ask of it is counted together with what it asks of the API
  app.post('/', { schema: { body: ForgotForm }, config: { access: ['public'], rateLimit: { max: 20, timeWindow: 600_000, groupId: '/api/v1/auth/password/forgot' } } }, async (request, reply) => {
    const { email } = request.body
    try {
      const empty = missing({ email })
      if (empty) return await reply.code(422).show('forgot', { returnTo: request.returnTo(), email, problem: empty })
      await forgottenPasswords.ask(request.caller, email)
      return reply.mailed('forgot', email)
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'request.invalid': ['email.malformed', 'email'] })
      return reply.code(422).show('forgot', { returnTo: request.returnTo(), email, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

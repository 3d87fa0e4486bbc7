// Opening an account of one's own, where that is open to strangers, and being signed in to it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, missing } from '../../../plugins/http/page-kit.js'

const SignUpForm = form({ email: 320, name: { maxLength: 200, 'x-text': 'name' }, 'new-password': 1024 })

export default (async (app) => {
  const { clock, login, sessions, signUp } = app

  // whoever is refused has cost nothing and learnt nothing
  app.get('/', { config: { access: ['public'] }, preHandler: () => signUp.requireOpen() }, async (request, reply) =>
    reply.show('sign-up', { returnTo: request.returnTo(), email: '', name: '', problem: null }))

  // what an address may ask of it is counted together with what it asks of the API
  app.post('/', { schema: { body: SignUpForm }, config: { access: ['public'], rateLimit: { max: 1_200, timeWindow: 60_000, groupId: '/api/v1/auth/signup' } }, preParsing: () => signUp.requireOpen() }, async (request, reply) => {
    const { email, name, 'new-password': password } = request.body
    const returnTo = request.returnTo()
    try {
      const empty = missing({ email, 'new-password': password })
      if (empty) return await reply.code(422).show('sign-up', { returnTo, email, name, problem: empty })
      const draft = await login.draft(request.caller, { email, password, ...(name.trim() === '' ? {} : { name }) })
      const opened = await request.openCookie(async (cookieSecret, replaced) => {
        const done = await login.openWithCookie(request.caller, draft, cookieSecret)
        if (replaced) await sessions.endReplaced(request.caller, replaced)
        return done
      })
      return reply.rememberDevice(opened.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'email.taken': ['email.unusable', 'email'], 'request.invalid': ['email.unusable', 'email'], 'password.weak': ['password.weak', 'new-password'] })
      return reply.code(422).show('sign-up', { returnTo, email, name, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

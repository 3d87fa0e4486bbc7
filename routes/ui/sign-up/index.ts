// Opening an account of one's own, where that is open to strangers: by an address that is confirmed first, or at once, and being signed in to it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem, missing } from '../../../plugins/http/page-kit.js'

const SignUpForm = form({ email: 320, name: { maxLength: 200, 'x-text': 'name' }, 'new-password': 1024 })

export default (async (app) => {
  const { clock, sessions, signUp, signUps } = app
  const asksPassword = !signUps.isConfirmed
  // what an address may ask of it is counted together with what it asks of the API
  const rateLimit = { ...(signUps.isConfirmed ? { max: 60, timeWindow: 600_000 } : { max: 1_200, timeWindow: 60_000 }), groupId: '/api/v1/auth/signup' }

  // whoever is refused has cost nothing and learnt nothing
  app.get('/', { config: { access: ['public'] }, preHandler: () => signUp.requireOpen() }, async (request, reply) =>
    reply.show('sign-up', { returnTo: request.returnTo(), asksPassword, email: '', name: '', problem: null }))

  async function opened(request: FastifyRequest, reply: FastifyReply, input: { email: string; password: string; name?: string }, returnTo: string): Promise<FastifyReply> {
    const draft = await signUps.draft(request.caller, input, request.wishedLocale(request.kept('language')))
    const done = await request.openCookie(async (cookieSecret, replaced) => {
      const signedIn = await signUps.open(request.caller, draft, { kind: 'cookie', cookieSecret })
      if (replaced) await sessions.endReplaced(request.caller, replaced)
      return signedIn
    })
    return reply.rememberDevice(done.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
  }

  app.post('/', { schema: { body: SignUpForm }, config: { access: ['public'], rateLimit }, preParsing: () => signUp.requireOpen() }, async (request, reply) => {
    const { email, name, 'new-password': password } = request.body
    const returnTo = request.returnTo()
    try {
      const empty = missing({ email, ...(asksPassword ? { 'new-password': password } : {}) })
      if (empty) return await reply.code(422).show('sign-up', { returnTo, asksPassword, email, name, problem: empty })
      if (asksPassword) return await opened(request, reply, { email, password, ...(name.trim() === '' ? {} : { name }) }, returnTo)
      await signUps.ask(request.caller, { email }, request.wishedLocale(request.kept('language')))
      return reply.mailed('sign-up', email)
    } catch (error) {
      const unusable = asksPassword ? 'email.unusable' : 'email.malformed'
      const problem = formProblem(error, clock.now(), { 'email.taken': [unusable, 'email'], 'request.invalid': [unusable, 'email'], 'password.weak': ['password.weak', 'new-password'] })
      return reply.code(422).show('sign-up', { returnTo, asksPassword, email, name, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

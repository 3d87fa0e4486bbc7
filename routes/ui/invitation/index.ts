// Accepting an invitation: opening the account that one is invited to, and being signed in to it. The link's token goes from the address into a cookie before
// anything is shown; looking uses nothing up.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, missing } from '../../../plugins/http/page-kit.js'

const InvitationForm = form({ email: 320, name: { maxLength: 200, 'x-text': 'name' }, 'new-password': 1024 })
const KEPT_SECONDS = 3_600

export default (async (app) => {
  const { clock, invitations, sessions, signUp } = app

  app.get('/', { config: { access: ['public'] }, preHandler: () => signUp.requireInvitations() }, async (request, reply) => {
    const token = request.asked('token')
    if (token !== '') return reply.keep('invitation', token, KEPT_SECONDS).onward('/ui/invitation')
    const email = await invitations.emailOf(request.kept('invitation'))
    return email === null ? reply.code(410).show('link-void', {}) : reply.show('open-account', { by: 'invitation', email, name: '', problem: null })
  })

  // the guesses and the hashing of an address are counted together with those of the API
  app.post('/', {
    schema: { body: InvitationForm }, config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: '/api/v1/auth/invitations/accept' } }, preParsing: () => signUp.requireInvitations(),
  }, async (request, reply) => {
    const { email, name, 'new-password': password } = request.body
    try {
      const empty = missing({ 'new-password': password })
      if (empty) return await reply.code(422).show('open-account', { by: 'invitation', email, name, problem: empty })
      const done = await request.openCookie(async (cookieSecret, replaced) => {
        const input = { token: request.kept('invitation'), password, ...(name.trim() === '' ? {} : { name }) }
        const signedIn = await invitations.accept(request.caller, input, { kind: 'cookie', cookieSecret })
        if (replaced) await sessions.endReplaced(request.caller, replaced)
        return signedIn
      })
      return reply.rememberDevice(done.deviceToken).drop('invitation').onward('/ui/account')
    } catch (error) {
      const problem = formProblem(error, clock.now(), {
        'password.weak': ['password.weak', 'new-password'], 'invitation.void': 'mail.void', 'email.taken': 'email.has-account',
      })
      if (problem.code === 'mail.void') return reply.drop('invitation').code(410).show('link-void', {})
      return reply.code(422).show('open-account', { by: 'invitation', email, name, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

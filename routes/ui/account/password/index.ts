// Changing the password: every other session ends.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { doneOf, form, formProblem, missing } from '../../../../plugins/http/page-kit.js'

const PasswordForm = form({ email: 320, 'current-password': 1024, 'new-password': 1024 })

export default (async (app) => {
  const { accounts, clock } = app

  app.get('/', { config: { access: ['user'] } }, async (request, reply) => {
    const { email } = await accounts.find(request.signedIn().id)
    return reply.show('password', { email: email ?? '', problem: null, done: doneOf(request.asked('done')) })
  })

  app.post('/', { schema: { body: PasswordForm }, config: { access: ['gatehouse:own.profile'], price: 10 } }, async (request, reply) => {
    const { 'current-password': currentPassword, 'new-password': newPassword } = request.body
    const { email } = await accounts.find(request.signedIn().id)
    try {
      const empty = missing({ 'current-password': currentPassword, 'new-password': newPassword })
      if (empty) return await reply.code(422).show('password', { email: email ?? '', problem: empty, done: null })
      await accounts.changePassword(request.caller, { currentPassword, newPassword })
      return reply.onward('/ui/account/password?done=password')
    } catch (error) {
      const problem = formProblem(error, clock.now(), {
        'credentials.invalid': ['password.wrong', 'current-password'], 'password.weak': ['password.weak', 'new-password'], 'login.throttled': 'sign-in.throttled',
      })
      return reply.code(422).show('password', { email: email ?? '', problem, done: null })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

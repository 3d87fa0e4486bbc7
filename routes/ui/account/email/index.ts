// The address of one's own account: asking for another one, and for a link that proves the one there is.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { doneOf, form, formProblem, missing } from '../../../../plugins/http/page-kit.js'
import { RECENT } from '../../../../plugins/http/route-kit.js'
import type { FormProblem } from '../../../../src/pages/index.js'

const EmailForm = form({ email: 320, prove: 5 })

export default (async (app) => {
  const { accounts, clock, ownEmail } = app

  async function shown(request: FastifyRequest, reply: FastifyReply, wanted: string, problem: FormProblem | null): Promise<FastifyReply> {
    const { email, emailVerified } = await accounts.find(request.signedIn().id)
    if (problem) void reply.code(422)
    return reply.show('email', { email: email ?? '', isProven: emailVerified, wanted, problem, done: problem ? null : doneOf(request.asked('done')) })
  }

  app.get('/', { config: { access: ['user'], stepUp: RECENT } }, async (request, reply) => shown(request, reply, '', null))

  app.post('/', { schema: { body: EmailForm }, config: { access: ['gatehouse:own.profile'], stepUp: RECENT, price: 10 } }, async (request, reply) => {
    const { email, prove } = request.body
    if (prove !== '') {
      await ownEmail.askOwnProof(request.caller)
      return reply.onward('/ui/account/email?done=mailed')
    }
    try {
      const empty = missing({ email })
      if (empty) return await shown(request, reply, email, empty)
      await ownEmail.askChange(request.caller, email)
      return reply.onward('/ui/account/email?done=mailed')
    } catch (error) {
      return shown(request, reply, email, formProblem(error, clock.now(), { 'request.invalid': ['email.unusable-new', 'email'] }))
    }
  })
}) satisfies FastifyPluginAsyncTypebox

// My second factors: seen and removed, and recovery codes made anew. What changes them asks for a recent proof of who asks.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { doneOf, form, formProblem, IdField } from '../../../../plugins/http/page-kit.js'
import { RECENT } from '../../../../plugins/http/route-kit.js'

const FactorsForm = form({ remove: IdField, codes: 5 })
const access = ['gatehouse:own.factors'] satisfies ['gatehouse:own.factors']

export default (async (app) => {
  const { clock, factors } = app

  app.get('/', { config: { access } }, async (request, reply) => {
    const { data, recoveryCodes } = await factors.list(request.signedIn().id)
    return reply.show('factors', { factors: data, recoveryCodes, isWanted: request.signedIn().wantsMfa === true, problem: null, done: doneOf(request.asked('done')) })
  })

  app.post('/', { schema: { body: FactorsForm }, config: { access, stepUp: RECENT, price: 10 } }, async (request, reply) => {
    const { remove } = request.body
    try {
      if (remove === '') return await reply.show('recovery-codes', { codes: await factors.renewCodes(request.caller), isFirst: false })
      await factors.remove(request.caller, remove)
      return reply.onward('/ui/account/factors?done=factor-removed')
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'factor.needed': 'factor.needed', 'factor.none': 'factor.none' })
      const { data, recoveryCodes } = await factors.list(request.signedIn().id)
      return reply.code(422).show('factors', { factors: data, recoveryCodes, isWanted: request.signedIn().wantsMfa === true, problem, done: null })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

// Adding an authenticator app: a secret to scan or to type, and a code of it that makes it count. The secret is shown by this form alone, again
// when the code was wrong, and kept by the page meanwhile.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, IdField, missing } from '../../../../../plugins/http/page-kit.js'
import { RECENT } from '../../../../../plugins/http/route-kit.js'

const AppForm = form({
  name: { maxLength: 100, 'x-text': 'name' }, id: IdField, secret: { maxLength: 100, pattern: '^[A-Z2-7]*$' }, uri: { maxLength: 700, pattern: '^(otpauth://totp/[!-~]*)?$' }, code: 40,
})
const access = ['gatehouse:own.factors'] satisfies ['gatehouse:own.factors']

export default (async (app) => {
  const { clock, factors } = app

  app.get('/', { config: { access, stepUp: RECENT } }, async (_request, reply) => reply.show('add-app', { name: '', begun: null, problem: null }))

  app.post('/', { schema: { body: AppForm }, config: { access, stepUp: RECENT, price: 10 } }, async (request, reply) => {
    const { name, id, secret, uri, code } = request.body
    const begun = id === '' ? null : { id, secret, uri }
    try {
      const empty = begun === null ? missing({ name }) : missing({ code })
      if (empty) return await reply.code(422).show('add-app', { name, begun, problem: empty })
      if (begun === null) return await reply.show('add-app', { name, begun: await factors.beginTotp(request.caller, name), problem: null })
      const { recoveryCodes } = await factors.confirmTotp(request.caller, id, code)
      await reply.effective(false)
      if (recoveryCodes !== null) return await reply.show('recovery-codes', { codes: recoveryCodes, isFirst: true })
      return reply.onward('/ui/account/factors?done=factor-added')
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'factor.invalid': ['factor.invalid', 'code'], 'factor.not_found': 'factor.late', 'factor.cap_reached': 'factor.full' })
      return reply.code(422).show('add-app', { name, begun: problem.code === 'factor.late' ? null : begun, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

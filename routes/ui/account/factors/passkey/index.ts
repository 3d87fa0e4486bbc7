// Adding a passkey: its authenticator is asked by the script of the page, and answers with the form.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem } from '../../../../../plugins/http/page-kit.js'
import { CREDENTIAL_LENGTH, readRegistration } from '../../../../../plugins/http/passkey-fields.js'
import { RECENT } from '../../../../../plugins/http/route-kit.js'

const PasskeyForm = form({ credential: CREDENTIAL_LENGTH })
const access = ['gatehouse:own.factors'] satisfies ['gatehouse:own.factors']

export default (async (app) => {
  const { clock, devices, factors } = app

  app.get('/', { config: { access, stepUp: RECENT, price: 10 } }, async (request, reply) => reply.show('add-passkey', { passkey: { options: await factors.passkeyOptions(request.caller) }, problem: null }))

  app.post('/', { schema: { body: PasskeyForm }, config: { access, stepUp: RECENT, price: 10 } }, async (request, reply) => {
    try {
      // named after where it was made, which is what people remember of it
      const name = devices.nameOf(request.caller.userAgent)
      const { recoveryCodes } = await factors.addPasskey(request.caller, { name, registration: readRegistration(request.body.credential) })
      await reply.effective(false)
      if (recoveryCodes !== null) return await reply.show('recovery-codes', { codes: recoveryCodes, isFirst: true })
      return reply.onward('/ui/account/factors?done=factor-added')
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'factor.invalid': 'passkey.invalid', 'factor.taken': 'factor.taken', 'factor.cap_reached': 'factor.full' })
      return reply.code(422).show('add-passkey', { passkey: { options: await factors.passkeyOptions(request.caller) }, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

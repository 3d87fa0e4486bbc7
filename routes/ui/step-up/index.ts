// Proving once more who one is, in the session that one has, for an act that asks for it; then back to the page of the act.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem, missing } from '../../../plugins/http/page-kit.js'
import { CREDENTIAL_LENGTH, readAssertion } from '../../../plugins/http/passkey-fields.js'
import type { FormProblem } from '../../../src/pages/index.js'

const StepUpForm = form({ email: 320, 'current-password': 1024, code: 40, 'recovery-code': 60, credential: CREDENTIAL_LENGTH })

export default (async (app) => {
  const { accounts, clock, factors, stepUps } = app

  async function shown(request: FastifyRequest, reply: FastifyReply, problem: FormProblem | null): Promise<FastifyReply> {
    const { id } = request.signedIn()
    const [{ email }, { data, recoveryCodes }] = await Promise.all([accounts.find(id), factors.list(id)])
    const kinds = new Set(data.map(({ kind }) => kind))
    const passkey = kinds.has('passkey') ? { options: await stepUps.passkeyOptions(request.caller) } : null
    const isRecovery = request.asked('with') === 'recovery-code' || problem?.at === 'recovery-code'
    if (problem) void reply.code(422)
    return reply.show('step-up', { returnTo: request.returnTo(), email: email ?? '', hasFactor: data.length > 0, hasApp: kinds.has('totp'), hasCodes: recoveryCodes > 0, isRecovery, passkey, problem })
  }

  app.get('/', { config: { access: ['user'] } }, async (request, reply) => shown(request, reply, null))

  app.post('/', { schema: { body: StepUpForm }, config: { access: ['user'], price: 10 } }, async (request, reply) => {
    const { 'current-password': password, code, 'recovery-code': recoveryCode, credential } = request.body
    const at = recoveryCode !== '' ? 'recovery-code' : 'code'
    try {
      const isEmpty = password === '' && code === '' && recoveryCode === '' && credential === ''
      if (isEmpty) return await shown(request, reply, missing({ 'current-password': '' }))
      const answer = credential !== '' ? { method: 'passkey' as const, assertion: readAssertion(credential) }
        : password !== '' ? { method: 'password' as const, password }
          : recoveryCode !== '' ? { method: 'recovery_code' as const, code: recoveryCode } : { method: 'totp' as const, code }
      await request.renewCookie((cookieSecret) => stepUps.prove(request.caller, answer, cookieSecret))
      await reply.effective(false)
      const returnTo = request.returnTo()
      return reply.onward(returnTo === '' ? '/ui/account' : returnTo)
    } catch (error) {
      return shown(request, reply, formProblem(error, clock.now(), {
        'credentials.invalid': ['password.wrong', 'current-password'], 'factor.invalid': credential === '' ? ['factor.invalid', at] : 'passkey.invalid', 'factor.required': 'factor.wanted', 'login.throttled': 'factor.throttled',
      }))
    }
  })
}) satisfies FastifyPluginAsyncTypebox

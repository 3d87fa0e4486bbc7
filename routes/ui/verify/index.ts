// The second factor of a sign-in that waits for one. What waits is named by a short cookie; a code, a recovery code or a passkey answers it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem, missing, onward } from '../../../plugins/http/page-kit.js'
import { CREDENTIAL_LENGTH, readAssertion } from '../../../plugins/http/passkey-fields.js'
import { isProblem } from '../../../src/kernel/errors.js'
import type { FormProblem } from '../../../src/pages/index.js'

const VerifyForm = form({ email: 320, code: 40, 'recovery-code': 60, credential: CREDENTIAL_LENGTH })

export default (async (app) => {
  const { accounts, clock, factors, mfa, sessions, signInChallenges } = app

  /** The page; back to the sign-in where nothing waits any more. */
  async function shown(request: FastifyRequest, reply: FastifyReply, problem: FormProblem | null): Promise<FastifyReply> {
    const challenge = request.kept('challenge')
    const waiting = await signInChallenges.find(challenge)
    const returnTo = request.returnTo()
    if (!waiting) return reply.drop('challenge').onward(onward('/ui/sign-in', returnTo))
    const [{ email }, { data, recoveryCodes }] = await Promise.all([accounts.find(waiting.userId), factors.list(waiting.userId)])
    const kinds = new Set(data.map(({ kind }) => kind))
    const passkey = kinds.has('passkey') ? { options: await mfa.passkeyOptions(challenge) } : null
    const isRecovery = request.asked('with') === 'recovery-code' || problem?.at === 'recovery-code'
    if (problem) void reply.code(422)
    return reply.show('verify', { returnTo, email: email ?? '', hasApp: kinds.has('totp'), hasCodes: recoveryCodes > 0, isRecovery, passkey, problem })
  }

  app.get('/', { config: { access: ['public'] } }, async (request, reply) => shown(request, reply, null))

  app.post('/', { schema: { body: VerifyForm }, config: { access: ['public'], rateLimit: { max: 120, timeWindow: 60_000 } } }, async (request, reply) => {
    const { code, 'recovery-code': recoveryCode, credential } = request.body
    const at = recoveryCode !== '' ? 'recovery-code' : 'code'
    const challenge = request.kept('challenge')
    try {
      const empty = credential === '' && recoveryCode === '' ? missing({ [request.asked('with') === 'recovery-code' ? 'recovery-code' : 'code']: code }) : null
      if (empty) return await shown(request, reply, empty)
      const answer = credential !== '' ? { method: 'passkey' as const, assertion: readAssertion(credential) }
        : recoveryCode !== '' ? { method: 'recovery_code' as const, code: recoveryCode } : { method: 'totp' as const, code }
      const opened = await request.openCookie(async (cookieSecret, replaced) => {
        const done = await mfa.answer(request.caller, { challenge, answer, ...request.knownDevice(), open: { kind: 'cookie', cookieSecret, endOldest: true } })
        if (replaced) await sessions.endReplaced(request.caller, replaced)
        return done
      })
      const returnTo = request.returnTo()
      return reply.drop('challenge').rememberDevice(opened.deviceToken).onward(returnTo === '' ? '/ui/account' : returnTo)
    } catch (error) {
      if (isProblem(error, 'challenge.invalid')) return reply.drop('challenge').showSignIn({ returnTo: request.returnTo(), problem: { code: 'challenge.void' } })
      return shown(request, reply, formProblem(error, clock.now(), { 'factor.invalid': credential === '' ? ['factor.invalid', at] : 'passkey.invalid', 'login.throttled': 'factor.throttled', 'session.cap_reached': 'sessions.full' }))
    }
  })
}) satisfies FastifyPluginAsyncTypebox

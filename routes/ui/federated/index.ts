// Where a browser comes to when it is back from another system: the API's callback has done what there was to do, and says what came of it.
// An address claims what it will: a session is opened by the callback, a second factor asked for with a code of this browser, and nothing else is done.
import type { FastifyPluginAsync } from 'fastify'
import { onward } from '../../../plugins/http/page-kit.js'
import { AppError } from '../../../src/kernel/errors.js'
import type { FormFault } from '../../../src/pages/index.js'

const FAULTS: Readonly<Record<string, FormFault>> = {
  'federation.denied': 'provider.denied', 'signup.closed': 'provider.no-account', 'identity.taken': 'identity.taken', 'identity.cap_reached': 'identity.full', 'identity.other': 'identity.other',
}

function failed(error: unknown): null {
  if (error instanceof AppError && error.statusCode < 500) return null
  throw error
}

export default (async (app) => {
  app.get('/', { config: { access: ['public'] } }, async (request, reply) => {
    const returnTo = request.returnTo()
    const next = returnTo === '' ? '/ui/account' : returnTo
    switch (request.asked('federation')) {
      case 'signed_in':
      case 'stepped_up':
        return reply.onward(next)
      case 'linked':
        return reply.onward('/ui/account/identities?done=linked')
      case 'link_required':
        return reply.onward('/ui/sign-in?return_to=%2Fui%2Flink&done=link')
      case 'mfa_required': {
        // a code that was left for this browser alone, a minute ago at the most
        const code = request.asked('federation_code')
        const done = await request.openCookie((cookieSecret) => app.federation.redeem(request.caller, request.knownBrowser(), code, { open: { kind: 'cookie', cookieSecret }, ...request.knownDevice() })).catch(failed)
        if (done === null) return reply.showSignIn({ returnTo, problem: { code: 'provider.failed' } })
        if (done.status === 'mfa_required') return reply.keep('challenge', done.challenge, done.expiresIn).onward(onward('/ui/verify', returnTo))
        return reply.rememberDevice(done.deviceToken).onward(next)
      }
      default: {
        const code = request.asked('error')
        return reply.showSignIn({ returnTo, problem: { code: (Object.hasOwn(FAULTS, code) ? FAULTS[code] : undefined) ?? 'provider.failed' } })
      }
    }
  })
}) satisfies FastifyPluginAsync

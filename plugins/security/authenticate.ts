// One hook that gives a request its principal or throws. The route's `config.access` decides, the authorizer resolves the
// credential, and a cookie on an unsafe method must prove where it comes from. Nothing here looks at URLs.
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Credential, MaybePromise } from '../../src/decisions/index.js'
import { isMet, MULTI_FACTOR, type StepUp, stepUpChallenge } from '../../src/kernel/assurance.js'
import { type Access, type Principal, satisfies } from '../../src/kernel/principal.js'
import { problem } from '../../src/kernel/errors.js'
import { createFindPresented } from './presented.js'
import { createChargeRequest } from './request-budget.js'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/
// one of these is enough: not every proxy says for whom it asks
const FORWARDED = /^(forwarded|via|x-real-ip|x-forwarded(-.*)?)$/

function wanted({ acr, maxAgeSeconds }: StepUp): string {
  const how = acr === MULTI_FACTOR ? 'by two factors' : 'who you are'
  return `Prove ${how}${maxAgeSeconds === undefined ? '' : ` anew, if that is more than ${maxAgeSeconds} seconds ago`}: POST /api/v1/auth/stepup. An API key cannot`
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Would the request be admitted now? For answers that go on for long: asked anew each time, charged nothing. Throws, or rejects, when it would not. */
    stillAdmitted: () => MaybePromise<Principal>
  }
}

export default fp(async (app) => {
  const { authorizer, audit, clock, csrf, inside } = app
  const findPresented = createFindPresented(app)
  const charge = createChargeRequest(app)

  app.decorateRequest('principal', null)
  app.decorateRequest('signedIn', function signedIn(this: FastifyRequest): Principal {
    if (!this.principal) throw problem('credentials.missing')
    return this.principal
  })
  app.decorateRequest('caller', {
    getter(this: FastifyRequest) {
      return { principal: this.principal, address: this.ip, userAgent: (this.headers['user-agent'] ?? '').slice(0, 400), requestId: this.id }
    },
  })

  app.decorateRequest('stillAdmitted', function stillAdmitted(this: FastifyRequest): MaybePromise<Principal> {
    const { access = [] } = this.declared
    const credential = findPresented(this)
    if (!credential) throw problem('credentials.missing')
    const check = (principal: Principal): Principal => {
      if (!satisfies(principal, access)) throw problem('access.denied')
      return principal
    }
    const found = authorizer.authenticate(credential, this.ip)
    return found instanceof Promise ? found.then(check) : check(found)
  })

  async function refuse(request: FastifyRequest, principal: Principal, access: Access[]): Promise<never> {
    if (access.some((one) => one.startsWith('gatehouse:'))) {
      const caller = { ...request.caller, principal }
      const details = { method: request.method, needs: access }
      await audit.refused(caller, { action: 'access.denied', targetType: 'route', targetId: request.declared.url ?? '', details })
    }
    if (principal.wantsMfa === true) throw problem('factor.required', { detail: 'A role of yours asks for a second factor. Add one (/api/v1/me/factors), or prove the one you have (POST /api/v1/auth/stepup)' })
    throw problem('access.denied', { detail: `Needs one of: ${access.join(', ')}` })
  }

  /** The rest of the way, once the credential is resolved. A promise only when a budget is asked for elsewhere, or a refusal has to be written down. */
  function admit(request: FastifyRequest, reply: FastifyReply, kind: Credential['kind'], principal: Principal, access: Access[]): undefined | Promise<undefined> {
    const charged = charge(request, reply, principal)
    return charged instanceof Promise ? charged.then(() => enter(request, kind, principal, access)) : enter(request, kind, principal, access)
  }

  function enter(request: FastifyRequest, kind: Credential['kind'], principal: Principal, access: Access[]): undefined | Promise<undefined> {
    if (kind === 'cookie' && !SAFE.has(request.method) && request.declared.csrfField !== true) csrf.check(request, principal.sessionId ?? '')
    if (!satisfies(principal, access)) return refuse(request, principal, access)
    const { stepUp } = request.declared
    // whoever acts for somebody has not proven to be them
    if (stepUp && !isMet(stepUp, principal.act ? {} : principal, clock.now())) throw problem('login.stepup', { authenticate: stepUpChallenge(stepUp), detail: wanted(stepUp) })
    request.principal = principal
    return principal.act ? admitActing(request, principal) : undefined
  }

  /** Whoever acts for somebody else looks and repairs; each step is written down. */
  async function admitActing(request: FastifyRequest, principal: Principal): Promise<undefined> {
    const { impersonated = SAFE.has(request.method), url = '' } = request.declared
    const entry = { targetType: 'route', targetId: url, details: { method: request.method } }
    await audit.refused({ ...request.caller, principal }, { action: impersonated ? 'impersonation.request' : 'access.denied', ...entry })
    if (!impersonated) throw problem('access.denied', { detail: 'Not while acting for somebody else' })
    return undefined
  }

  app.decorateRequest('isLocal', function ofRequest(this: FastifyRequest) {
    return isLocal(this)
  })

  function isLocal(request: FastifyRequest): boolean {
    const isNear = inside.by(request.raw) === 'file' || LOOPBACK.test(request.socket.remoteAddress ?? '')
    return isNear && !Object.keys(request.headers).some((name) => FORWARDED.test(name))
  }

  function identify(request: FastifyRequest, reply: FastifyReply): undefined | Promise<undefined> {
    const { access } = request.declared
    if (!access || access.includes('public')) return undefined
    if (access.includes('loopback') && isLocal(request)) return undefined
    const credential = findPresented(request)
    if (!credential) throw problem('credentials.missing')
    const found = authorizer.authenticate(credential, request.ip)
    if (found instanceof Promise) return found.then((principal) => admit(request, reply, credential.kind, principal, access))
    return admit(request, reply, credential.kind, found, access)
  }

  // not an async hook: a credential that is at hand costs no promise
  app.addHook('onRequest', (request, reply, done) => {
    let pending: undefined | Promise<undefined>
    try {
      pending = identify(request, reply)
    } catch (error) {
      done(error as Error)
      return
    }
    if (pending) pending.then(() => done(), done)
    else done()
  })
}, { name: 'authenticate', dependencies: ['redis', 'decisions', 'audit', 'answers', 'access', 'csrf', 'inside'] })

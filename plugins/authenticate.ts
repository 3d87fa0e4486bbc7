// One hook that gives a request its principal or throws. The route's `config.access` decides, the door resolves the
// credential, and a cookie on an unsafe method must prove where it comes from. Nothing here looks at URLs.
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Credential } from '../src/access/credential.js'
import { type Access, type Principal, satisfies } from '../src/access/principal.js'
import { problem } from '../src/kernel/errors.js'
import { createFindPresented } from './presented.js'
import { createChargeRequest } from './request-budget.js'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

export default fp(async (app) => {
  const { door, audit, csrf, inside } = app
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

  async function refuse(request: FastifyRequest, principal: Principal, access: Access[]): Promise<never> {
    if (access.some((one) => one.startsWith('gatehouse:'))) {
      const caller = { ...request.caller, principal }
      const details = { method: request.method, needs: access }
      await audit.refused(caller, { action: 'access.denied', targetType: 'route', targetId: request.declared.url ?? '', details })
    }
    throw problem('access.denied', { detail: `Needs one of: ${access.join(', ')}` })
  }

  /** The rest of the way, once the credential is resolved. A promise only when a budget is asked for elsewhere, or a refusal has to be written down. */
  function admit(request: FastifyRequest, reply: FastifyReply, kind: Credential['kind'], principal: Principal, access: Access[]): undefined | Promise<undefined> {
    const charged = charge(request, reply, principal)
    return charged instanceof Promise ? charged.then(() => enter(request, kind, principal, access)) : enter(request, kind, principal, access)
  }

  function enter(request: FastifyRequest, kind: Credential['kind'], principal: Principal, access: Access[]): undefined | Promise<never> {
    if (kind === 'cookie' && !SAFE.has(request.method)) csrf.check(request, principal.sessionId ?? '')
    if (!satisfies(principal, access)) return refuse(request, principal, access)
    request.principal = principal
    return undefined
  }

  /** A request of this very machine that no proxy has passed on. */
  function isLocal(request: FastifyRequest): boolean {
    const isNear = inside.by(request.raw) === 'file' || LOOPBACK.test(request.socket.remoteAddress ?? '')
    return isNear && FORWARDED.every((name) => request.headers[name] === undefined)
  }

  function identify(request: FastifyRequest, reply: FastifyReply): undefined | Promise<undefined> {
    const { access } = request.declared
    if (!access || access.includes('public')) return undefined
    if (access.includes('loopback') && isLocal(request)) return undefined
    const credential = findPresented(request)
    if (!credential) throw problem('credentials.missing')
    const found = door.authenticate(credential, request.ip)
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
}, { name: 'authenticate', dependencies: ['redis', 'services', 'answers', 'access', 'csrf', 'inside'] })

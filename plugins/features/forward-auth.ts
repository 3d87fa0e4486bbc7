// Forward-auth: /gate/<gateway> answers whether the request that waits there may go on. 200 with the identity in headers, each
// of them always there, so that a client's own can never stand in for a missing one; anything else is a denial, said in the way
// that the gateway can pass on. On the inside listener only, and only gateways may ask there: this machine, the addresses in
// TRUSTED_PROXIES, and who may open the Unix socket.
import { BlockList, isIPv6, type Socket } from 'node:net'
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../../src/kernel/principal.js'
import { type GateVerdict, type Gateway, GATEWAYS, PROFILES, reservedHeaderOf, upgradeOf } from '../../src/gate/index.js'
import { type ErrorCode, problem } from '../../src/kernel/errors.js'
import { type PreparedHeaders, prepareHeaders } from '../http/answers.js'
import { sendProblem, toAppError } from '../http/errors.js'
import { createFindPresented } from '../security/presented.js'

/** Every one of them, always: a client's own can never stand in for a missing one. */
function identityHeaders(subject: string, type: string, keyId: string, permissions: string, organization = '-', actor = '-'): PreparedHeaders {
  return prepareHeaders([
    ['x-auth-subject', subject], ['x-auth-type', type], ['x-auth-key-id', keyId], ['x-auth-organization', organization], ['x-auth-permissions', permissions], ['x-auth-actor', actor],
  ])
}

const NOBODY = identityHeaders('-', '-', '-', '-')
const ERRORS: ErrorCode[] = [
  'expectation.failed', 'gate.untrusted', 'gate.headers_missing', 'gate.header_refused', 'gate.upgrade_refused', 'gate.target_refused', 'gate.no_rule', 'credentials.missing', 'credentials.malformed', 'key.invalid',
  'token.invalid', 'token.expired', 'session.invalid', 'access.denied', 'scope.insufficient', 'csrf.invalid', 'rate.limited', 'headers.too_large', 'expectation.failed',
]
const DESCRIPTION = `On the inside listener only. For the gateway's configuration, see docs/gateways. The request is judged by its original method, host and target, which the gateway tells in
headers, against the gate rules; its credential is that of any other request. A denial is an answer of 400 and above (nginx: always 401 or 403, the status is in
X-Auth-Status).`
const Passed = Type.Null({
  description: 'Let it through. X-Auth-Subject, X-Auth-Type, X-Auth-Key-Id, X-Auth-Organization and X-Auth-Permissions tell who it is, X-Auth-Actor who acts for them, "-" where there is nothing to tell',
})

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header
}

/** Does a connection come from this machine or from a trusted proxy? Worked out once a connection. */
function createTrust(trustedProxies: readonly string[]): (socket: Socket) => boolean {
  const gateways = new BlockList()
  for (const entry of ['127.0.0.0/8', '::1', ...trustedProxies]) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    gateways.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  const known = new WeakMap<Socket, boolean>()
  return (socket) => {
    let trusted = known.get(socket)
    if (trusted === undefined) {
      const address = socket.remoteAddress ?? ''
      const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
      trusted = gateways.check(mapped ?? address, mapped === undefined && isIPv6(address) ? 'ipv6' : 'ipv4')
      known.set(socket, trusted)
    }
    return trusted
  }
}

export default fp(async (app) => {
  const { gate, config, answers } = app
  const isGateway = createTrust(config.trustedProxies)
  // a principal of the decision cache is the same object every time
  const identities = new WeakMap<Principal, PreparedHeaders>()
  const findPresented = createFindPresented(app)

  function identityOf(principal: Principal | null): PreparedHeaders {
    if (principal === null) return NOBODY
    let identity = identities.get(principal)
    if (!identity) {
      identity = identityHeaders(principal.id, principal.type, principal.keyId ?? '-', principal.permissions.join(' ') || '-', principal.organizationId, principal.act?.sub)
      identities.set(principal, identity)
    }
    return identity
  }

  function decide(gateway: Gateway, request: FastifyRequest): GateVerdict | Promise<GateVerdict> {
    const { headers } = request
    if (app.inside.by(request.raw) !== 'file' && !isGateway(request.raw.socket)) throw problem('gate.untrusted', { detail: 'Add the gateway\'s address to TRUSTED_PROXIES' })
    const original = PROFILES[gateway].read({ method: request.method, url: request.raw.url ?? '', headers })
    return gate.decide(original, () => findPresented(request), {
      origin: headers.origin, fetchSite: single(headers['sec-fetch-site']), upgrade: upgradeOf(headers, original.method), reserved: reservedHeaderOf(gateway, headers),
    })
  }

  function answer({ error, principal, limits }: GateVerdict, reply: FastifyReply): void {
    void reply.rateLimits(limits)
    if (error) throw error
    answers.add(reply, identityOf(principal))
    void reply.send()
  }

  function addGateway(scope: FastifyInstance, gateway: Gateway): void {
    // what a client sends along is for the server behind the gateway: it is neither read nor judged
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, payload, done) => {
      payload.resume()
      done(null)
    })
    scope.setErrorHandler((thrown, request, reply) => {
      const error = toAppError(thrown)
      if (!request.declared.declares?.has(error.code)) app.undeclaredErrors.add(`${request.method} ${request.declared.url ?? ''} ${error.code}`)
      if (error.statusCode >= 500) app.log.error({ err: error.cause ?? error, code: error.code, requestId: request.id }, 'request failed')
      void reply.header('x-auth-status', error.statusCode).header('x-auth-error', error.code)
      return sendProblem(error, request, reply, PROFILES[gateway].status(error.statusCode))
    })
    function handler(request: FastifyRequest, reply: FastifyReply): void {
      const verdict = decide(gateway, request)
      if (verdict instanceof Promise) verdict.then((one) => answer(one, reply)).catch((error: unknown) => void reply.send(error))
      else answer(verdict, reply)
    }
    const config = { access: ['public'] satisfies ['public'], errors: ERRORS, cors: false }
    const schema = { operationId: `forwardAuthFor${gateway.charAt(0).toUpperCase()}${gateway.slice(1)}`, summary: `Forward-auth for ${gateway}`, description: DESCRIPTION, tags: ['Gate'], response: { 200: Passed } }
    scope.get(`/gate/${gateway}`, { constraints: app.inside.only, schema, config, handler })
    // the same once more, for gateways that ask with the client's method and path
    const asset = { constraints: app.inside.only, schema: { ...schema, hide: true }, config: { ...config, asset: true }, handler }
    const others = app.supportedMethods.filter((method) => method !== 'GET' && method !== 'HEAD')
    scope.route({ ...asset, method: others, url: `/gate/${gateway}` })
    if (gateway === 'envoy') scope.route({ ...asset, method: ['GET', 'HEAD', ...others], url: '/gate/envoy/*' })
  }

  for (const gateway of GATEWAYS) await app.register(async (scope) => addGateway(scope, gateway))
}, { name: 'forward-auth', dependencies: ['gate', 'errors', 'access', 'rate-limit', 'inside'] })

// The security headers of every answer (helmet decides them, once; plugins/http/answers.ts sends them), no caching of private data unless a
// route says otherwise, and CORS by allow-list: on every answer, refusals before and beside any route included, which is why it is
// not @fastify/cors's hook and its route for OPTIONS.
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import helmet, { type HelmetOptions } from 'helmet'
import type { Config } from '../../src/config.js'

/** What helmet sets on an answer, as one list. */
function headersOf(options: HelmetOptions): [string, string][] {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  helmet(options)(response.req, response, (error?: unknown) => {
    if (error !== undefined) throw error
  })
  return Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)])
}

/** What every answer of this configuration carries: lower-case names and values. */
export function fixedHeaders(publicUrl: Config['publicUrl']): [string, string][] {
  const isTls = publicUrl?.startsWith('https:') ?? false
  return [...headersOf({
    // an API answers data: nothing in it may load, run, or be framed. /docs sets its own.
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] } },
    strictTransportSecurity: isTls ? { maxAge: 31_536_000, includeSubDomains: true } : false,
    referrerPolicy: { policy: 'no-referrer' },
    // for browsers that are gone, or said by the policy above
    xDnsPrefetchControl: false, xDownloadOptions: false, xFrameOptions: false, xPermittedCrossDomainPolicies: false, xXssProtection: false, originAgentCluster: false,
  }), ['cache-control', 'no-store']]
}

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const TAKES = 'authorization, content-type, if-match, if-none-match, idempotency-key, x-api-key, x-csrf-token'
/** All that answers carry beyond what pages may read anyway. */
const SHOWS = 'allow, content-disposition, effective-within-ms, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id'
const PREFLIGHT_SECONDS = 600

declare module 'fastify' {
  interface FastifyInstance {
    /** Adds to an answer what its origin may know (Fetch 3.2); true when it is a preflight, which nothing else answers. */
    allowOrigin: (request: FastifyRequest, reply: FastifyReply) => boolean
  }

  interface FastifyContextConfig {
    /** false: no page may read it */
    cors?: boolean
  }
}

export default fp(async (app) => {
  const { corsOrigins, corsCredentials } = app.config
  const origins = new Set(corsOrigins)

  app.decorate('allowOrigin', (request: FastifyRequest, reply: FastifyReply) => {
    if (origins.size === 0 || request.routeOptions.config.cors === false) return false
    const { origin } = request.headers
    // whoever keeps the answer must keep one for each origin, also for none
    void reply.header('vary', 'Origin')
    if (origin === undefined || !origins.has(origin)) return false
    void reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', SHOWS)
    if (corsCredentials) void reply.header('access-control-allow-credentials', 'true')
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false
    void reply.header('access-control-allow-methods', METHODS).header('access-control-allow-headers', TAKES).header('access-control-max-age', String(PREFLIGHT_SECONDS))
    return true
  })

  // before anything refuses: a page must be able to read why
  if (origins.size > 0) {
    app.addHook('onRequest', (request, reply, done) => {
      if (app.allowOrigin(request, reply)) void reply.code(204).send()
      else done()
    })
  }
}, { name: 'headers', dependencies: ['prisma', 'answers'] })

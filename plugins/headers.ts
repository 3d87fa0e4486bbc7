// The security headers of every answer (helmet decides them, once; plugins/answers.ts sends them), no caching of private data unless a
// route says otherwise, and CORS by allow-list.
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import helmet, { type HelmetOptions } from 'helmet'
import type { Config } from '../src/config.js'

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

export default fp(async (app) => {
  const { config } = app
  if (config.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: config.corsOrigins,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'if-match', 'if-none-match', 'idempotency-key', 'x-api-key', 'x-csrf-token'],
      exposedHeaders: ['etag', 'ratelimit', 'ratelimit-policy', 'retry-after', 'idempotency-replayed'],
      // cookies are for the same origin only (see csrf)
      credentials: false,
      maxAge: 600,
    })
  }
}, { name: 'headers', dependencies: ['prisma'] })

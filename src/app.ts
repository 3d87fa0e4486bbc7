// The composition root. The order of this list is the order of the hooks, and the order of the hooks is security:
// refuse what cannot be read, then headers, then who is asking, then how often; routes come last.
import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import { dirname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import autoload from '@fastify/autoload'
import { fastify, LogController, type FastifyInstance } from 'fastify'
import { type LoggerOptions, pino, stdSerializers } from 'pino'
import access from '../plugins/access.js'
import answering, { createAnswers } from '../plugins/answers.js'
import authenticate from '../plugins/authenticate.js'
import bodies from '../plugins/bodies.js'
import clientAddress from '../plugins/client-address.js'
import conditional from '../plugins/conditional.js'
import csrf from '../plugins/csrf.js'
import emails from '../plugins/emails.js'
import errors, { rawProblem, sendProblem, toAppError } from '../plugins/errors.js'
import gate from '../plugins/gate.js'
import headers, { fixedHeaders } from '../plugins/headers.js'
import health from '../plugins/health.js'
import inside, { createArrivals } from '../plugins/inside.js'
import idempotency from '../plugins/idempotency.js'
import jwks from '../plugins/jwks.js'
import jwt from '../plugins/jwt.js'
import maintenance from '../plugins/maintenance.js'
import keySweeps from '../plugins/key-sweeps.js'
import metrics from '../plugins/metrics.js'
import openapi from '../plugins/openapi.js'
import prisma, { type Foundations } from '../plugins/prisma.js'
import rateLimit from '../plugins/rate-limit.js'
import redis from '../plugins/redis.js'
import requestLog from '../plugins/request-log.js'
import requestGuard, { MOST_HEADERS } from '../plugins/request-guard.js'
import root from '../plugins/root.js'
import revocations from '../plugins/revocations.js'
import services from '../plugins/services.js'
import usage from '../plugins/usage.js'
import validation from '../plugins/validation.js'
import verification from '../plugins/verification.js'
import { addressMatcher } from './kernel/address.js'
import { newId } from './kernel/ids.js'
import { createRequestIds } from './kernel/request-id.js'
import { systemClock } from './kernel/clock.js'
import { systemTimer } from './kernel/timers.js'
import { guardSockets } from './sockets/socket-guard.js'

export interface AppOptions extends Omit<Foundations, 'clock'> {
  clock?: Foundations['clock']
  logger?: LoggerOptions
}

const HERE = dirname(fileURLToPath(import.meta.url))
const ROUTES = join(HERE, '..', 'routes')

/**
 * A target as this program reads it: an absolute one (RFC 9112 3.2.2) is its path, and /api/x is /api/v1/x, for a client that names
 * no version gets the first one for ever.
 */
function targetOf(target: string): string {
  const rest = target.replace(/^https?:\/\/[^/?#]*/i, '')
  const url = rest === '' || rest.startsWith('?') ? `/${rest}` : rest
  if (url.startsWith('/api/v1/')) return url
  return url.startsWith('/api/') && !/^\/api\/v\d+(?:[/?]|$)/.test(url) ? `/api/v1${url.slice(4)}` : url
}

// room for what a gateway sends along beside the headers of the request it holds: as much as any of them takes from a client
const INSIDE_HEADERS_MAX = 64 * 1024
const REQUEST_TIMEOUT_MS = 30_000
const CONNECTION_TIMEOUT_MS = 65_000

/** Time-outs and refusals that both listeners have. */
function prepare(server: Server): void {
  server.headersTimeout = 15_000
  // one more than are taken, for plugins/request-guard.ts to see that there are too many
  server.maxHeadersCount = MOST_HEADERS + 1
  // a connection that is idle, stalled or not read has one time-out: with Node's own for keep-alive beside it, each request would
  // set a timer twice. Fastify takes a 0 for its default.
  server.keepAliveTimeout = 0
  // Node's own refusal of an Expect it does not know has no body: it goes the way of any request, and request-guard.ts refuses it
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response))
}

/** The inside listener beside Fastify's own: what Fastify sets on its server, and no cap of connections, for gateways keep many. */
function prepareInside(server: Server): void {
  prepare(server)
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.setTimeout(CONNECTION_TIMEOUT_MS)
  server.on('clientError', refuse)
}

function refuse({ code }: Error & { code?: string }, socket: Duplex): void {
  if (socket.writable) socket.end(rawProblem(code, newId()))
  else socket.destroy()
}

/** Builds the server; it neither listens nor migrates. The database stays its caller's, to be closed after `app.close()`. */
export async function buildApp({ config, secret, database, clock = systemClock, logger }: AppOptions): Promise<FastifyInstance> {
  if (!existsSync(ROUTES)) throw new Error(`No routes folder at ${ROUTES}`)
  const boot = newId().slice(-6)
  const requestIds = createRequestIds(boot, addressMatcher(config.trustedProxies))
  const log = pino({ level: config.logLevel, serializers: { err: stdSerializers.err }, ...logger })
  const answers = createAnswers({ fixed: fixedHeaders(config.publicUrl), clock })
  const arrivals = createArrivals()
  // requests that arrive slowly are looked at every second
  const http = { requireHostHeader: false, ServerResponse: answers.ServerResponse, connectionsCheckingInterval: 1_000 }
  const app = fastify({
    // what fails or is slow is logged by plugins/errors.ts and plugins/metrics.ts; the rest is counted. A logger that Fastify knows
    // of has it listen for the end of each answer, and one of its own for each request costs more than most requests log:
    // ours stands in for both, and what is logged carries the request's id
    logger: false,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: () => log,
    genReqId: requestIds,
    rewriteUrl: ({ url }) => targetOf(url ?? '/'),
    // the default of 10 s is short for a start on a busy machine
    pluginTimeout: 60_000,
    // Fastify leaves these open
    bodyLimit: 256 * 1024,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    routerOptions: { maxParamLength: 200, constraints: { listener: arrivals.constraint } },
    // Node's own refusal of a missing Host has no body: plugins/request-guard.ts refuses it instead
    http: { ...http, maxHeaderSize: 16 * 1024 },
    forceCloseConnections: 'idle',
    // a request that has come all the way is answered, though the listener is closing
    return503OnClosing: false,
    exposeHeadRoutes: true,
    clientErrorHandler: refuse,
    frameworkErrors: (error, request, reply) => {
      // no hook has run: what each answer carries is added here
      app.allowOrigin(request, reply)
      void sendProblem(toAppError(error), request, reply.header('x-request-id', request.id))
    },
  })
  app.log = log
  prepare(app.server)
  const sockets = guardSockets(app.server, {
    max: config.connectionsMax, maxEach: config.connectionsPerAddress, isTrusted: addressMatcher(config.trustedProxies), clock: systemClock, every: systemTimer,
  })
  app.addHook('onClose', async () => sockets.close())

  await app.register(prisma, { config, secret, database, clock })
  await app.register(inside, { arrivals, http: { ...http, maxHeaderSize: INSIDE_HEADERS_MAX }, prepare: prepareInside })
  await app.register(errors)
  await app.register(answering, { answers })
  await app.register(headers)
  await app.register(clientAddress)
  await app.register(requestGuard)
  await app.register(bodies)
  await app.register(validation)
  await app.register(access)
  await app.register(openapi)
  await app.register(redis)
  await app.register(metrics)
  await app.register(requestLog)
  await app.register(jwt)
  await app.register(services)
  await app.register(revocations)
  await app.register(keySweeps)
  await app.register(usage)
  await app.register(csrf)
  await app.register(authenticate)
  await app.register(rateLimit)
  await app.register(conditional)
  await app.register(idempotency)
  await app.register(verification)
  await app.register(health)
  await app.register(root)
  await app.register(jwks)
  await app.register(gate)
  await app.register(maintenance)
  await app.register(emails)
  await app.register(autoload, { dir: ROUTES, options: { prefix: '/api/v1' }, forceESM: true, ignoreFilter: (path) => /schema\.[jt]s$/.test(path) })
  return app
}

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
import accounts from '../plugins/features/accounts.js'
import audit from '../plugins/features/audit.js'
import authority from '../plugins/features/authority.js'
import bulk from '../plugins/features/bulk.js'
import longBodies from '../plugins/http/long-bodies.js'
import rowBodies from '../plugins/http/row-bodies.js'
import clients from '../plugins/features/clients.js'
import decisions from '../plugins/features/decisions.js'
import federation from '../plugins/features/federation.js'
import events from '../plugins/features/events.js'
import factors from '../plugins/features/factors.js'
import forwardAuth from '../plugins/features/forward-auth.js'
import gate from '../plugins/features/gate.js'
import idempotentAnswers from '../plugins/features/idempotent-answers.js'
import invitations from '../plugins/features/invitations.js'
import keys from '../plugins/features/keys.js'
import limits from '../plugins/features/limits.js'
import magicLink from '../plugins/features/magic-link.js'
import mail from '../plugins/features/mail.js'
import mailedLinks from '../plugins/features/mailed-links.js'
import ownEmail from '../plugins/features/own-email.js'
import oauth from '../plugins/features/oauth.js'
import organizationLog from '../plugins/features/organization-log.js'
import organizations from '../plugins/features/organizations.js'
import outbound from '../plugins/features/outbound.js'
import queue from '../plugins/features/queue.js'
import revocation from '../plugins/features/revocation.js'
import sessions from '../plugins/features/sessions.js'
import setup from '../plugins/features/setup.js'
import signUp from '../plugins/features/sign-up.js'
import usage from '../plugins/features/usage.js'
import features from '../plugins/foundation/features.js'
import metrics from '../plugins/http/metrics.js'
import access from '../plugins/security/access.js'
import anonymous from '../plugins/features/anonymous.js'
import answering, { createAnswers } from '../plugins/http/answers.js'
import authenticate from '../plugins/security/authenticate.js'
import bodies from '../plugins/http/bodies.js'
import browser from '../plugins/security/browser.js'
import clientAddress from '../plugins/http/client-address.js'
import conditional from '../plugins/http/conditional.js'
import documents from '../plugins/http/documents.js'
import csrf from '../plugins/security/csrf.js'
import deviceCookie from '../plugins/security/device-cookie.js'
import domains from '../plugins/features/domains.js'
import emails from '../plugins/features/emails.js'
import errors, { rawProblem, sendProblem, toAppError } from '../plugins/http/errors.js'
import headers, { fixedHeaders } from '../plugins/http/headers.js'
import health from '../plugins/http/health.js'
import impersonation from '../plugins/features/impersonation.js'
import inside, { createArrivals } from '../plugins/http/inside.js'
import idempotency from '../plugins/http/idempotency.js'
import jwks from '../plugins/security/jwks.js'
import jwt from '../plugins/security/jwt.js'
import oauthMetadata from '../plugins/http/oauth-metadata.js'
import oauthVisitor from '../plugins/http/oauth-visitor.js'
import oauthRoutes from '../plugins/http/oauth-routes.js'
import openapi from '../plugins/http/openapi.js'
import prisma, { type Foundations } from '../plugins/foundation/prisma.js'
import rateLimit from '../plugins/security/rate-limit.js'
import redis from '../plugins/foundation/redis.js'
import webhooks from '../plugins/features/webhooks.js'
import ownAccount from '../plugins/features/own-account.js'
import pageFiles from '../plugins/http/page-files.js'
import pageRoutes from '../plugins/http/page-routes.js'
import pages from '../plugins/features/pages.js'
import requestLocale from '../plugins/http/request-locale.js'
import requestLog from '../plugins/http/request-log.js'
import requestGuard, { MOST_HEADERS } from '../plugins/http/request-guard.js'
import root from '../plugins/http/root.js'
import lazySchemas from '../plugins/http/lazy-schemas.js'
import validation from '../plugins/http/validation.js'
import verification from '../plugins/http/verification.js'
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
const PAGES = join(ROUTES, 'ui')

/**
 * A target as this program reads it: an absolute one (RFC 9112 3.2.2) is its path, and /api/x is /api/v1/x, for a client that names
 * no version gets the first one for ever.
 */
function targetOf(target: string): string {
  if (target.startsWith('/api/v1/')) return target // nearly all of them
  const rest = target.replace(/^https?:\/\/[^/?#]*/i, '')
  const url = rest === '' || rest.startsWith('?') ? `/${rest}` : rest
  return url.startsWith('/api/') && !/^\/api\/v\d+(?:[/?]|$)/.test(url) ? `/api/v1${url.slice(4)}` : url
}

// room for what a gateway sends along beside the headers of the request it holds: as much as any of them takes from a client
const INSIDE_HEADERS_MAX = 64 * 1024
const REQUEST_TIMEOUT_MS = 30_000
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
const CONNECTION_TIMEOUT_MS = 65_000

/** Time-outs and refusals that both listeners have. */
function prepare(server: Server): void {
  server.headersTimeout = 15_000
  // one more than are taken, for plugins/http/request-guard.ts to see that there are too many
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
    // what fails or is slow is logged by plugins/http/errors.ts and plugins/http/metrics.ts; the rest is counted. A logger that Fastify knows
    // of has it listen for the end of each answer, and one of its own for each request costs more than most requests log
    logger: false,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIds,
    rewriteUrl: ({ url }) => targetOf(url ?? '/'),
    // the default of 10 s is short for a start on a busy machine
    pluginTimeout: 60_000,
    // Fastify leaves these open
    bodyLimit: 256 * 1024,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    routerOptions: { maxParamLength: 200, constraints: { listener: arrivals.constraint } },
    // Node's own refusal of a missing Host has no body: plugins/http/request-guard.ts refuses it instead
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
  // what each request has instead of a logger, without a cost: what Fastify itself has to say of one is said to ours
  for (const level of LEVELS) app.log[level] = log[level].bind(log)
  app.log = log
  prepare(app.server)
  const sockets = guardSockets(app.server, {
    max: config.connectionsMax, maxEach: config.connectionsPerAddress, isTrusted: addressMatcher(config.trustedProxies), clock: systemClock, every: systemTimer,
  })
  app.addHook('onClose', async () => sockets.close())

  await app.register(prisma, { config, secret, database, clock })
  await app.register(features)
  await app.register(inside, { arrivals, http: { ...http, maxHeaderSize: INSIDE_HEADERS_MAX }, prepare: prepareInside })
  await app.register(errors)
  await app.register(answering, { answers })
  await app.register(headers)
  await app.register(clientAddress)
  await app.register(requestGuard)
  await app.register(bodies)
  await app.register(longBodies)
  await app.register(rowBodies)
  await app.register(lazySchemas)
  await app.register(validation)
  await app.register(access)
  await app.register(openapi)
  await app.register(redis)
  await app.register(metrics)
  await app.register(requestLocale)
  await app.register(requestLog)
  await app.register(jwt)
  await app.register(outbound)
  await app.register(audit)
  await app.register(queue)
  await app.register(mail)
  await app.register(mailedLinks)
  await app.register(events)
  await app.register(authority)
  await app.register(revocation)
  await app.register(sessions)
  await app.register(organizations)
  await app.register(organizationLog)
  await app.register(webhooks)
  await app.register(keys)
  await app.register(usage)
  await app.register(limits)
  await app.register(clients)
  await app.register(accounts)
  await app.register(domains)
  await app.register(ownEmail)
  await app.register(bulk)
  await app.register(factors)
  await app.register(magicLink)
  await app.register(impersonation)
  await app.register(setup)
  await app.register(anonymous)
  await app.register(signUp)
  await app.register(invitations)
  await app.register(federation)
  await app.register(decisions)
  await app.register(oauth)
  await app.register(ownAccount)
  await app.register(gate)
  await app.register(idempotentAnswers)
  await app.register(csrf)
  await app.register(browser)
  await app.register(deviceCookie)
  await app.register(authenticate)
  await app.register(rateLimit)
  await app.register(conditional)
  await app.register(documents)
  await app.register(idempotency)
  await app.register(verification)
  await app.register(health)
  await app.register(root)
  await app.register(jwks)
  await app.register(oauthMetadata)
  await app.register(forwardAuth)
  await app.register(emails)
  await app.register(pages)
  await app.register(pageFiles)
  await app.register(oauthVisitor)
  await app.register(pageRoutes, { prefix: '/ui', dir: PAGES })
  await app.register(oauthRoutes, { prefix: '/oauth', dir: join(ROUTES, 'oauth') })
  await app.register(autoload, { dir: ROUTES, options: { prefix: '/api/v1' }, routeParams: true, forceESM: true, ignorePattern: /^(ui|oauth)$/, ignoreFilter: (path) => /schema\.[jt]s$/.test(path) })
  return app
}

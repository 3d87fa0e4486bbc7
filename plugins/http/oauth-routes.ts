// The scope of the OAuth endpoints: what is set for all routes below routes/oauth, and for no other. Forms that name each parameter once, errors in the
// standards' own words instead of problems, nothing kept by anybody, and pages of every origin, which come without cookies.
import autoload from '@fastify/autoload'
import { LRUCache } from 'lru-cache'
import type { FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { OAuthError, type Parameters, readParameters } from '../../src/clients/index.js'
import { countedAddress } from '../../src/kernel/address.js'
import type { AppError } from '../../src/kernel/errors.js'
import { readJsonText } from '../../src/kernel/json.js'
import { createFindPresented } from '../security/presented.js'
import { toAppError } from './errors.js'
import pageCookies from './page-cookies.js'
import show from './show.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** pages of any origin may ask; without cookies, and so in nobody's name */
    anyOrigin?: boolean
    /** clients prove who they are there: failures are counted by address */
    provesClient?: boolean
    /** what is wrong with an OAuth request is told on a page: people look at it */
    showsProblems?: boolean
    /** its body is JSON */
    takesJson?: boolean
  }

  interface FastifyRequest {
    /** What was asked for: of a GET its query, of a POST its form. Throws OAuthError invalid_request. */
    parameters: () => Parameters
    /** What a client says of itself, as JSON. Throws OAuthError invalid_client_metadata. */
    metadata: () => Readonly<Record<string, unknown>>
    /** Throws OAuthError unless whoever asks may register clients. */
    mayRegister: () => Promise<void>
  }
}

const MOST_BYTES = 32 * 1024
const REGISTERS = 'gatehouse:clients.write'
const FAILURES = 300
const WINDOW_MS = 60_000
const MOST_BLOCKED = 20_000
const FORM = 'application/x-www-form-urlencoded'

/** An error of ours in the words of RFC 6749. */
function oauthErrorOf({ statusCode, retryAfterSeconds, message, code, cause }: AppError): OAuthError {
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  if (statusCode === 429 || statusCode === 503) return new OAuthError('temporarily_unavailable', message, { status: statusCode, ...retry, cause })
  if (statusCode >= 500) return new OAuthError('server_error', 'Something went wrong on our side', { status: 500, cause })
  return new OAuthError('invalid_request', message, { status: code === 'body.too_large' ? 413 : 400, cause })
}

const oauthRoutes: FastifyPluginAsync<{ dir: string }> = async (app, { dir }) => {
  const { sharedStore, clock } = app
  /** until when an address is not listened to, ms of the steady clock */
  const blocked = new LRUCache<string, number>({ max: MOST_BLOCKED })

  await app.register(pageCookies)
  await app.register(show)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>(FORM, { parseAs: 'string', bodyLimit: MOST_BYTES }, (_request, body, done) => {
    try {
      done(null, readParameters(body))
    } catch (error) {
      done(error as Error)
    }
  })
  app.addContentTypeParser<string>('*', { parseAs: 'string', bodyLimit: MOST_BYTES }, (_request, body, done) => {
    if (body === '') done(null)
    else done(new OAuthError('invalid_request', `The body must be ${FORM}`))
  })
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (request, body, done) => {
    if (request.routeOptions.config.takesJson !== true) return done(new OAuthError('invalid_request', `The body must be ${FORM}`))
    try {
      return done(null, JSON.parse(readJsonText(body)))
    } catch (error) {
      return done(new OAuthError('invalid_client_metadata', 'The body is not JSON that can be kept', { cause: error }))
    }
  })
  app.decorateRequest('metadata', function metadata(this: FastifyRequest) {
    const { body } = this
    if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new OAuthError('invalid_client_metadata', 'The body must be a JSON object')
    return body as Record<string, unknown>
  })
  const find = createFindPresented(app)
  app.decorateRequest('mayRegister', async function mayRegister(this: FastifyRequest) {
    const { mode } = app.clientRegistration
    if (mode === 'closed') throw new OAuthError('registration_not_supported', 'Clients are let in by an administrator', { status: 403 })
    if (mode === 'open') return
    const credential = find(this)
    const decision = credential && (await app.authorizer.check(credential, { permissions: [REGISTERS], keyLimits: false }, this.ip))
    if (decision?.allowed !== true) throw new OAuthError('invalid_token', 'Registration takes a key or a token of somebody who may write clients', { status: 401, authenticate: 'Bearer realm="gatehouse"' })
  })
  app.decorateRequest('parameters', function parameters(this: FastifyRequest) {
    return this.method === 'POST' ? ((this.body as Parameters | null | undefined) ?? readParameters('')) : this.queryParameters()
  })

  app.addHook('onRoute', (route) => {
    // for programs that know the standards, which describe them: docs/oauth.md, and /.well-known
    route.config = { ...route.config, asset: true }
    route.schema = { ...route.schema, hide: true }
  })
  app.addHook('onRequest', async (request, reply) => {
    if (request.declared.anyOrigin === true && reply.getHeader('access-control-allow-origin') === undefined) {
      void reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', 'www-authenticate, retry-after')
    }
    const until = request.declared.provesClient === true ? blocked.get(countedAddress(request.ip)) : undefined
    if (until !== undefined && until > clock.monotonic()) throw new OAuthError('temporarily_unavailable', 'Too many clients that were none', { status: 429, retryAfterSeconds: Math.ceil((until - clock.monotonic()) / 1_000) })
  })

  async function countFailure(request: FastifyRequest): Promise<void> {
    const address = countedAddress(request.ip)
    const { allowed, retryAfterMs } = await sharedStore.limits.take([{ key: `public:oauth-clients:{${address}}`, quota: FAILURES, windowMs: WINDOW_MS, cost: 1 }])
    if (!allowed) blocked.set(address, clock.monotonic() + retryAfterMs)
  }

  app.setErrorHandler(async (thrown: FastifyError | OAuthError, request: FastifyRequest, reply: FastifyReply) => {
    const error = thrown instanceof OAuthError ? thrown : oauthErrorOf(toAppError(thrown))
    const { statusCode, authenticate, retryAfterSeconds } = error
    if (statusCode >= 500) app.log.error({ err: error.cause ?? error, code: error.error, requestId: request.id }, 'request failed')
    if ((error.error === 'invalid_client' || error.error === 'invalid_grant') && request.declared.provesClient === true) await countFailure(request)
    if (request.declared.showsProblems === true) return reply.code(statusCode).show('authorize-problem', { error: error.error, description: error.message })
    if (authenticate !== undefined) void reply.header('www-authenticate', authenticate)
    if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterSeconds))))
    return reply.code(statusCode).type('application/json; charset=utf-8').serializer(JSON.stringify).send({ error: error.error, error_description: error.message })
  })

  // what a page's script asks first (Fetch 3.2): the answer is the same for all
  app.options('/*', { schema: { response: { 204: { type: 'null' } } }, config: { access: ['public'], anyOrigin: true } }, async (_request, reply) => reply
    .header('access-control-allow-methods', 'GET, POST, PUT, DELETE').header('access-control-allow-headers', 'authorization, content-type').header('access-control-max-age', '600').code(204).send(null))

  await app.register(autoload, { dir, forceESM: true, ignoreFilter: (path) => /schema\.[jt]s$/.test(path) })
}

export default oauthRoutes

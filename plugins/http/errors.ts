// Every answer of 400 and above is RFC 9457 application/problem+json, made here and nowhere else. 4xx say what the caller
// can mend; 5xx carry a fixed text and the request id, and the cause goes to the log.
import fp from 'fastify-plugin'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { AppError, ERRORS, type ErrorCode, type FieldError, problem } from '../../src/kernel/errors.js'
import { isDatabaseUnavailable } from '../../src/database/failures.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** `METHOD url code` of every error a route answered without declaring it: tests demand that this stays empty */
    undeclaredErrors: Set<string>
  }
}

const FRAMEWORK: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body.too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type.unsupported',
  FST_ERR_CTP_INVALID_TYPE: 'media_type.unsupported',
  FST_ERR_BAD_URL: 'request.malformed',
  FST_ERR_MAX_PARAM_LENGTH: 'uri.too_long',
}

/** The body of a problem answer. `type` is a URN: it names the error and is no address to fetch. */
export function problemBody(error: AppError, requestId: string) {
  return {
    type: `urn:gatehouse:error:${error.code}`,
    title: error.title,
    status: error.statusCode,
    code: error.code,
    detail: error.statusCode >= 500 ? error.title : (error.detail ?? error.title),
    requestId,
    ...(error.errors ? { errors: error.errors } : {}),
  }
}

/** What a schema finds wrong, as a caller is told of it. */
export function fieldErrors({ validation = [], validationContext }: Pick<FastifyError, 'validation' | 'validationContext'>): FieldError[] {
  return validation.map(({ instancePath, params, message }) => {
    const missing = params['missingProperty'] ?? params['additionalProperty']
    const path = typeof missing === 'string' ? `${instancePath}/${missing}` : instancePath
    return { path: validationContext === 'body' ? path || '/' : path.replace(/^\//, ''), message: message ?? 'is not valid' }
  })
}

/** The methods that a path answers. */
interface KnownRoute {
  pattern: RegExp
  methods: Set<string>
}

/** The error a caller is shown for whatever was thrown. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (isDatabaseUnavailable(error)) return problem('database.unavailable', { retryAfterSeconds: 1, cause: error })
  if (!(error instanceof Error)) return problem('server.error', { cause: error })
  const thrown = error as FastifyError
  if (thrown.validation) return problem('request.invalid', { detail: `The ${thrown.validationContext ?? 'request'} does not match its schema`, errors: fieldErrors(thrown) })
  const code = FRAMEWORK[thrown.code]
  if (code) return problem(code, { cause: error })
  // what Fastify and its parsers refuse with a 4xx of their own: broken JSON, a wrong Content-Length
  if (thrown.statusCode !== undefined && thrown.statusCode >= 400 && thrown.statusCode < 500) return problem('request.malformed', { cause: error })
  return problem('server.error', { cause: error })
}

function challenge(error: AppError): string {
  const invalid = /^(token|key|session)\./.test(error.code) ? 'error="invalid_token"' : undefined
  const parameters = error.authenticate ?? invalid
  return `Bearer realm="gatehouse"${parameters === undefined ? '' : `, ${parameters}`}`
}

/** Sends an error as a problem (RFC 9457), with WWW-Authenticate (RFC 6750 3, RFC 9470 3) and Retry-After where they belong. `status`: another one than the error's. */
export function sendProblem(error: AppError, request: FastifyRequest, reply: FastifyReply, status: number = error.statusCode): FastifyReply {
  if (error.statusCode === 401 || (error.statusCode === 403 && error.authenticate !== undefined)) void reply.header('www-authenticate', challenge(error))
  if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterSeconds))))
  return reply.code(status).type('application/problem+json').serializer(JSON.stringify).send(problemBody(error, request.id))
}

/** What is refused before any route is asked, and documented for all of them at once. */
const OF_ANY_ROUTE: ReadonlySet<ErrorCode> = new Set(['expectation.failed', 'headers.too_large'])

export default fp(async (app) => {
  app.decorate('undeclaredErrors', new Set<string>())
  const routesOf = { public: new Map<string, KnownRoute>(), inside: new Map<string, KnownRoute>() }

  app.addHook('onRoute', ({ url, method, constraints }) => {
    if (url === '*') return // the preflight answers of CORS are no endpoint
    const methodsOf = routesOf[constraints === app.inside.only ? 'inside' : 'public']
    const pattern = new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+').replace('\\*', '.*')}$`)
    const entry = methodsOf.get(url) ?? { pattern, methods: new Set<string>() }
    for (const one of [method].flat()) entry.methods.add(one)
    methodsOf.set(url, entry)
  })

  app.setErrorHandler((thrown, request, reply) => {
    const error = toAppError(thrown)
    const { config } = request.routeOptions
    if (config.declares && !config.declares.has(error.code) && !OF_ANY_ROUTE.has(error.code)) app.undeclaredErrors.add(`${request.method} ${config.url} ${error.code}`)
    if (error.statusCode >= 500) app.log.error({ err: error.cause ?? error, code: error.code, requestId: request.id }, 'request failed')
    return sendProblem(error, request, reply)
  })

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? ''
    const methodsOf = routesOf[app.inside.by(request.raw) === undefined ? 'public' : 'inside']
    const known = [...methodsOf.values()].filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods])
    if (request.method === 'OPTIONS' && path === '*') return reply.code(204).send() // the server itself (RFC 9110 9.3.7)
    if (known.length === 0 || known.includes(request.method)) return sendProblem(problem('route.not_found'), request, reply)
    void reply.header('allow', [...new Set([...known, 'OPTIONS'])].toSorted().join(', '))
    return request.method === 'OPTIONS' ? reply.code(204).send() : sendProblem(problem('method.not_allowed'), request, reply)
  })
}, { name: 'errors', dependencies: ['inside'] })

/** Head and body for what Node's parser refuses before there is a request. */
export function rawProblem(code: string | undefined, requestId: string): string {
  const error = problem(code === 'HPE_HEADER_OVERFLOW' ? 'headers.too_large' : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request.timeout' : 'request.malformed')
  const body = JSON.stringify(problemBody(error, requestId))
  const [status] = ERRORS[error.code]
  const head = ['content-type: application/problem+json', `content-length: ${Buffer.byteLength(body)}`, 'cache-control: no-store', 'x-content-type-options: nosniff', `x-request-id: ${requestId}`, 'connection: close']
  return `HTTP/1.1 ${status} ${error.title}\r\n${head.join('\r\n')}\r\n\r\n${body}`
}

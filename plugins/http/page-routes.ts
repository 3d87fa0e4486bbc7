// The scope of the hosted pages: what is set for all routes below routes/ui, and for no other. Forms instead of JSON, cookie sessions and no
// other credential, problems as pages, and the way to the sign-in for whoever is not signed in.
import autoload from '@fastify/autoload'
import type { FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { OAuthError } from '../../src/clients/index.js'
import { type AppError, type ErrorCode, problem } from '../../src/kernel/errors.js'
import type { PageFault } from '../../src/pages/index.js'
import session from '../security/session.js'
import { toAppError } from './errors.js'
import formBody from './form-body.js'
import pageCookies from './page-cookies.js'
import show from './show.js'
import signInPage from './sign-in-page.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** its proof of where it comes from is a field of the form, which is looked at once the body is read */
    csrfField?: boolean
  }
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

const FAULTS: Partial<Record<ErrorCode, PageFault>> = {
  'csrf.invalid': 'foreign', 'signup.closed': 'closed', 'access.denied': 'denied', 'permission.not_held': 'denied', 'rate.limited': 'rate', 'server.busy': 'busy', 'database.unavailable': 'database',
  'route.not_found': 'not-found', 'magic_link.off': 'not-found', 'session.not_found': 'not-found', 'key.not_found': 'not-found', 'grant.not_found': 'not-found', 'device.not_found': 'not-found', 'identity.not_found': 'not-found', 'factor.not_found': 'not-found', 'user.not_found': 'not-found', 'method.not_allowed': 'method',
}

function faultOf({ code, statusCode }: AppError): PageFault {
  return FAULTS[code] ?? (statusCode >= 500 ? 'server' : 'malformed')
}

export interface PageRoutesOptions {
  /** folder of the routes */
  dir: string
}

const pageRoutes: FastifyPluginAsync<PageRoutesOptions> = async (app, { dir }) => {
  const { clock, csrf } = app
  await app.register(session)
  await app.register(formBody)
  await app.register(pageCookies)
  await app.register(show)
  await app.register(signInPage)

  async function showProblem(error: AppError, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { statusCode: status, retryAfterSeconds: seconds } = error
    if (status >= 500) app.log.error({ err: error.cause ?? error, code: error.code, requestId: request.id }, 'request failed')
    if (seconds !== undefined) void reply.header('retry-after', String(Math.max(1, Math.ceil(seconds))))
    const until = seconds === undefined ? {} : { until: new Date(Math.ceil((clock.now() + seconds * 1_000) / 60_000) * 60_000).toISOString() }
    return reply.code(status).show('problem', { fault: faultOf(error), status, ...until })
  }

  app.addHook('onRoute', (route) => {
    // for people, and not a part of the API's description
    route.config = { ...route.config, asset: true }
    route.schema = { ...route.schema, hide: true }
    if ([route.method].flat().every((one) => SAFE.has(one))) return
    route.config = { ...route.config, csrfField: true }
    route.preValidation = [
      async (request: FastifyRequest, reply: FastifyReply) => csrf.checkForm(request, request.formBinding(reply)),
      ...[route.preValidation ?? []].flat(),
    ]
  })

  // the session of this browser and nothing else: a token or a key has no business in a page
  app.addHook('onRequest', async ({ principal }) => {
    if (principal !== null && principal.authenticatedBy !== 'cookie') throw problem('access.denied')
  })

  app.setErrorHandler(async (thrown: FastifyError | OAuthError, request, reply) => {
    if (thrown instanceof OAuthError) return reply.code(thrown.statusCode).show('authorize-problem', { error: thrown.error, description: thrown.message })
    const error = toAppError(thrown)
    if (error.code === 'factor.required') return reply.onward('/ui/account/factors')
    if (error.statusCode !== 401) return showProblem(error, request, reply)
    // back to the page itself, by GET: what a form held is gone with the session
    const [path = ''] = request.url.split('?', 1)
    const here = SAFE.has(request.method) ? request.url : path
    return reply.onward(`${error.code === 'login.stepup' ? '/ui/step-up' : '/ui/sign-in'}?${new URLSearchParams({ return_to: here }).toString()}`)
  })
  app.setNotFoundHandler(async (request, reply) => {
    const [path] = request.url.split('?', 1)
    const methods = app.inventory.filter(({ url }) => url === path).flatMap(({ method }) => method)
    if (methods.length > 0) void reply.header('allow', [...new Set(methods)].toSorted().join(', '))
    return showProblem(problem(methods.length > 0 ? 'method.not_allowed' : 'route.not_found'), request, reply)
  })

  await app.register(autoload, { dir, forceESM: true, ignoreFilter: (path) => /schema\.[jt]s$/.test(path) })
}

export default pageRoutes

// Deny by default, declared on the route: a route without `config.access`, or without the schema of its answer, stops the
// boot. Also works out every error code a route may answer, for the API's documentation and for the tests.
import fp from 'fastify-plugin'
import type { RouteOptions } from 'fastify'
import type { StepUp } from '../../src/kernel/assurance.js'
import type { ErrorCode } from '../../src/kernel/errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** what the session must have proven lately, or how well; 401 login.stepup otherwise (RFC 9470). An API key never has */
    stepUp?: StepUp
    /** every error code the route may answer with; worked out at registration */
    declares?: Set<string>
    /** not documented by itself: files of the documentation, further methods of a route */
    asset?: boolean
  }

  interface FastifyInstance {
    /** every registered route, for the tests of the house */
    inventory: RouteOptions[]
  }
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const CREDENTIAL: ErrorCode[] = [
  'credentials.missing', 'credentials.malformed', 'credentials.ambiguous', 'token.invalid', 'token.expired', 'session.invalid', 'key.invalid', 'access.denied', 'factor.required',
]

function automaticCodes({ method, schema, config }: RouteOptions): ErrorCode[] {
  const methods = [method].flat()
  return [
    'request.malformed', 'credentials.ambiguous', 'server.error', 'database.unavailable', 'media_type.unsupported', 'body.too_large',
    ...(schema?.body ?? schema?.querystring ?? schema?.params ?? methods.some((one) => !SAFE.has(one)) ? ['request.invalid' as const] : []),
    ...(config?.access?.includes('public') ? [] : CREDENTIAL),
    ...(!config?.access?.includes('public') && methods.some((one) => !SAFE.has(one)) ? ['csrf.invalid' as const] : []),
    ...(config?.stepUp ? ['login.stepup' as const] : []),
    ...(config?.idempotent ? ['request.invalid' as const, 'idempotency.in_flight' as const, 'idempotency.mismatch' as const] : []),
    ...(config?.rateLimit || (config?.price ?? 0) > 0 || config?.idempotent ? ['rate.limited' as const] : []),
  ]
}

function fault({ method, url, config, schema }: RouteOptions): string | null {
  const name = `${String(method)} ${url}`
  if (!config?.access || config.access.length === 0) return `${name} declares no config.access`
  // nobody is signed in there
  if (config.stepUp && config.access.some((one) => one === 'public' || one === 'loopback')) return `${name} declares config.stepUp, and is open to who is not signed in`
  const answers = Object.keys(schema?.response ?? {})
  if (!config.asset && !answers.some((status) => /^[23]/.test(status))) return `${name} declares no schema for its 2xx answer`
  return null
}

export default fp(async (app) => {
  app.decorate('inventory', [])
  app.addHook('onRoute', (route) => {
    app.inventory.push(route)
    const { config } = route
    if (!config) return
    // a public route is the one anybody can call at will: it is limited by address unless it says otherwise
    if (config.access?.includes('public') && /^\/(api|ui|oauth)\//.test(route.url)) config.rateLimit ??= { max: 1200, timeWindow: 60_000 }
    if (!config.access?.includes('public')) config.price ??= [route.method].flat().every((one) => SAFE.has(one)) ? 1 : 2
    config.declares = new Set<string>([...automaticCodes(route), ...(config.errors ?? [])])
  })
  app.addHook('onReady', async () => {
    const faults = app.inventory.flatMap((route) => fault(route) ?? [])
    if (faults.length > 0) throw new Error(`Routes that may not boot:\n${faults.join('\n')}`)
  })
}, { name: 'access', dependencies: ['errors'] })

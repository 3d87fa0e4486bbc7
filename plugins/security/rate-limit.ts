// Limits of routes that need no credential, by address: a route opts in with config.rateLimit { max, timeWindow } (the access
// plugin does so for public ones). @fastify/rate-limit asks, app.sharedStore.limits counts; answers carry the RateLimit fields of
// draft-ietf-httpapi-ratelimit-headers. Routes with the same `groupId` share one counter, else each route has its own.
import fastifyRateLimit from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { countedAddress } from '../../src/kernel/address.js'
import { problem } from '../../src/kernel/errors.js'
import type { LimitReport } from '../../src/limits/index.js'
import type { LimitStore } from '../../src/shared-store/shared-store.js'
import type { PreparedHeaders } from '../http/answers.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Adds RateLimit and RateLimit-Policy; nothing when there are no limits. */
    rateLimits: (limits: readonly LimitReport[]) => FastifyReply
  }
}

type Counted = (error: Error | null, result?: { current: number; ttl: number }) => void

/** What @fastify/rate-limit hands to `child`: the route's options merged with the plugin's. */
interface ChildOptions {
  groupId?: string
  timeWindow: number
  routeInfo: RouteOptions
}

// the plugin's own fields, in the spelling that no client of ours has seen yet: replaced before sending
const LIMIT = 'ratelimit-limit'
const REMAINING = 'ratelimit-remaining'
const RESET = 'ratelimit-reset'

function storeOf(limits: LimitStore, windows: WeakMap<RouteOptions, number>) {
  async function count(key: string, quota: number, windowMs: number): Promise<{ current: number; ttl: number }> {
    const { allowed, states, retryAfterMs } = await limits.take([{ key, quota, windowMs, cost: 1 }])
    // the plugin refuses when more than `max` are counted; a denied request is not, so it is told so here
    if (!allowed) return { current: quota + 1, ttl: retryAfterMs }
    return { current: quota - (states[0]?.remaining ?? 0), ttl: states[0]?.resetMs ?? 0 }
  }
  return class PublicLimits {
    readonly #scope: string
    readonly #groupId: string

    constructor(scope: unknown, groupId = '') {
      this.#scope = typeof scope === 'string' ? scope : ''
      this.#groupId = groupId
    }

    incr(key: string, done: Counted, windowMs: number, quota: number): void {
      // the plugin puts a route's group behind the address: the route that the group is named after has none, and shares its counter
      const address = key.slice(0, key.length - this.#groupId.length)
      // take never rejects: a lost Redis means this node's own count
      void (async () => done(null, await count(`public:${this.#scope}:{${address}}`, quota, windowMs)))()
    }

    child(options: unknown): PublicLimits {
      const { groupId, routeInfo, timeWindow } = options as ChildOptions
      windows.set(routeInfo, Math.ceil(timeWindow / 1000))
      return new PublicLimits(groupId ?? routeInfo.url, groupId)
    }
  }
}

function policyHeaders(windowSeconds: number) {
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const limit = reply.getHeader(LIMIT)
    if (limit === undefined) return
    void reply.header('ratelimit-policy', `"public";q=${String(limit)};w=${windowSeconds}`)
      .header('ratelimit', `"public";r=${String(reply.getHeader(REMAINING))};t=${String(reply.getHeader(RESET))}`)
    for (const name of [LIMIT, REMAINING, RESET]) reply.removeHeader(name)
  }
}

/** The fields that tell of a decision (structured fields, whose names here are of a grammar that needs no escape). */
function fieldsOf(limits: readonly LimitReport[]): PreparedHeaders {
  let state = ''
  let policy = ''
  for (const { name, quota, remaining, resetSeconds, windowSeconds } of limits) {
    const comma = state === '' ? '' : ', '
    state += `${comma}"${name}";r=${remaining};t=${resetSeconds}`
    policy += `${comma}"${name}";q=${quota}${windowSeconds === null ? '' : `;w=${windowSeconds}`}`
  }
  // made anew each time and of such names and numbers only: nothing to check
  return { list: [['ratelimit-policy', policy], ['ratelimit', state]], text: `ratelimit-policy: ${policy}\r\nratelimit: ${state}\r\n` }
}

export default fp(async (app) => {
  app.decorateReply('rateLimits', function rateLimits(this: FastifyReply, limits: readonly LimitReport[]) {
    if (limits.length > 0) app.answers.add(this, fieldsOf(limits))
    return this
  })

  const windows = new WeakMap<RouteOptions, number>()
  await app.register(fastifyRateLimit, {
    global: false,
    hook: 'onRequest',
    enableDraftSpec: true,
    addHeaders: { 'retry-after': false },
    store: storeOf(app.sharedStore.limits, windows),
    keyGenerator: (request) => countedAddress(request.ip),
    // Retry-After is sent by the errors plugin, like that of every other problem
    errorResponseBuilder: (_request, { ttl }) => problem('rate.limited', { retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)) }),
  })
  app.addHook('onRoute', (route) => {
    const windowSeconds = windows.get(route)
    if (windowSeconds !== undefined) route.onSend = [route.onSend ?? []].flat().concat(policyHeaders(windowSeconds))
  })
}, { name: 'rate-limit', dependencies: ['redis'] })

// Prometheus metrics: requests by route and status, latency, connections of the pool, event loop. Labels are route
// patterns, never URLs: their number is bounded and no id or secret gets in. Errors and slow requests are logged here, too.
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, type Histogram, Registry } from 'prom-client'
import { countAnswer, createRouteCounts, histogramValues, type RouteCounts } from './request-counts.js'

const SLOW_MS = 1_000
const SECONDS = 'gatehouse_http_request_seconds'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Registry
  }

  interface FastifyContextConfig {
    /** what the route has answered, one for each of its methods */
    counts?: RouteCounts[]
  }
}

export default fp(async (app) => {
  const registry = new Registry()
  app.decorate('metrics', registry)
  collectDefaultMetrics({ register: registry })
  const counted: RouteCounts[] = []
  registry.registerMetric(new Counter({
    name: 'gatehouse_http_requests_total', help: 'Requests answered', labelNames: ['method', 'route', 'status'], registers: [],
    collect() {
      this.reset()
      for (const { method, route, statuses } of counted) for (const [status, count] of statuses) this.inc({ method, route, status }, count)
    },
  }))
  // prom-client's own histogram makes label texts at every observation: this one is counted by us, and is only written by it
  const seconds = { name: SECONDS, help: 'Time until the head of the answer', type: 'histogram', aggregator: 'sum' }
  registry.registerMetric({ ...seconds, get: async () => ({ ...seconds, values: counted.flatMap((counts) => histogramValues(SECONDS, counts)) }) } as unknown as Histogram)
  const { pool } = app.database
  registry.registerMetric(new Gauge({
    name: 'gatehouse_database_connections', help: 'Connections of the pool', labelNames: ['state'], registers: [],
    collect() {
      this.set({ state: 'idle' }, pool.idleCount)
      this.set({ state: 'used' }, pool.totalCount - pool.idleCount)
      this.set({ state: 'waiting' }, pool.waitingCount)
    },
  }))
  registry.registerMetric(new Gauge({
    name: 'gatehouse_redis_up', help: '1 when Redis answers, 0 when it does not or is not configured', registers: [],
    collect() {
      this.set(app.fast.state() === 'up' ? 1 : 0)
    },
  }))
  registry.registerMetric(new Counter({
    name: 'gatehouse_heartbeat_failures_total', help: 'Heartbeats of this node that the database did not take', registers: [],
    collect() {
      this.reset()
      this.inc(app.nodes.failures())
    },
  }))

  function countsOf({ method, declared }: FastifyRequest): RouteCounts {
    const known = (declared.counts ??= [])
    for (const counts of known) if (counts.method === method) return counts
    const counts = createRouteCounts(method, declared.url ?? 'none')
    known.push(counts)
    counted.push(counts)
    return counts
  }

  app.answers.onHead((request, status, elapsedMs) => {
    const counts = countsOf(request)
    countAnswer(counts, status, elapsedMs)
    if (elapsedMs >= SLOW_MS) request.log.warn({ method: counts.method, route: counts.route, status, elapsedMs: Math.round(elapsedMs), requestId: request.id }, 'slow request')
  })

  app.get('/metrics', {
    constraints: app.inside.only,
    schema: {
      operationId: 'readMetrics', summary: 'Prometheus metrics', tags: ['Operations'], produces: ['text/plain'],
      description: 'On the inside listener only. Open to unforwarded requests from this machine; elsewhere a credential with gatehouse:metrics.read is needed.',
      response: { 200: Type.String({ examples: ['gatehouse_http_requests_total{method="GET",route="/livez",status="200"} 1'] }) },
    },
    config: { access: ['loopback', 'gatehouse:metrics.read'] },
  }, async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}, { name: 'metrics', dependencies: ['prisma', 'redis', 'access', 'answers', 'inside'] })

// Prometheus metrics: requests by route and status, latency, connections of the pool, event loop. Labels are route
// patterns, never URLs: their number is bounded and no id or secret gets in. Errors and slow requests are logged here, too.
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

const SLOW_MS = 1_000
const BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Registry
  }
}

export default fp(async (app) => {
  const registry = new Registry()
  app.decorate('metrics', registry)
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({ name: 'gatehouse_http_requests_total', help: 'Requests answered', labelNames: ['method', 'route', 'status'], registers: [registry] })
  const seconds = new Histogram({ name: 'gatehouse_http_request_seconds', help: 'Time to answer', labelNames: ['method', 'route'], buckets: BUCKETS_SECONDS, registers: [registry] })
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

  app.addHook('onResponse', (request, reply, done) => {
    const { method } = request
    const route = request.routeOptions.url ?? 'none'
    const elapsedMs = reply.elapsedTime
    requests.inc({ method, route, status: reply.statusCode })
    seconds.observe({ method, route }, elapsedMs / 1000)
    if (elapsedMs >= SLOW_MS) request.log.warn({ method, route, status: reply.statusCode, elapsedMs: Math.round(elapsedMs), requestId: request.id }, 'slow request')
    done()
  })

  app.get('/metrics', {
    schema: {
      summary: 'Prometheus metrics', tags: ['Operations'], produces: ['text/plain'],
      description: 'Open to unforwarded requests from this machine; elsewhere a credential with gatehouse:metrics.read is needed.',
      response: { 200: Type.String({ examples: ['gatehouse_http_requests_total{method="GET",route="/livez",status="200"} 1'] }) },
    },
    config: { access: ['loopback', 'gatehouse:metrics.read'] },
  }, async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}, { name: 'metrics', dependencies: ['prisma', 'redis', 'access'] })

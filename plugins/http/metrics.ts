// Prometheus metrics: requests by route and status, latency, connections of the pool, event loop. Labels are route
// patterns, never URLs: their number is bounded and no id or secret gets in. Errors and slow requests are logged here, too.
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { countAnswer, createRouteCounts, histogramValues, type RouteCounts } from './request-counts.js'

const SLOW_MS = 1_000
const SECONDS = 'gatehouse_http_request_seconds'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** what the route has answered, one for each of its methods */
    counts?: RouteCounts[]
  }
}

export default fp(async (app) => {
  const { telemetry, sharedStore, nodes, database: { pool } } = app
  const counted: RouteCounts[] = []
  telemetry.add({
    name: 'gatehouse_http_requests_total', type: 'counter', help: 'Requests answered', labels: ['method', 'route', 'status'],
    * read() {
      for (const { method, route, statuses } of counted) for (const [status, count] of statuses) yield [{ method, route, status: String(status) }, count]
    },
  })
  telemetry.addHistogram(SECONDS, 'Time until the head of the answer', () => counted.flatMap((counts) => histogramValues(SECONDS, counts)))
  telemetry.add({
    name: 'gatehouse_database_connections', type: 'gauge', help: 'Connections of the pool', labels: ['state'],
    read: () => [[{ state: 'idle' }, pool.idleCount], [{ state: 'used' }, pool.totalCount - pool.idleCount], [{ state: 'waiting' }, pool.waitingCount]],
  })
  telemetry.add({ name: 'gatehouse_redis_up', type: 'gauge', help: '1 when Redis answers, 0 when it does not or is not configured', read: () => (sharedStore.state() === 'up' ? 1 : 0), together: 'min' })
  telemetry.add({ name: 'gatehouse_heartbeat_failures_total', type: 'counter', help: 'Heartbeats of this node that the database did not take', read: nodes.failures })

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
    if (elapsedMs >= SLOW_MS) app.log.warn({ method: counts.method, route: counts.route, status, elapsedMs: Math.round(elapsedMs), requestId: request.id }, 'slow request')
  })

  app.get('/metrics', {
    constraints: app.inside.only,
    schema: {
      operationId: 'readMetrics', summary: 'Prometheus metrics', tags: ['Operations'], produces: ['text/plain'],
      description: 'On the inside listener only. Open to unforwarded requests from this machine; elsewhere a credential with gatehouse:metrics.read is needed.',
      response: { 200: Type.String({ examples: ['gatehouse_http_requests_total{method="GET",route="/livez",status="200"} 1'] }) },
    },
    config: { access: ['loopback', 'gatehouse:metrics.read'] },
  }, async (_request, reply) => reply.type(telemetry.contentType).send(await telemetry.text()))
}, { name: 'metrics', dependencies: ['redis', 'features', 'access', 'answers', 'inside'] })

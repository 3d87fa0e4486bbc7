// /livez: the process answers. /readyz: what it depends on answers, too (503 when the database or a migration is missing, or
// the database takes no writes;
// Redis lost is `degraded` and still 200, for limits fall back and nothing else needs it).
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import { pendingMigrations } from '../../src/database/pending-migrations.js'
import { writabilityOf } from '../../src/database/session.js'
import { createHealthService } from '../../src/health/health-service.js'

const State = Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('failed'), Type.Literal('off')])
const Ready = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('failed'), Type.Literal('draining')]),
  checks: Type.Record(Type.String(), State),
  reasons: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'Why, in a few words, for each check that has more to say' })),
}, { examples: [{ status: 'ok', checks: { database: 'ok', migrations: 'ok', redis: 'off' } }] })
const Live = Type.Object({ status: Type.Literal('ok') }, { examples: [{ status: 'ok' }] })

export default fp(async (app) => {
  const { database, sharedStore, clock } = app
  const health = createHealthService({
    clock,
    checks: {
      async database() {
        const { isReplica, isReadOnly } = await writabilityOf(database.pool)
        if (isReplica) return { state: 'failed', reason: 'is read-only: a standby' }
        return isReadOnly ? { state: 'failed', reason: 'is read-only' } : 'ok'
      },
      async migrations() {
        const { length } = await pendingMigrations(database.pool)
        return length === 0 ? 'ok' : { state: 'failed', reason: `${length} not applied` }
      },
      async redis() {
        const state = sharedStore.state()
        const reason = sharedStore.reason()
        if (state === 'degraded') return { state, ...(reason === null ? {} : { reason }) }
        return state === 'memory' ? 'off' : 'ok'
      },
    },
  })

  // once for each listener; one of them is documented
  for (const listener of [{}, { constraints: app.inside.only }]) {
    const asset = 'constraints' in listener
    const of = { ...listener, config: { access: ['public'] satisfies ['public'], asset } }
    const tags = ['Operations']
    app.get('/livez', {
      ...of, schema: { operationId: 'isAlive', summary: 'Is the process alive?', tags, hide: asset, response: { 200: Live } },
    }, async () => ({ status: 'ok' as const }))

    app.get('/readyz', {
      ...of, schema: { operationId: 'isReady', summary: 'May this node get traffic?', description: 'Each check runs at most once a second.', tags, hide: asset, response: { 200: Ready, 503: Ready } },
    }, async (_request, reply) => {
      // it answers as before, and wants no more: a balancer sends the next request to another node
      if (app.answers.isDraining()) return reply.code(503).send({ status: 'draining' as const, checks: {} })
      const readiness = await health.readiness()
      return reply.code(readiness.status === 'failed' ? 503 : 200).send(readiness)
    })
  }
}, { name: 'health', dependencies: ['prisma', 'redis', 'access', 'answers', 'inside'] })

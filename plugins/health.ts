// /livez: the process answers. /readyz: what it depends on answers, too (503 when the database or a migration is missing;
// Redis lost is `degraded` and still 200, for limits fall back and nothing else needs it).
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import { pendingMigrations } from '../src/database/pending-migrations.js'
import { createHealthService, type CheckState } from '../src/health/health-service.js'

const State = Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('failed'), Type.Literal('off')])
const Ready = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('failed')]),
  checks: Type.Record(Type.String(), State),
}, { examples: [{ status: 'ok', checks: { database: 'ok', migrations: 'ok', redis: 'off' } }] })
const Live = Type.Object({ status: Type.Literal('ok') }, { examples: [{ status: 'ok' }] })

export default fp(async (app) => {
  const { database, fast, clock } = app
  const health = createHealthService({
    clock,
    checks: {
      async database() {
        await database.pool.query('SELECT 1')
        return 'ok'
      },
      migrations: async (): Promise<CheckState> => ((await pendingMigrations(database.pool)).length === 0 ? 'ok' : 'failed'),
      async redis() {
        const state = fast.state()
        return state === 'memory' ? 'off' : state === 'up' ? 'ok' : 'degraded'
      },
    },
  })

  app.get('/livez', {
    schema: { summary: 'Is the process alive?', tags: ['Operations'], response: { 200: Live } },
    config: { access: ['public'] },
  }, async () => ({ status: 'ok' as const }))

  app.get('/readyz', {
    schema: { summary: 'May this node get traffic?', description: 'Each check runs at most once a second.', tags: ['Operations'], response: { 200: Ready, 503: Ready } },
    config: { access: ['public'] },
  }, async (_request, reply) => {
    const readiness = await health.readiness()
    return reply.code(readiness.status === 'failed' ? 503 : 200).send(readiness)
  })
}, { name: 'health', dependencies: ['prisma', 'redis', 'access'] })

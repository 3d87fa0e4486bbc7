// The plugin that gives the app its fast store: with Redis, without, and with a Redis that is not there yet.
import { spawnSync } from 'node:child_process'
import { fastify, type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import redis from '../../plugins/redis.js'
import { fakeClock } from '../support/clock.js'
import { testConfig } from '../support/app.js'
import { createTestDatabase } from '../support/database.js'
import { eventually, privateRedis } from '../support/redis.js'

const noServer = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'

async function open(t: Test, redisUrl: string | null): Promise<FastifyInstance> {
  const database = await createTestDatabase(t)
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(fp(async (app) => {
    app.decorate('config', testConfig({ redisUrl }))
    app.decorate('clock', fakeClock())
    app.decorate('database', database)
  }, { name: 'prisma' }))
  await app.register(redis)
  await app.ready()
  return app
}

t.test('without REDIS_URL the store is this process, and the node is registered', async (t) => {
  const app = await open(t, null)
  t.equal(app.fast.state(), 'memory')
  t.equal(app.hasDecorator('redis'), false)
  t.equal(app.nodes.liveNodes(), 1)
  const { rows } = await app.database.pool.query<{ id: string }>('SELECT id FROM nodes')
  t.same(rows.map(({ id }) => id), [app.nodes.id])
  await app.close()
  t.equal((await app.database.pool.query('SELECT 1 FROM nodes')).rowCount, 0)
})

t.test('with Redis it is up, and app.redis is the same connection; closing the app closes it', { skip: noServer }, async (t) => {
  const server = await privateRedis(t)
  const app = await open(t, server.url)
  t.equal(app.fast.state(), 'up')
  t.equal(await app.redis.ping(), 'PONG')
  await app.close()
  await eventually(async () => !String(await server.command('CLIENT', 'LIST')).includes('name=gatehouse'), 2_000)
  t.equal(app.redis.status, 'end')
})

t.test('with a Redis that is not there yet it starts degraded, and app.redis works once it comes', { skip: noServer }, async (t) => {
  const server = await privateRedis(t, { running: false })
  const from = performance.now()
  const app = await open(t, server.url)
  t.ok(performance.now() - from < 4_000)
  t.equal(app.fast.state(), 'degraded')
  await server.start()
  await eventually(() => app.fast.state() === 'up', 10_000)
  t.equal(await app.redis.ping(), 'PONG')
})

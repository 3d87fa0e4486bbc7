// The plugin that gives the app its shared store: with Redis, without, and with a Redis that is not there yet.
import { spawnSync } from 'node:child_process'
import { fastify, type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import redis from '../../plugins/foundation/redis.js'
import { fakeClock } from '../support/clock.js'
import { testConfig } from '../support/app.js'
import { createTestDatabase } from '../support/database.js'
import { eventually, HELD_UP_MS, privateRedis } from '../support/redis.js'

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
  t.equal(app.sharedStore.state(), 'memory')
  t.equal(app.hasDecorator('redis'), false)
  t.equal(app.nodes.liveNodes(), 1)
  const { rows } = await app.database.pool.query<{ id: string }>('SELECT id FROM nodes')
  t.same(rows.map(({ id }) => id), [app.nodes.id])
  await app.close()
  t.equal((await app.database.pool.query('SELECT 1 FROM nodes')).rowCount, 0)
})

/** The names of the commands that app.redis sends. */
function sentBy(app: FastifyInstance): string[] {
  const names: string[] = []
  const send = app.redis.sendCommand.bind(app.redis)
  app.redis.sendCommand = (command, ...rest) => {
    names.push(command.name)
    return send(command, ...rest)
  }
  return names
}

/** Limits, cache and bus, once each: the commands they send go through app.redis. */
async function usesOneClient(t: Test, app: FastifyInstance): Promise<void> {
  const sent = sentBy(app)
  t.equal((await app.sharedStore.limits.take([{ key: '{a}:a', quota: 10, windowMs: 60_000, cost: 1 }])).allowed, true)
  t.ok(sent.includes('evalsha') || sent.includes('eval'), 'limits')
  await app.sharedStore.cache.set('k', 'v', 60_000)
  await app.sharedStore.bus.publish('ended', 'key:1')
  t.ok(sent.includes('set') && sent.includes('publish'), 'cache and bus')
}

t.test('with Redis it is up, and app.redis, given by @fastify/redis, is its connection; closing the app closes it', { skip: noServer }, async (t) => {
  const server = await privateRedis(t)
  const app = await open(t, server.url)
  t.equal(app.hasPlugin('@fastify/redis'), true)
  t.equal(app.sharedStore.state(), 'up')
  t.equal(await app.redis.ping(), 'PONG')
  await usesOneClient(t, app)
  t.equal(String(await server.command('CLIENT', 'LIST')).match(/name=gatehouse/g)?.length, 2, 'one that asks, one that listens')
  await app.close()
  await eventually(async () => !String(await server.command('CLIENT', 'LIST')).includes('name=gatehouse'), 2_000)
  t.equal(app.redis.status, 'end')
})

t.test('with a Redis that is not there yet it starts degraded, and the same app.redis works once it comes', { skip: noServer }, async (t) => {
  const server = await privateRedis(t, { running: false })
  const from = performance.now()
  const app = await open(t, server.url)
  t.ok(performance.now() - from < HELD_UP_MS)
  t.equal(app.hasPlugin('@fastify/redis'), true)
  t.equal(app.sharedStore.state(), 'degraded')
  t.not(app.redis.status, 'ready', 'nobody is told that it is there')
  await t.rejects(app.redis.ping())
  const { redis } = app
  await server.start()
  await eventually(() => app.sharedStore.state() === 'up', 10_000)
  t.equal(await app.redis.ping(), 'PONG')
  t.equal(app.redis, redis)
  await usesOneClient(t, app)
})

t.test('a Redis that refuses the password neither stops nor delays the start, and app.redis is not given up', { skip: noServer }, async (t) => {
  const server = await privateRedis(t)
  await server.command('CONFIG', 'SET', 'requirepass', 'hunter3')
  const from = performance.now()
  const app = await open(t, server.url.replace('127.0.0.1', ':hunter3@127.0.0.1').replace('hunter3', 'hunter4'))
  t.ok(performance.now() - from < HELD_UP_MS)
  t.equal(app.sharedStore.state(), 'degraded')
  const admin = app.redis.duplicate({ password: 'hunter3', lazyConnect: true })
  t.teardown(() => admin.disconnect())
  await admin.connect()
  await admin.config('SET', 'requirepass', 'hunter4')
  await eventually(() => app.sharedStore.state() === 'up', 10_000)
  await usesOneClient(t, app)
})

t.test('nor do sentinels, or a cluster, of which nobody answers; closing is quick then, too', async (t) => {
  for (const url of ['redis+sentinel://:hunter2@127.0.0.1:1,127.0.0.1:2/main', 'redis+cluster://:hunter2@127.0.0.1:1,127.0.0.1:2']) {
    const from = performance.now()
    const app = await open(t, url)
    t.ok(performance.now() - from < HELD_UP_MS, url)
    t.equal(app.sharedStore.state(), 'degraded')
    await t.rejects(app.redis.ping())
    const closing = performance.now()
    await app.close()
    t.ok(performance.now() - closing < HELD_UP_MS)
  }
})

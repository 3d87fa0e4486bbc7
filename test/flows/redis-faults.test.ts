// Redis killed, paused, broken, flushed and absent at the start: answers stay quick, the state is told, and it comes back by itself.
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { createFast } from '../../src/redis/create-fast.js'
import type { Fast, LimitCharge } from '../../src/redis/fast.js'
import { fakeClock } from '../support/clock.js'
import type { FastLog } from '../../src/redis/guard.js'
import { eventually, type PrivateRedis, privateRedis, SILENT } from '../support/redis.js'

const skip = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'
const RECOVERY_MS = 10_000
// a command's 100 ms, and room for a machine that does other things as well
const BOUND_MS = 250

const charge = (key: string, quota = 10): LimitCharge => ({ key: `{${key}}:a`, quota, windowMs: 600_000, cost: 1 })

async function open(t: Test, redis: PrivateRedis, nodes = 2, log: FastLog = SILENT): Promise<Fast> {
  const fast = await createFast({ redisUrl: redis.url, liveNodes: () => nodes, clock: fakeClock(), log })
  t.teardown(() => fast.close())
  return fast
}

const isUp = (fast: Fast) => eventually(() => fast.state() === 'up', RECOVERY_MS)
const isDegraded = (fast: Fast) => eventually(() => fast.state() === 'degraded', RECOVERY_MS)

/** All of the store at once; returns how long the slowest took. */
async function useAll(fast: Fast, key: string): Promise<number> {
  const from = performance.now()
  await Promise.all([
    ...Array.from({ length: 20 }, () => fast.limits.take([charge(key)])),
    fast.cache.get('k'), fast.cache.set('k', 'v', 60_000), fast.cache.delete('other'), fast.bus.publish('ended', key),
  ])
  return performance.now() - from
}

async function admitted(fast: Fast, wanted: LimitCharge, times: number): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: times }, () => fast.limits.take([wanted])))
  return decisions.filter(({ allowed }) => allowed).length
}

t.test('killed: each node goes on with its share, less what it has spent; back when Redis is', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const fast = await open(t, redis)
  const heard: string[] = []
  await fast.bus.subscribe('ended', (message) => heard.push(message))
  await isUp(fast)
  await fast.cache.set('kept', 'v', 60_000)
  t.equal(await admitted(fast, charge('spent'), 4), 4)

  await redis.kill()
  t.ok((await useAll(fast, 'first')) < BOUND_MS)
  await isDegraded(fast)
  t.ok((await useAll(fast, 'second')) < 50, 'no command is waited for any more')
  t.equal(await fast.cache.get('kept'), null)
  t.same(heard, ['first', 'second'], 'this node hears itself without Redis')
  t.equal(await admitted(fast, charge('fresh'), 30), 5, 'half of 10, for there are two nodes')
  t.equal(await admitted(fast, charge('spent'), 30), 1, 'half of 10, and 4 were spent before')
  t.equal(await admitted(fast, charge('few', 1), 5), 0, 'a share of less than one is none')

  await redis.start()
  await isUp(fast)
  await fast.cache.set('kept', 'again', 60_000)
  t.equal(await fast.cache.get('kept'), 'again')
  t.equal(await admitted(fast, charge('spent'), 30), 0, 'an empty Redis refills nothing, and what the other node let through is not known yet')
})

t.test('paused: the first request waits for one time-out, the rest for nothing', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const lines: string[] = []
  const fast = await open(t, redis, 1, { info: (_details, message) => lines.push(message), warn: (_details, message) => lines.push(message) })
  await isUp(fast)
  redis.pause()
  t.teardown(redis.resume)
  t.ok((await useAll(fast, 'paused')) < BOUND_MS)
  t.equal(fast.state(), 'degraded')
  t.ok((await useAll(fast, 'paused more')) < 50)
  await eventually(async () => Promise.reject(new Error('time')), 700).catch(() => undefined)
  redis.resume()
  await isUp(fast)
  t.same(lines, ['Redis does not answer: this node goes on without it', 'Redis answers again'], 'told once each, not at every probe')
  t.equal(await admitted(fast, charge('after'), 30), 10)
})

t.test('paused without traffic: the state is told all the same', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const fast = await open(t, redis)
  await isUp(fast)
  redis.pause()
  t.teardown(redis.resume)
  t.ok((await isDegraded(fast)) < 3_000)
  // long enough for the client to give the silent connection up and try new ones
  await eventually(async () => Promise.reject(new Error('time')), 2_500).catch(() => undefined)
  t.equal(fast.state(), 'degraded')
  redis.resume()
  await isUp(fast)
})

t.test('blocked by its own slow command: bounded, then back', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const fast = await open(t, redis)
  await isUp(fast)
  const slept = redis.command('DEBUG', 'SLEEP', '0.8')
  t.ok((await useAll(fast, 'a')) < BOUND_MS)
  t.ok((await useAll(fast, 'b')) < BOUND_MS)
  await slept
  await isUp(fast)
})

t.test('flushed, scripts too: nothing is refilled and nobody notices', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const fast = await open(t, redis, 1)
  await isUp(fast)
  t.equal(await admitted(fast, charge('spent'), 30), 10)
  await redis.command('FLUSHALL')
  await redis.command('SCRIPT', 'FLUSH')
  t.equal(await admitted(fast, charge('spent'), 30), 0)
  t.equal(await admitted(fast, charge('fresh'), 30), 10)
  t.equal(fast.state(), 'up')
})

t.test('full (OOM) or read-only counts as lost; a key of the wrong type does not', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const fast = await open(t, redis)
  await isUp(fast)
  await redis.command('SET', 'gatehouse:limit:600000:{odd}:a', 'not a hash')
  t.equal(await admitted(fast, charge('odd'), 30), 5, 'decided by this node')
  t.equal(await admitted(fast, charge('even'), 30), 10)
  t.equal(fast.state(), 'up')

  await redis.command('CONFIG', 'SET', 'maxmemory', '1')
  t.equal(await admitted(fast, charge('full'), 30), 5)
  await isDegraded(fast)
  await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  await isUp(fast)

  await redis.command('REPLICAOF', '127.0.0.1', '1')
  t.equal(await admitted(fast, charge('replica'), 30), 5)
  await isDegraded(fast)
  await redis.command('REPLICAOF', 'NO', 'ONE')
  await isUp(fast)
})

t.test('absent at the start: degraded at once, up when it comes, listeners included', { skip }, async (t) => {
  const redis = await privateRedis(t, { running: false })
  const from = performance.now()
  const [one, other] = await Promise.all([open(t, redis), open(t, redis)])
  t.ok(performance.now() - from < 2_000)
  await isDegraded(one)
  const heard: string[] = []
  await one.bus.subscribe('ended', (message) => heard.push(message))
  t.equal(await admitted(one, charge('early'), 30), 5)
  await redis.start()
  await Promise.all([isUp(one), isUp(other)])
  await other.bus.publish('ended', 'key:1')
  await eventually(() => heard.length === 1, 1_000)

  await redis.kill()
  await isDegraded(one)
  await redis.start()
  await Promise.all([isUp(one), isUp(other)])
  await other.bus.publish('ended', 'key:2')
  await eventually(() => heard.length === 2, 1_000)
  t.same(heard, ['key:1', 'key:2'])
})

t.test('closing is quick, paused or not', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const fast = await createFast({ redisUrl: redis.url, liveNodes: () => 1, clock: fakeClock(), log: SILENT })
  redis.pause()
  t.teardown(redis.resume)
  const from = performance.now()
  await fast.close()
  t.ok(performance.now() - from < BOUND_MS)
})

// Redis killed, paused, broken, flushed and absent at the start: answers stay quick, the state is told, and it comes back by itself.
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { createSharedStore } from '../../src/limits/assemble.js'
import type { SharedStore, LimitCharge } from '../../src/shared-store/shared-store.js'
import { type Clock, systemClock } from '../../src/kernel/clock.js'
import type { StoreLog } from '../../src/shared-store/guard.js'
import { fakeClock } from '../support/clock.js'
import { breakingWire } from '../support/database-proxy.js'
import { eventually, HELD_UP_MS, type PrivateRedis, privateRedis, SILENT } from '../support/redis.js'

const skip = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'
const RECOVERY_MS = 10_000
// a command's 100 ms, and room for a machine that does other things as well
const BOUND_MS = 2_500

const charge = (key: string, quota = 10): LimitCharge => ({ key: `{${key}}:a`, quota, windowMs: 600_000, cost: 1, strict: true })

interface Opened {
  nodes?: number
  log?: StoreLog
  clock?: Clock
}

async function open(t: Test, { url }: { url: string }, { nodes = 2, log = SILENT, clock = fakeClock() }: Opened = {}): Promise<SharedStore> {
  const store = await createSharedStore({ redisUrl: url, liveNodes: () => nodes, clock, log })
  t.teardown(() => store.close())
  return store
}

/** Two nodes that share the limits. */
async function openTwo(t: Test, redis: PrivateRedis, clock: Clock = fakeClock()): Promise<[SharedStore, SharedStore]> {
  const both = await Promise.all([open(t, redis, { clock }), open(t, redis, { clock })])
  await Promise.all(both.map(isUp))
  return both
}

const isUp = (store: SharedStore) => eventually(() => store.state() === 'up', RECOVERY_MS)
const isDegraded = (store: SharedStore) => eventually(() => store.state() === 'degraded', RECOVERY_MS)

/** All of the store at once; returns how long the slowest took. */
async function useAll(store: SharedStore, key: string): Promise<number> {
  const from = performance.now()
  await Promise.all([
    ...Array.from({ length: 20 }, () => store.limits.take([charge(key)])),
    store.cache.get('k'), store.cache.set('k', 'v', 60_000), store.cache.delete('other'), store.bus.publish('ended', key),
  ])
  return performance.now() - from
}

async function admitted(store: SharedStore, wanted: LimitCharge, times: number): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: times }, () => store.limits.take([wanted])))
  return decisions.filter(({ allowed }) => allowed).length
}

/** As `admitted`, asked until `wished` have passed: a node refuses until it has been told what the others know. More than wished is an error, too. */
async function admittedInTheEnd(store: SharedStore, wanted: LimitCharge, wished: number, clock = fakeClock()): Promise<number> {
  let sum = 0
  await eventually(async () => {
    clock.advance(10) // what a node waits for ends on its own clock
    return (sum += await admitted(store, wanted, 30)) >= wished
  }, RECOVERY_MS).catch(() => undefined)
  return sum + await admitted(store, wanted, 30)
}

t.test('killed: answers stay quick, and when a window has passed each node goes on with its share; back when Redis is', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const clock = fakeClock()
  const [store, other] = await openTwo(t, redis, clock)
  const heard: string[] = []
  await store.bus.subscribe('ended', (message) => heard.push(message))
  await store.cache.set('kept', 'v', 60_000)
  t.equal(await admitted(store, charge('spent'), 4), 4)

  await redis.kill()
  t.ok((await useAll(store, 'first')) < BOUND_MS)
  await isDegraded(store)
  t.ok((await useAll(store, 'second')) < 50, 'no command is waited for any more')
  t.equal(await store.cache.get('kept'), null)
  t.same(heard, ['first', 'second'], 'this node hears itself without Redis')
  const denied = await store.limits.take([charge('fresh')])
  t.same([denied.allowed, denied.retryAfterMs], [false, 1_000], 'the other may have Redis, and spend all of it')

  t.equal(await admitted(store, { ...charge('lenient'), strict: false }, 30), 5, 'half of 10 at once')

  clock.advance(630_000)
  t.equal(await admitted(store, charge('fresh'), 30), 5, 'half of 10, for there are two nodes')
  t.equal(await admitted(store, charge('few', 1), 5), 0, 'a share of less than one is none')

  await redis.start()
  await Promise.all([isUp(store), isUp(other)])
  await store.cache.set('kept', 'again', 60_000)
  t.equal(await store.cache.get('kept'), 'again')
  t.equal(await admittedInTheEnd(other, charge('fresh'), 5, clock), 5, 'an empty Redis has been told what was let through alone')
})

t.test('the only node goes on with all of it', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const store = await open(t, redis, { nodes: 1 })
  await isUp(store)
  t.equal(await admitted(store, charge('spent'), 4), 4)
  await redis.kill()
  t.equal(await admitted(store, charge('spent'), 30), 6)
  t.equal(await admitted(store, charge('fresh'), 30), 10)
  await redis.start()
  await isUp(store)
  t.equal(await admitted(store, charge('spent'), 30) + await admitted(store, charge('fresh'), 30), 0)
})

t.test('one node takes a Redis for lost that the other has: together they stay within the quota, and lose nothing of it', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const wire = await breakingWire(t, redis.url)
  const [slow, sound] = await Promise.all([open(t, wire), open(t, redis)])
  await Promise.all([isUp(slow), isUp(sound)])
  t.equal(await admitted(slow, charge('a', 20), 3), 3)
  wire.stall()
  // these get to Redis when nobody waits for them any more
  t.equal(await admitted(slow, charge('a', 20), 5), 0)
  await isDegraded(slow)
  t.equal(await admitted(sound, charge('a', 20), 6), 6)
  wire.resume()
  await isUp(slow)
  const [more, rest] = [await admitted(slow, charge('a', 20), 30), await admitted(sound, charge('a', 20), 30)]
  t.ok(more > 0 && 3 + 6 + more + rest <= 20, `${3 + 6 + more + rest} of 20`)
  t.ok(3 + 6 + more + rest >= 15, 'only what came late is missing')
})

t.test('paused: the first request waits for one time-out, the rest for nothing', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const lines: string[] = []
  const log: StoreLog = { info: (_details, message) => lines.push(message), warn: (_details, message) => lines.push(message) }
  const store = await open(t, redis, { nodes: 1, log })
  await isUp(store)
  redis.pause()
  t.teardown(redis.resume)
  t.ok((await useAll(store, 'paused')) < BOUND_MS)
  t.equal(store.state(), 'degraded')
  t.ok((await useAll(store, 'paused more')) < 50)
  await eventually(async () => Promise.reject(new Error('time')), 700).catch(() => undefined)
  redis.resume()
  await isUp(store)
  t.same(lines, ['Redis does not answer: this node goes on without it', 'Redis answers again'], 'told once each, not at every probe')
  t.equal(await admitted(store, charge('after'), 30), 10)
})

t.test('paused without traffic: the state is told all the same', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const store = await open(t, redis)
  await isUp(store)
  redis.pause()
  t.teardown(redis.resume)
  t.ok((await isDegraded(store)) < 3_000)
  // long enough for the client to give the silent connection up and try new ones
  await eventually(async () => Promise.reject(new Error('time')), 2_500).catch(() => undefined)
  t.equal(store.state(), 'degraded')
  redis.resume()
  await isUp(store)
})

t.test('blocked by its own slow command: bounded, then back', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const store = await open(t, redis)
  await isUp(store)
  const slept = redis.command('DEBUG', 'SLEEP', '0.8')
  t.ok((await useAll(store, 'a')) < BOUND_MS)
  t.ok((await useAll(store, 'b')) < BOUND_MS)
  await slept
  await isUp(store)
})

t.test('flushed, scripts too: nothing is refilled', { skip }, async (t) => {
  const redis = await privateRedis(t)
  // promises end in Redis's time: on a busy machine it would pass a clock that stands still
  const [one, other] = await openTwo(t, redis, systemClock)
  t.equal(await admitted(one, charge('spent'), 8), 8)
  await redis.command('FLUSHALL')
  await redis.command('SCRIPT', 'FLUSH')
  t.equal(await admitted(other, charge('spent'), 30), 0, 'not before it has been told what the other knows')
  t.equal(await admittedInTheEnd(other, charge('spent'), 2), 2)
  t.equal(await admittedInTheEnd(one, charge('fresh'), 10), 10)
})

t.test('full (OOM) or read-only counts as lost; a key of the wrong type does not', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const [store] = await openTwo(t, redis)
  await redis.command('SET', 'gatehouse:limit:600000:{odd}:a', 'not a hash')
  t.equal(await admitted(store, charge('odd'), 30), 0, 'nobody knows what others count')
  t.equal(await admitted(store, charge('even'), 30), 10)
  t.equal(store.state(), 'up')

  await redis.command('CONFIG', 'SET', 'maxmemory', '1')
  t.equal(await admitted(store, charge('full'), 30), 0)
  await isDegraded(store)
  await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  await isUp(store)

  await redis.command('REPLICAOF', '127.0.0.1', '1')
  t.equal(await admitted(store, charge('replica'), 30), 0)
  await isDegraded(store)
  await redis.command('REPLICAOF', 'NO', 'ONE')
  await isUp(store)
  t.equal(await admitted(store, charge('replica'), 30), 10)
})

t.test('absent at the start: degraded at once, up when it comes, listeners included', { skip }, async (t) => {
  const redis = await privateRedis(t, { running: false })
  const from = performance.now()
  const [one, other] = await Promise.all([open(t, redis), open(t, redis)])
  t.ok(performance.now() - from < HELD_UP_MS)
  await isDegraded(one)
  const heard: string[] = []
  await one.bus.subscribe('ended', (message) => heard.push(message))
  t.equal(await admitted(one, charge('early'), 30), 0)
  await redis.start()
  await Promise.all([isUp(one), isUp(other)])
  t.equal(await admitted(one, charge('early'), 30), 10)
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
  const store = await createSharedStore({ redisUrl: redis.url, liveNodes: () => 1, clock: fakeClock(), log: SILENT })
  redis.pause()
  t.teardown(redis.resume)
  const from = performance.now()
  await store.close()
  t.ok(performance.now() - from < BOUND_MS)
})

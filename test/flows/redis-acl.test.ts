// A Redis user that may do what docs/operations.md lists and nothing else, not even ask which server it talks to.
import { readFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { createSharedStore } from '../../src/limits/assemble.js'
import { systemClock } from '../../src/kernel/clock.js'
import type { LimitCharge, SharedStore } from '../../src/shared-store/shared-store.js'
import { startApp } from '../support/app.js'
import { eventually, type PrivateRedis, privateRedis, SILENT } from '../support/redis.js'

const missing = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'
const skip = process.env['CI'] === 'true' ? false : missing

const charge = (key: string): LimitCharge => ({ key: `{${key}}:a`, quota: 10, windowMs: 600_000, cost: 1, strict: true })

/** The command of the documents, for a server of this test; the user's URL. */
async function documentedUser(server: PrivateRedis, more: string[] = []): Promise<string> {
  const line = /^ACL SETUSER gatehouse .*$/m.exec(readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8'))?.[0] ?? ''
  const [name = '', ...rules] = line.replace('PASSWORD', 'hunter2').split(' ')
  await server.command(name, ...rules, ...more)
  return server.url.replace('redis://', 'redis://gatehouse:hunter2@')
}

async function open(t: Test, redisUrl: string): Promise<SharedStore> {
  const store = await createSharedStore({ redisUrl, liveNodes: () => 2, clock: systemClock, log: SILENT })
  t.teardown(() => store.close())
  return store
}

async function admitted(store: SharedStore, key: string, times: number): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: times }, () => store.limits.take([charge(key)])))
  return decisions.filter(({ allowed }) => allowed).length
}

const areUp = (...nodes: SharedStore[]) => eventually(() => nodes.every((node) => node.state() === 'up'), 10_000)

/** The commands that Redis refused to this user. */
async function refused(server: PrivateRedis): Promise<string[]> {
  const entries = await server.command('ACL', 'LOG') as unknown[][]
  return [...new Set(entries.map((entry) => String(entry[entry.indexOf('object') + 1])))]
}

t.test('the documented user is enough: up, limits, cache and bus, and nothing but INFO is refused', { skip }, async (t) => {
  const server = await privateRedis(t)
  const warned = t.capture(console, 'warn')
  const url = await documentedUser(server)
  const [one, other] = await Promise.all([open(t, url), open(t, url)])
  await areUp(one, other)
  const heard: string[] = []
  await one.bus.subscribe('ended', (message) => heard.push(message))
  await eventually(async () => {
    await other.bus.publish('ended', 'key:1')
    return heard.length > 0
  }, 5_000)
  await one.cache.set('k', 'v', 60_000)
  t.equal(await other.cache.get('k'), 'v')
  await one.cache.delete('k')
  t.equal(await other.cache.get('k'), null)
  t.equal(await admitted(one, 'a', 6) + await admitted(other, 'a', 6), 10)
  const gcra: LimitCharge = { key: '{g}:a', quota: 6_000, windowMs: 60_000, cost: 1, algorithm: 'gcra', burst: 2_000 }
  for (let at = 0; at < 50; at += 1) await one.limits.take([gcra])
  t.same(await refused(server), ['info'])
  t.same(warned(), [])
})

t.test('without INFO, a Redis behind a new connection is taken for one that has forgotten: what it lacks is told', { skip }, async (t) => {
  const server = await privateRedis(t)
  const url = await documentedUser(server)
  const [one, other] = await Promise.all([open(t, url), open(t, url)])
  await areUp(one, other)
  t.equal(await admitted(one, 'a', 8), 8)
  // a replica that was promoted without the last writes
  await server.command('DEL', 'gatehouse:limit:600000:{a}:a')
  await server.command('CLIENT', 'KILL', 'TYPE', 'normal')
  await eventually(() => one.state() === 'degraded' && other.state() === 'degraded', 5_000)
  await areUp(one, other)
  let more = 0
  await eventually(async () => (more += await admitted(other, 'a', 5)) >= 2, 10_000)
  more += await admitted(other, 'a', 5) + await admitted(one, 'a', 5)
  t.equal(more, 2)
})

t.test('with INFO a broken connection alone makes nobody tell anew', { skip }, async (t) => {
  const server = await privateRedis(t)
  const one = await open(t, await documentedUser(server, ['+info']))
  await areUp(one)
  const id = await server.command('HGET', 'gatehouse:limit-nodes', 'id')
  await server.command('CLIENT', 'KILL', 'TYPE', 'normal')
  await eventually(() => one.state() === 'degraded', 5_000)
  await areUp(one)
  t.equal(await server.command('HGET', 'gatehouse:limit-nodes', 'id'), id)
})

t.test('a user who may not do all of it: degraded, and /readyz says so', { skip }, async (t) => {
  const server = await privateRedis(t)
  for (const rule of ['-eval', '-subscribe', 'resetchannels', 'resetkeys']) {
    const store = await open(t, await documentedUser(server, rule === '-eval' ? ['-eval', '-evalsha'] : [rule]))
    await eventually(() => store.reason() === 'this user may not do what Gatehouse does', 10_000).catch(() => t.fail(`${rule}: ${store.reason()}`))
    t.equal(store.state(), 'degraded', rule)
    await store.close()
  }
  const { app } = await startApp(t, { redis: await documentedUser(server, ['-hset']) })
  await eventually(() => app.sharedStore.reason() !== null, 10_000)
  t.match((await app.inject('/readyz')).json(), { status: 'degraded', reasons: { redis: 'this user may not do what Gatehouse does' } })
})

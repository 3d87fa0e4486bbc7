// Limits by address on routes that declare one, on a bare server with the real plugins and the store of this process.
import { fastify, type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import errors from '../../plugins/http/errors.js'
import rateLimit from '../../plugins/security/rate-limit.js'
import { createSharedStore } from '../../src/limits/assemble.js'
import { startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { SILENT } from '../support/redis.js'

const clock = fakeClock()

async function open(t: Test): Promise<FastifyInstance> {
  const app = fastify()
  t.teardown(() => app.close())
  const sharedStore = await createSharedStore({ redisUrl: null, liveNodes: () => 1, clock, log: SILENT })
  await app.register(fp(async (app) => void app.decorate('sharedStore', sharedStore), { name: 'redis' }))
  // a bare server has no listener but its own
  await app.register(fp(async (app) => void app.decorate('inside', { by: () => undefined, only: { listener: 'inside' } } as unknown as FastifyInstance['inside']), { name: 'inside' }))
  await app.register(errors)
  await app.register(rateLimit)
  const rateLimits = { '/a': { max: 3, timeWindow: '1 minute' }, '/b': { max: 3, timeWindow: 60_000 }, '/c': { max: 2, timeWindow: 60_000, groupId: 'shared' }, '/d': { max: 2, timeWindow: 60_000, groupId: 'shared' }, '/e': { max: 2, timeWindow: 60_000, groupId: '/c2' }, '/c2': { max: 2, timeWindow: 60_000 } }
  for (const [url, limit] of Object.entries(rateLimits)) app.get(url, { config: { rateLimit: limit } }, async () => ({ ok: true }))
  app.get('/free', async () => ({ ok: true }))
  return app
}

const ask = (app: FastifyInstance, url: string, remoteAddress = '192.0.2.1') => app.inject({ url, remoteAddress })

t.test('200 says what is left, in the fields of the draft and no others', async (t) => {
  const app = await open(t)
  const { statusCode, headers } = await ask(app, '/a')
  t.equal(statusCode, 200)
  t.equal(headers['ratelimit-policy'], '"public";q=3;w=60')
  t.equal(headers['ratelimit'], '"public";r=2;t=60')
  t.same(Object.keys(headers).filter((name) => /ratelimit|retry/.test(name)).toSorted(), ['ratelimit', 'ratelimit-policy'])
  clock.advance(20_000)
  t.equal((await ask(app, '/a')).headers['ratelimit'], '"public";r=1;t=60')
})

t.test('429 after the last one, until the first has left the window', async (t) => {
  const app = await open(t)
  for (let n = 0; n < 3; n += 1) t.equal((await ask(app, '/a')).statusCode, 200)
  clock.advance(10_500)
  const denied = await ask(app, '/a')
  t.equal(denied.statusCode, 429)
  t.match(denied.headers['content-type'], /^application\/problem\+json/)
  t.equal(denied.json<{ code: string }>().code, 'rate.limited')
  t.equal(denied.headers['retry-after'], '50')
  t.equal(denied.headers['ratelimit'], '"public";r=0;t=50')
  clock.advance(49_499)
  t.equal((await ask(app, '/a')).statusCode, 429)
  clock.advance(1)
  t.equal((await ask(app, '/a')).statusCode, 200, 'the refused ones were not counted')
})

t.test('counted by address (IPv6 by /56) and by route, or by group', async (t) => {
  const app = await open(t)
  for (const last of ['1', '2', '3']) t.equal((await ask(app, '/a', `2001:db8:0:1::${last}`)).statusCode, 200)
  t.equal((await ask(app, '/a', '2001:db8:0:ff:ffff::1')).statusCode, 429)
  t.equal((await ask(app, '/a', '2001:db8:0:100::1')).statusCode, 200)
  t.equal((await ask(app, '/b', '2001:db8:0:1::1')).statusCode, 200)
  for (const url of ['/c', '/d']) t.equal((await ask(app, url)).statusCode, 200)
  for (const url of ['/c', '/d']) t.equal((await ask(app, url)).statusCode, 429)
  for (const url of ['/e', '/c2']) t.equal((await ask(app, url)).statusCode, 200)
  for (const url of ['/e', '/c2']) t.equal((await ask(app, url)).statusCode, 429, 'also where the group is named after a route that names none')
})

t.test('a route without a limit has none, and says nothing of one', async (t) => {
  const app = await open(t)
  for (let n = 0; n < 5; n += 1) {
    const { statusCode, headers } = await ask(app, '/free')
    t.same([statusCode, headers['ratelimit']], [200, undefined])
  }
})

t.test('routes that ask for a credential', async (t) => {
  const { app, as, clock: time } = await startApp(t, { config: { requestsPerMinute: 60 } })
  const [alice, bob] = [await as.signUp(), await as.signUp()]
  const get = (url: string, headers: Record<string, string>) => app.inject({ url: `/api/v1${url}`, headers })
  const spend = async (headers: Record<string, string>, url = '/me'): Promise<number[]> => {
    const statuses: number[] = []
    for (let round = 0; round < 70; round += 1) statuses.push((await get(url, headers)).statusCode)
    return statuses
  }
  const passed = (statuses: number[]): number => statuses.filter((status) => status !== 429).length

  t.test('429 past the user\'s budget, with the fields that say so; nobody else\'s is spent, and deciding is free', async (t) => {
    const first = await get('/me', alice.headers)
    t.match(first.headers, { 'ratelimit-policy': '"requests";q=60;w=60', ratelimit: /^"requests";r=59;t=\d+$/ })
    const rename = await app.inject({ method: 'PATCH', url: '/api/v1/me', headers: { ...alice.headers, 'if-match': '*' }, payload: { name: 'Alice' } })
    t.match(rename.headers, { ratelimit: /^"requests";r=57;/ }, 'a change costs two')
    t.equal(passed(await spend(alice.headers)), 57)
    const refused = await get('/me', alice.headers)
    t.match(refused.json(), { status: 429, code: 'rate.limited' })
    t.ok(Number(refused.headers['retry-after']) >= 1)
    t.equal((await get('/whoami', alice.headers)).statusCode, 200)
    t.equal((await get('/me', bob.headers)).statusCode, 200)
    time.advance(62_000)
    t.equal((await get('/me', alice.headers)).statusCode, 200)
  })

  t.test('refusals cost as much', async (t) => {
    time.advance(62_000)
    const statuses = await spend(alice.headers, '/audit')
    t.equal(statuses.filter((status) => status === 403).length, 60)
    t.equal(passed(statuses), 60)
  })

  t.test('each key has a budget of its own, and those of one owner four times that together', async (t) => {
    time.advance(62_000)
    const keys = await Promise.all(Array.from({ length: 6 }, () => as.key(['gatehouse:keys.verify'])))
    time.advance(62_000)
    let all = 0
    for (const key of keys) all += passed(await spend(key.headers, '/users'))
    t.equal(all, 240)
    t.equal((await get('/users', await as.admin())).statusCode, 200, 'which is none of the owner\'s own')
  })
})

t.test('429 for more Idempotency-Keys than a day\'s worth: each takes room for a day', async (t) => {
  const { app, as } = await startApp(t)
  const member = await as.signUp()
  await app.sharedStore.limits.take([{ key: `idempotency:{user:${member.user.id}}`, quota: 20_000, windowMs: 86_400_000, cost: 19_999 }])
  const issue = (key: string) => app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...member.headers, 'idempotency-key': key }, payload: { name: 'k' } })
  t.equal((await issue('one')).statusCode, 201)
  t.match((await issue('two')).json(), { status: 429, code: 'rate.limited' })
})

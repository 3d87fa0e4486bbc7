// Limits follow who pays: what counts for an owner counts over all keys and sessions of theirs, whatever they make, rotate or lose.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { NO_REDIS } from '../support/redis.js'

interface Report {
  name: string
  remaining: number
}

t.test('limits follow who pays', async (t) => {
  const { app, as, database } = await startApp(t)
  const admin = await as.admin()
  const verifier = await as.key(['gatehouse:keys.verify'])
  const issue = async (ownerUserId: string, more: object = {}) => expectJson<{ id: string; key: string }>(await app.inject({
    method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ownerUserId, ...more },
  }), 201)
  const verify = async (key: string) => expectJson<{ valid: boolean; limits: Report[] }>(
    await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: { key } }), 200)
  const gate = async (headers: Record<string, string>, target = '/plain') => app.inside.inject({
    url: '/gate/caddy', headers: { 'x-forwarded-method': 'GET', 'x-forwarded-host': 'api.example.com', 'x-forwarded-uri': target, 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7', ...headers },
  })
  for (const rule of [{ path: '/plain' }, { path: '/ruled', limit: { quota: 5, windowSeconds: 600 } }]) expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: rule }), 201)
  const plan = async (name: string, limits: object[]) => {
    await database.prisma.role.upsert({ where: { name }, create: { name, description: name, permissions: [], limits }, update: { limits } })
    await app.revocations.waitForNodes()
  }
  const setRoles = async (id: string, roles: string[]) =>
    expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { roles } }), 200)
  const setOwner = async (id: string, limits: object[]) =>
    expectJson(await app.inject({ method: 'PUT', url: `/api/v1/limits/owners/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { limits } }), 200)
  const LONG = { quota: 5, windowSeconds: 600 }

  t.test('attempt 68: a member with 50 keys gets what a member with one gets', async (t) => {
    const ways = {
      'a limit of the owner': { prepare: (id: string) => setOwner(id, [{ name: 'all', ...LONG }]), ask: async (key: string) => (await verify(key)).valid },
      'a plan': { prepare: (id: string) => setRoles(id, ['member', 'fives']), ask: async (key: string) => (await verify(key)).valid },
      'a gate rule': { prepare: async () => undefined, ask: async (key: string) => (await gate(as.bearer(key), '/ruled')).statusCode === 200 },
    }
    for (const [way, { prepare, ask }] of Object.entries(ways)) {
      if (way === 'a plan') await plan('fives', [{ name: 'fives', ...LONG }])
      const passed: number[] = []
      for (const count of [1, 50]) {
        const { user } = await as.signUp()
        await prepare(user.id)
        const keys = [await issue(user.id)]
        while (keys.length < count) keys.push(await issue(user.id))
        let passes = 0
        for (let n = 0; n < 60; n += 1) if (await ask(keys[n % count]?.key ?? '')) passes += 1
        passed.push(passes)
      }
      t.same(passed, [5, 5], way)
    }
    await plan('fives', [])
  })

  t.test('an owner\'s limits count their sessions at the gates, too, together with their keys', async (t) => {
    const { user, headers } = await as.signUp()
    await setOwner(user.id, [{ name: 'all', ...LONG }])
    const { key } = await issue(user.id)
    for (let n = 0; n < 3; n += 1) t.equal((await gate(headers)).statusCode, 200)
    t.match((await gate(as.bearer(key))).headers, { ratelimit: /"owner:all";r=1/ })
    t.equal((await verify(key)).valid, true)
    t.equal((await gate(headers)).statusCode, 429)
    t.equal((await verify(key)).valid, false)
    const again = expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: user.email, password: 'correct horse battery staple' } }), 200)
    t.equal((await gate(as.bearer(again.accessToken))).statusCode, 429, 'signing in anew refills nothing')
  })

  t.test('attempt 69 and 70: the base plan holds whoever loses what; changing roles, rotating and new keys refill nothing', async (t) => {
    await plan('member', [{ name: 'calls', ...LONG }])
    await plan('pro', [{ name: 'calls', quota: 8, windowSeconds: 600 }])
    const { user } = await as.signUp()
    await setRoles(user.id, ['member', 'pro'])
    const first = await issue(user.id)
    for (let n = 0; n < 6; n += 1) t.match(await verify(first.key), { valid: true, limits: [{ name: 'plan:calls', quota: 8, remaining: 7 - n }] })
    await setRoles(user.id, ['pro'])
    t.match(await verify(first.key), { valid: true, limits: [{ quota: 8, remaining: 1 }] })
    await setRoles(user.id, ['member'])
    t.match(await verify(first.key), { code: 'rate_limited', limits: [{ name: 'plan:calls', quota: 5, remaining: 0 }] })
    await setRoles(user.id, [])
    t.match(await verify(first.key), { code: 'rate_limited', limits: [{ quota: 5 }] }, 'no role at all: the base plan')
    await setRoles(user.id, ['member', 'pro'])
    const rotated = expectJson<{ key: string }>(await app.inject({ method: 'POST', url: `/api/v1/keys/${first.id}/rotate`, headers: admin, payload: { graceSeconds: 0 } }), 201)
    t.match(await verify(rotated.key), { valid: true, limits: [{ quota: 8, remaining: 0 }] })
    t.match(await verify((await issue(user.id)).key), { code: 'rate_limited', limits: [{ quota: 8, remaining: 0 }] })
    await plan('pro', [{ name: 'calls', quota: 9, windowSeconds: 600 }])
    t.match(await verify(rotated.key), { valid: true, limits: [{ quota: 9, remaining: 0 }] }, 'a plan that grows is there within the lease, and what was spent stays spent')
    await plan('pro', [])
    await plan('member', [])
    t.match(await verify(rotated.key), { valid: true, limits: [] })
  })

  t.same([...app.undeclaredErrors], [])
})

t.test('two nodes over Redis: an owner\'s limits hold to the last one, whichever keys and nodes ask at once', { skip: NO_REDIS }, async (t) => {
  const one = await startApp(t, { redis: true })
  const two = await startApp(t, { database: one.database, ...(one.redisUrl === null ? {} : { redis: one.redisUrl }) })
  const admin = await one.as.admin()
  const verifier = await one.as.key(['gatehouse:keys.verify'])
  const { user } = await one.as.signUp()
  await one.app.inject({ method: 'PUT', url: `/api/v1/limits/owners/${user.id}`, headers: { ...admin, 'if-match': '*' }, payload: { limits: [{ name: 'all', quota: 11, windowSeconds: 600 }, { name: 'even', quota: 11, windowSeconds: 600, algorithm: 'gcra' }] } })
  const keys = await Promise.all(Array.from({ length: 4 }, async () => expectJson<{ key: string }>(await one.app.inject({
    method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ownerUserId: user.id },
  }), 201).key))
  const answers = await Promise.all(Array.from({ length: 60 }, async (_, at) => expectJson<{ valid: boolean }>(await (at % 2 ? one : two).app.inject({
    method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: { key: keys[at % 4] },
  }), 200)))
  t.equal(answers.filter(({ valid }) => valid).length, 11)
})

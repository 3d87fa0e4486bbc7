// limit.exhausted: once a window, an hour at the least, by two nodes together; told to who may see limits, and never because of what a request brings along.
import t from 'tap'
import { TELLING_LIMITS } from '../../src/decisions/index.js'
import { EXPIRY } from '../../src/database/expiry.js'
import { expectJson, startApp } from '../support/app.js'
import { failStatements } from '../support/failing-statements.js'

interface List {
  data: { type: string; subject: { type: string; id: string }; data: Record<string, unknown> }[]
}

const HOUR_MS = 3_600_000

t.test('limits that run out', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const second = await startApp(t, { database, clock })
  const admin = await as.adminUser()
  const seller = await as.key(['gatehouse:keys.write', 'gatehouse:limits.write'])
  const verifier = await as.key(['gatehouse:keys.verify', 'gatehouse:limits.override'])
  const reader = await as.key(['gatehouse:events.read', 'gatehouse:limits.read'])
  const other = await as.key(['gatehouse:events.read', 'gatehouse:keys.read'])
  const customer = expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin.headers, payload: { email: 'customer@example.com' } }), 201)
  const sell = async (limits: object[]) => expectJson<{ id: string; key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: seller.headers, payload: { name: 'k', ownerUserId: customer.id, limits } }), 201)
  const verify = async (key: string, more: object = {}, node = app) => expectJson<{ code: string }>(await node.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: { key, ...more } }), 200).code
  const tell = (): Promise<unknown> => Promise.all([app.jobs.run(TELLING_LIMITS), second.app.jobs.run(TELLING_LIMITS)])
  const told = async (subject: string, { headers } = reader) => expectJson<List>(await app.inject({ url: `/api/v1/events/list?types=limit.*&limit=200&subject=${subject}`, headers }), 200).data

  t.test('it is told once, however often and on however many nodes it refuses, and again when an hour has passed', async (t) => {
    const { id, key } = await sell([{ name: 'calls', quota: 1, windowSeconds: 60 }])
    t.equal(await verify(key), 'valid')
    await tell()
    t.same(await told(id), [], 'that nothing is left is no refusal')
    for (const node of [app, second.app, app, second.app]) await verify(key, {}, node)
    t.equal(await verify(key), 'rate_limited')
    await verify(key, {}, second.app)
    await tell()
    await verify(key)
    await tell()
    const events = await told(id)
    t.match(events, [{ type: 'limit.exhausted', subject: { type: 'key', id }, data: { limit: 'calls', quota: 1, windowSeconds: 60, keyId: id, ownerId: customer.id } }])
    t.equal(events.length, 1)
    t.same(await told(id, other), [], 'not to who may not see limits')
    clock.advance(HOUR_MS + 60_000)
    for (const node of [app, second.app]) for (let times = 0; times < 3; times += 1) await verify(key, {}, node)
    await tell()
    t.equal((await told(id)).length, 2)
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'limit.exhausted' } }), 0, 'nothing grows for ever')
  })

  t.test('an owner\'s limit is told of the owner', async (t) => {
    const limit = async (limits: object[]) => expectJson(await app.inject({ method: 'PUT', url: `/api/v1/limits/owners/${customer.id}`, headers: { ...seller.headers, 'if-match': '*' }, payload: { limits } }), 200)
    await limit([{ name: 'all', quota: 2, windowSeconds: 3_600 }])
    const [a, b] = [await sell([]), await sell([])]
    for (const { key } of [a, b, a, b]) await verify(key)
    await tell()
    t.match(await told(customer.id), [{ subject: { type: 'user', id: customer.id }, data: { limit: 'owner:all' } }])
    await limit([])
  })

  t.test('nobody makes it up: by a trial, a cost above the quota, a limit of the request\'s own, or a lower one', async (t) => {
    const { id, key } = await sell([{ name: 'calls', quota: 5, windowSeconds: 60 }])
    for (const more of [{ cost: 6 }, { limits: [{ name: 'calls', quota: 1 }] }, { limits: [{ name: 'mine', quota: 1, windowSeconds: 60 }] }]) for (let times = 0; times < 3; times += 1) await verify(key, more)
    await verify(key, { cost: 5, dryRun: true })
    await tell()
    t.same(await told(id), [])
  })

  t.test('what cannot be written is written later, once', async (t) => {
    const failing = failStatements(database.pool)
    for (const after of [false, true]) {
      const { id, key } = await sell([{ name: 'calls', quota: 1, windowSeconds: 60 }])
      for (let times = 0; times < 3; times += 1) await verify(key)
      const end = failing.next(1, after, /^limits-exhausted/)
      await app.jobs.run(TELLING_LIMITS).catch(() => undefined)
      end()
      await tell()
      await tell()
      t.equal((await told(id)).length, 1)
    }
    clock.advance(2 * HOUR_MS)
    await app.jobs.run(EXPIRY)
    t.equal(await database.prisma.limitExhaustion.count(), 0)
  })
})

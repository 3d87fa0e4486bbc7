// GET /audit: who may read it, what it shows, and that nothing in it can be changed.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

interface Event {
  id: string
  at: string
  actorType: string
  actorId: string
  credential: string
  action: string
  targetType: string
  targetId: string
  address: string
  requestId: string
  details: Record<string, unknown>
}
interface List {
  data: Event[]
  page: { nextCursor: string | null; total?: number }
}

t.test('GET /audit', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const auditor = await as.key(['gatehouse:audit.read'])
  const member = await as.signUp()
  clock.advance(1000)
  const start = new Date(clock.now()).toISOString()
  const issue = async () => {
    const response = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: member.headers, payload: { name: 'k' } })
    return expectJson<{ id: string; key: string }>(response, 201)
  }
  const first = await issue()
  clock.advance(1000)
  const second = await issue()
  await app.inject({ method: 'DELETE', url: `/api/v1/keys/${first.id}`, headers: member.headers })
  const list = async (query: string) => expectJson<List>(await app.inject({ url: `/api/v1/audit${query}`, headers: auditor.headers }), 200)
  const actions = async (query: string) => (await list(query)).data.map(({ action, targetId }) => [action, targetId])

  t.test('200 newest first, with actor, credential, target, address, request and time', async (t) => {
    const { data } = await list(`?at[gte]=${start}`)
    t.same(data.map(({ action, targetId }) => [action, targetId]), [['key.revoked', first.id], ['key.issued', second.id], ['key.issued', first.id]])
    t.match(data[0], {
      at: new Date(clock.now()).toISOString(), actorType: 'user', actorId: member.user.id, credential: /^token:[0-9a-f-]{36}$/, targetType: 'key',
      address: '127.0.0.1', requestId: /.+/, details: { ownerUserId: member.user.id },
    })
  })

  t.test('200 filtered by actor, action, target and time, sorted and paged', async (t) => {
    t.same(await actions(`?action=key.issued&actorId=${member.user.id}&sort=at`), [['key.issued', first.id], ['key.issued', second.id]])
    t.same(await actions(`?targetId=${first.id}&targetType=key&sort=at`), [['key.issued', first.id], ['key.revoked', first.id]])
    t.same(await actions(`?targetType=user&targetId=${first.id}`), [])
    t.same(await actions(`?at[gte]=${start}&at[lte]=${start}`), [['key.issued', first.id]])
    const page = await list(`?targetId=${first.id}&limit=1&count=exact`)
    t.equal(page.page.total, 2)
    t.same(await actions(`?targetId=${first.id}&limit=1&cursor=${page.page.nextCursor}`), [['key.issued', first.id]])
  })

  t.test('200 holds no secret', async (t) => {
    const everything = JSON.stringify(await list('?limit=200'))
    const secrets = [first.key, second.key, auditor.key, member.accessToken, member.refreshToken, 'correct horse']
    t.same(secrets.filter((secret) => everything.includes(secret)), [])
  })

  t.test('400 for a query it does not know', async (t) => {
    const wrong = ['?actor=x', '?sort=action', '?at[gte]=yesterday', '?at[gte]=0000-01-01T00:00:00Z', '?action=%00', '?targetId=%00', '?actorId=', '?cursor=x']
    for (const query of wrong) {
      const response = await app.inject({ url: `/api/v1/audit${query}`, headers: auditor.headers })
      t.match(expectJson<{ code: string }>(response, 400).code, /^(request|cursor)\.invalid$/, query)
    }
  })

  t.test('401, and 403 for who may not read it, which is itself recorded', async (t) => {
    t.equal((await app.inject('/api/v1/audit')).statusCode, 401)
    t.equal(expectJson<{ code: string }>(await app.inject({ url: '/api/v1/audit', headers: member.headers }), 403).code, 'access.denied')
    t.match((await list(`?action=access.denied&actorId=${member.user.id}`)).data, [{ targetType: 'route', targetId: '/api/v1/audit' }])
  })

  t.test('rows cannot be changed or removed, not even by SQL', async (t) => {
    const before = await database.prisma.auditEvent.count()
    await t.rejects(database.pool.query("UPDATE audit_events SET action = 'x'"))
    await t.rejects(database.pool.query('DELETE FROM audit_events'))
    t.equal(await database.prisma.auditEvent.count(), before)
  })

  t.same([...app.undeclaredErrors], [])
})

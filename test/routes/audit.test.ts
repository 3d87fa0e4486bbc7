// GET /audit: who may read it, what it shows, and that nothing in it can be changed.
import t from 'tap'
import { REFUSALS } from '../../src/audit/refusal-folds.js'
import { expectJson, startApp } from '../support/app.js'
import { EXPIRY } from '../../src/database/expiry.js'

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
      t.match(expectJson<{ code: string }>(response, 400).code, /^(request\.(invalid|malformed)|cursor\.invalid)$/, query)
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

  t.test('a flood of refusals is a row, and then one row a minute that says how many, on each of two nodes; nothing is lost when a node stops', async (t) => {
    const intruder = await as.signUp()
    const second = await startApp(t, { database, clock })
    const rows = () => database.prisma.auditEvent.findMany({ where: { action: 'access.denied', actorId: intruder.user.id }, orderBy: { id: 'asc' } })
    const total = async () => (await rows()).reduce((sum, { details }) => sum + ((details as { count?: number }).count ?? 1), 0)
    for (let round = 0; round < 100; round += 1) {
      // as many routes as there are: what is counted together is who, what and the kind of target
      const url = ['/api/v1/audit', '/api/v1/users', '/api/v1/gate-rules'][round % 3] ?? ''
      const answers = await Promise.all([app, second.app].map((node) => node.inject({ url, headers: intruder.headers })))
      t.same(answers.map(({ statusCode }) => statusCode), [403, 403])
    }
    t.equal((await rows()).length, 2, 'the first on each node')
    clock.advance(60_000)
    await app.audit.writeCounted()
    t.equal((await rows()).length, 3)
    t.match((await rows()).at(-1), { details: { count: 99, targets: ['/api/v1/users', '/api/v1/gate-rules', '/api/v1/audit'] }, targetId: '', targetType: 'route' })
    await second.app.close()
    t.equal(await total(), 200)
    await app.inject({ url: '/api/v1/users', headers: intruder.headers })
    t.match((await list(`?action=access.denied&actorId=${intruder.user.id}&limit=1`)).data, [{ details: { count: 1 } }], 'a reader sees what was counted until now')
    t.equal(await total(), 201)
    await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: intruder.headers, payload: {} })
    t.match((await rows()).at(-1), { details: { method: 'POST' } }, 'what would have changed something is not lost among what was only to be read')
  })

  t.test('refusals from ever new addresses do not fill it either', async (t) => {
    const before = await database.prisma.auditEvent.count()
    const caller = (at: number) => ({ principal: null, address: `10.${at >> 8}.${at & 255}.1`, userAgent: '', requestId: 'r' })
    for (let at = 0; at < 2_300; at += 1) await app.audit.refused(caller(at), { action: 'login.failed', targetType: 'user', targetId: '' })
    await app.audit.writeCounted(true)
    const added = (await database.prisma.auditEvent.count()) - before
    t.ok(added <= 2_001, `${added} rows`)
    const [last] = await database.prisma.auditEvent.findMany({ where: { action: 'login.failed', address: '' } })
    t.match(last, { details: { everybody: true, count: 2_300 - added + 1 } })
  })

  t.test('refusals end after thirty days, security acts never', async (t) => {
    const { prisma, pool } = database
    const insert = (id: number, action: string, at: string) => pool.query(
      `INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
        VALUES ($1, $2, 'user', '', 'none', $3, 'user', '', '', '', '{}')`,
      [`00000000-0000-7000-8000-${String(id).padStart(12, '0')}`, at, action],
    )
    for (const [at, action] of [...REFUSALS, 'user.deleted', 'login.succeeded'].entries()) await insert(at, action, '2020-01-01T00:00:00Z')
    const old = { at: { lt: new Date('2021-01-01') } }
    await app.jobs.run(EXPIRY)
    t.same((await prisma.auditEvent.findMany({ where: old, orderBy: { id: 'asc' } })).map(({ action }) => action), ['user.deleted', 'login.succeeded'])
    await insert(90, 'access.denied', new Date(clock.now() - 29 * 86_400_000).toISOString())
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.auditEvent.count({ where: { id: '00000000-0000-7000-8000-000000000090' } }), 1)
    await insert(91, 'access.denied', new Date().toISOString())
    await t.rejects(pool.query("DELETE FROM audit_events WHERE id = '00000000-0000-7000-8000-000000000091'"), /append-only/, 'not even by SQL before a day is over')
    await t.rejects(pool.query("DELETE FROM audit_events WHERE action = 'user.deleted'"), /append-only/)
    await t.rejects(pool.query('TRUNCATE audit_events'), /append-only/)
  })

  t.same([...app.undeclaredErrors], [])
})

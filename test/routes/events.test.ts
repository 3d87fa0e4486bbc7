// GET /events and GET /events/list: who is told what, where one goes on, and when a stream ends.
import t from 'tap'
import { EXPIRY } from '../../src/database/expiry.js'
import { KEEPING_STREAMS, NUMBERING } from '../../src/events/index.js'
import { expectJson, startApp } from '../support/app.js'
import { readEvents } from '../support/event-stream.js'
import { HELD_UP_MS } from '../support/redis.js'

interface Event {
  id: string
  type: string
  subject: { type: string; id: string }
  actor: { type: string; id: string }
  data: Record<string, unknown>
}
interface List {
  data: Event[]
  next: string
  more: boolean
}

const DAY_MS = 86_400_000

t.test('events', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { eventStreamsPerOwner: 3, eventStreamsMax: 5 } })
  const admin = await as.adminUser()
  const all = await as.key(['gatehouse:events.read', 'gatehouse:keys.read', 'gatehouse:users.read', 'gatehouse:roles.read'])
  const keysOnly = await as.key(['gatehouse:events.read', 'gatehouse:keys.read'])
  const issue = async () => expectJson<{ id: string; key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin.headers, payload: { name: 'k' } }), 201)
  const revoke = (id: string) => app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}`, headers: admin.headers })
  const list = async (query = '', headers: Record<string, string> = all.headers) => expectJson<List>(await app.inject({ url: `/api/v1/events/list${query}`, headers }), 200)
  const problemOf = async (query: string, headers: Record<string, string> = all.headers) => (await app.inject({ url: `/api/v1/events${query}`, headers })).json<{ code: string }>().code
  const rest = async (after: string) => (await list(`?after=${after}`)).data

  t.test('200 each change is one, with what the catalogue names of its details and nothing else', async (t) => {
    const { next } = await list('?limit=200')
    const key = await issue()
    await revoke(key.id)
    const told = await rest(next)
    t.same(told.map(({ type, subject }) => [type, subject.id]), [['key.issued', key.id], ['key.revoked', key.id]])
    t.match(told[0], { subject: { type: 'key' }, actor: { type: 'user', id: admin.user.id }, data: { ownerUserId: admin.user.id, kind: 'bound', permissions: [] } })
    const rows = await database.prisma.auditEvent.findMany({ where: { targetId: key.id } })
    t.same(told.map(({ id }) => id).toSorted(), rows.map(({ id }) => id).toSorted(), 'known by the id of the row in the audit log')
    t.same((await rest(next)).length, 2, 'and told again to who asks again')
  })

  t.test('a suspended user is user.suspended; a refusal is no event', async (t) => {
    const { user, headers } = await as.signUp()
    const { next } = await list('?limit=200')
    t.equal((await app.inject({ url: '/api/v1/users', headers })).statusCode, 403)
    await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: user.email, password: 'wrong wrong wrong' } })
    await app.inject({ method: 'PATCH', url: `/api/v1/users/${user.id}`, headers: { ...admin.headers, 'if-match': '*' }, payload: { status: 'suspended' } })
    t.match((await rest(next)), [{ type: 'user.suspended', subject: { id: user.id }, data: { status: 'suspended' } }])
  })

  t.test('one is told of what one may see', async (t) => {
    const member = await as.signUp()
    const { data } = await list('?limit=200', keysOnly.headers)
    t.ok(data.length > 2)
    t.ok(data.every(({ type }) => type.startsWith('key')))
    const bare = await as.key(['gatehouse:events.read'])
    t.same((await list('', bare.headers)).data, [])
    t.equal((await app.inject({ url: '/api/v1/events/list', headers: member.headers })).statusCode, 403)
    t.equal((await app.inject({ url: '/api/v1/events', headers: member.headers })).statusCode, 403)
    t.equal((await app.inject({ url: '/api/v1/events/list' })).statusCode, 401)
  })

  t.test('filters by type and subject; 400 for what is no event', async (t) => {
    const key = await issue()
    t.same((await list(`?subject=${key.id}`)).data.map(({ type }) => type), ['key.issued'])
    t.ok((await list('?types=user.*,role.created&limit=200')).data.every(({ type }) => type.startsWith('user.')))
    t.equal(await problemOf('/list?types=key.eaten'), 'request.invalid')
    t.equal(await problemOf('/list?types=KEY'), 'request.invalid')
    t.equal(await problemOf('/list?after=12'), 'request.invalid')
  })

  t.test('pages join without a gap, and the last one says where to go on later', async (t) => {
    const whole = (await list('?limit=200')).data.map(({ id }) => id)
    const joined: string[] = []
    let page = await list('?limit=3')
    for (; page.more; page = await list(`?limit=3&after=${page.next}`)) joined.push(...page.data.map(({ id }) => id))
    joined.push(...page.data.map(({ id }) => id))
    t.same(joined, whole)
    const later = await issue()
    t.match((await list(`?after=${page.next}`)).data, [{ type: 'key.issued', subject: { id: later.id } }])
  })

  t.test('a stream tells from now on, or from a place, and repeats nothing', async (t) => {
    const reader = await readEvents(app, '?types=key.*', all.headers)
    t.match(reader, { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': /no-store/, 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff' } })
    const keys = [await issue(), await issue(), await issue()]
    await reader.until(({ told }) => told.length === 3)
    t.same(reader.told.map(({ data }) => data.subject.id), keys.map(({ id }) => id))
    t.match(reader.told[0], { event: 'key.issued', data: { type: 'key.issued' } })
    reader.close()
    const missed = await issue()
    const again = await readEvents(app, '', { ...all.headers, 'last-event-id': reader.place() })
    await again.until(({ told }) => told.length === 1)
    t.equal(again.told[0]?.data.subject.id, missed.id)
    again.close()
    const first = await readEvents(app, '?after=0', all.headers)
    const count = (await list('?limit=200')).data.length
    await first.until(({ told }) => told.length === count)
    t.notMatch(first.text(), /gk_|password"|secret/i, 'nothing secret')
    first.close()
  })

  t.test('a quiet stream says where it is', async (t) => {
    const reader = await readEvents(app, '?types=role.*', all.headers)
    const before = reader.place()
    await issue()
    await app.jobs.run(NUMBERING)
    clock.advance(15_000)
    await app.jobs.run(KEEPING_STREAMS)
    await reader.until(({ text }) => text().split('still here').length > 2)
    t.not(reader.place(), before, 'past what it was not told')
    t.same(reader.told, [])
    reader.close()
  })

  t.test('a stream ends with its credential, and with what it was allowed', async (t) => {
    const key = await as.key(['gatehouse:events.read', 'gatehouse:keys.read'])
    const reader = await readEvents(app, '', key.headers)
    await revoke(key.id)
    await app.jobs.run(KEEPING_STREAMS)
    await reader.ended
    t.match(reader.told.at(-1), { event: 'end', data: { code: 'key.invalid' } })
    const narrowed = await as.key(['gatehouse:events.read', 'gatehouse:keys.read'])
    const second = await readEvents(app, '', narrowed.headers)
    await app.inject({ method: 'PATCH', url: `/api/v1/keys/${narrowed.id}?wait=true`, headers: { ...admin.headers, 'if-match': '*' }, payload: { permissions: ['gatehouse:keys.read'] } })
    await app.jobs.run(KEEPING_STREAMS)
    await second.ended
    t.match(second.told.at(-1), { event: 'end', data: { code: 'access.denied' } })
  })

  t.test('429 past the streams of an owner, 503 past those of the node; a closed one makes room', async (t) => {
    while (app.telemetry && Number(/^gatehouse_event_streams (\d+)/m.exec(await app.telemetry.text())?.[1]) > 0) await new Promise((resolve) => setImmediate(resolve))
    const readers = [await readEvents(app, '', all.headers), await readEvents(app, '', keysOnly.headers), await readEvents(app, '', admin.headers)]
    t.equal(await problemOf(''), 'events.too_many_streams')
    readers[0]?.close()
    await readers[0]?.ended
    for (let tries = 0; tries < 50 && readers.length === 3; tries += 1) {
      const next = await readEvents(app, '', all.headers)
      if (next.status === 200) readers.push(next)
    }
    t.equal(readers.length, 4)
    for (const reader of readers) reader.close()
  })

  t.test('a node that closes says so to its streams, and does not wait for them', async (t) => {
    const node = await startApp(t, { database, clock })
    const reader = await readEvents(node.app, '', all.headers)
    const from = performance.now()
    await node.app.close()
    await reader.ended
    t.match(reader.told.at(-1), { event: 'end', data: { code: 'server.busy' } })
    t.ok(performance.now() - from < HELD_UP_MS)
  })

  t.test('410 for a place of another history, or one that is not kept any more; the first that is kept is a place', async (t) => {
    const { next } = await list('?limit=200')
    const [position, tail] = next.split('-')
    t.equal(await problemOf(`/list?after=${position}-000000000000`), 'events.expired')
    t.equal(await problemOf(`?after=${Number(position) + 1000}-${tail}`), 'events.expired')
    const early = (await list('?limit=2')).next
    clock.advance(31 * DAY_MS)
    const { headers } = expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: 'correct horse battery staple' } }), 200) && { headers: all.headers }
    await app.jobs.run(EXPIRY)
    t.equal(await problemOf(`/list?after=${early}`, headers), 'events.expired')
    const kept = await list('?limit=200')
    t.match(kept.data.map(({ type }) => type), ['login.succeeded'])
    t.same((await list(`?after=${kept.next}`)).data, [])
  })
})

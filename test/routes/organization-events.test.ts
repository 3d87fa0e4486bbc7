// GET /organizations/:id/events: who in an organization is told of it as it happens, of what, from where, for how long, and by how many streams; of what is another's nothing.
import t from 'tap'
import { KEEPING_STREAMS, NUMBERING } from '../../src/events/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { type EventReader, readEvents } from '../support/event-stream.js'
import { type Customer, createCustomers, type House } from '../support/organizations.js'
import { eventually } from '../support/redis.js'

type Headers = Record<string, string>
interface List { data: { id: string; type: string }[]; next: string; more: boolean }

t.test('the events of an organization as they happen', async (t) => {
  const config = { publicUrl: 'http://localhost:3000', accessTokenSeconds: 8_640_000, eventStreamsPerOwner: 3, eventStreamsMax: 8 }
  const { app, as, clock, database } = await startApp(t, { config })
  const { app: second } = await startApp(t, { config: { ...config, eventStreamsPerOwner: 1, eventStreamsMax: 40 }, database, clock })
  const { send, patch, outcome, person, machine } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, role, add, signIn } = createCustomers(app, admin)
  const [acme, rival] = [await house(['reports:*'], ['keys.write', 'members.write']), await house(['reports:*'], ['keys.write'])]
  const auditors = await role(acme.id, acme.owner.headers, [], ['audit.read'])
  const read = ({ path }: House, headers: Headers, query = '', node = app): Promise<EventReader> => readEvents(node, query, headers, `${path}/events`)
  const list = async ({ path, owner }: House): Promise<List> => expectJson(await send('GET', `${path}/events/list?limit=200`, owner.headers), 200)
  const rename = async ({ path, owner }: House, name: string): Promise<void> => void expectJson(await patch(path, owner.headers, { name }), 200)
  const issue = async ({ id, owner }: House): Promise<string> => expectJson<{ id: string }>(await send('POST', '/keys', owner.headers, { name: 'k', organizationId: id, permissions: ['reports:read'] }), 201).id
  const types = ({ told }: EventReader): string[] => told.map(({ event }) => event)
  const both = (): Promise<unknown> => Promise.all([app, second].flatMap((node) => [node.jobs.run(NUMBERING), node.jobs.run(KEEPING_STREAMS)]))
  const closed = async (...readers: EventReader[]): Promise<void> => {
    for (const reader of readers) reader.close()
    await eventually(async () => /^gatehouse_event_streams 0$/m.test(await app.telemetry.text()) && /^gatehouse_event_streams 0$/m.test(await second.telemetry.text()), 5_000)
  }
  const auditor = async (): Promise<Customer> => {
    const one = await someone()
    await add(acme.id, one, { roles: [auditors.id] })
    return one
  }

  t.test('its owners are told what is done in it, and to its keys, with the ids of its list; nothing of another\'s', async (t) => {
    const [reader, other] = [await read(acme, acme.owner.headers), await read(rival, rival.owner.headers)]
    t.match(reader, { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': /no-store/, 'x-accel-buffering': 'no' } })
    await rename(rival, 'Rival and sons')
    const key = await issue(acme)
    await as.signUp()
    await send('DELETE', `/keys/${key}`, admin)
    await issue(rival)
    await rename(acme, 'Acme and sons')
    await reader.until(({ told }) => told.length >= 3)
    await other.until(({ told }) => told.length >= 2)
    t.same(types(reader), ['key.issued', 'key.revoked', 'organization.updated'])
    t.same(types(other), ['organization.updated', 'key.issued'])
    t.same(reader.told.map(({ data }) => data.id), (await list(acme)).data.slice(-3).map(({ id }) => id))
    t.notOk([rival.id, rival.owner.user.id].some((id) => reader.text().includes(id)))
    await closed(reader, other)
  })

  t.test('gone on with on any node, from the stream or from the list: nothing is missed, nothing told twice', async (t) => {
    const expected: string[] = []
    const heard: string[] = []
    let reader = await read(acme, acme.owner.headers)
    for (let round = 0; round < 4; round += 1) {
      expected.push(await issue(acme), await issue(acme))
      await issue(rival)
      await reader.until(({ told }) => told.length > 0)
      reader.close()
      await reader.ended
      heard.push(...reader.told.map(({ data }) => data.subject.id))
      await send('DELETE', `/keys/${expected.at(-1)}`, admin)
      expected.push(expected.at(-1) ?? '')
      reader = await read(acme, { ...acme.owner.headers, 'last-event-id': reader.place() }, '', round % 2 === 0 ? second : app)
    }
    await reader.until(({ told }) => heard.length + told.length >= expected.length)
    t.same([...heard, ...reader.told.map(({ data }) => data.subject.id)], expected)
    const { data, next } = await list(acme)
    const [whole, place] = [await list(acme), reader.place()]
    await rename(acme, 'Acme once more')
    const [later, again] = [await read(acme, acme.owner.headers, `?after=${next}`), await read(acme, acme.owner.headers, `?after=${place}`)]
    for (const one of [later, again]) await one.until(({ told }) => told.length >= 1)
    t.same([types(later), types(again)], [['organization.updated'], ['organization.updated']])
    t.same(data, whole.data)
    await closed(reader, later, again)
  })

  t.test('a place says nothing of what happens elsewhere, is none in another organization, nor in the operator\'s stream', async (t) => {
    const reader = await read(acme, acme.owner.headers)
    for (let n = 0; n < 12; n += 1) await issue(rival).catch(() => rename(rival, `${n}`)) // oxlint-disable-line no-await-in-loop
    await rename(acme, 'Places')
    await reader.until(({ told }) => told.length === 1)
    const places = [reader.told[0]?.id ?? '', (await list(acme)).next, (await list(rival)).next]
    t.equal(new Set(places.map((place) => place.length)).size, 1, 'all of one length')
    for (const place of places) t.notMatch(Buffer.from(place, 'base64url').toString('latin1'), /\d{1,}-[0-9a-f]{12}/)
    const [place = ''] = places
    t.equal(await outcome(send('GET', `${rival.path}/events?after=${place}`, rival.owner.headers)), '400 cursor.invalid')
    t.equal(await outcome(send('GET', `${rival.path}/events`, { ...rival.owner.headers, 'last-event-id': place })), '400 cursor.invalid')
    t.equal(await outcome(send('GET', '/events', { ...admin, 'last-event-id': place })), '400 cursor.invalid')
    for (const after of ['0', '5-0d9a3c0b6f33', 'x'.repeat(150)]) t.equal(await outcome(send('GET', `${acme.path}/events`, { ...acme.owner.headers, 'last-event-id': after })), '400 cursor.invalid', after)
    t.equal(await outcome(send('GET', `${acme.path}/events?types=nothing.there`, acme.owner.headers)), '400 request.invalid')
    await closed(reader)
  })

  t.test('filters by kind and by subject; a quiet stream says that it is there, with a place that is past all that was not told', async (t) => {
    const [kinds, one] = [await read(acme, acme.owner.headers, '?types=organization.*'), await read(acme, acme.owner.headers, `?subject=${acme.id}&types=organization.updated`)]
    const key = await issue(acme)
    await rename(acme, 'Filtered')
    await kinds.until(({ told }) => told.length >= 1)
    await one.until(({ told }) => told.length >= 1)
    t.same([types(kinds), types(one)], [['organization.updated'], ['organization.updated']])
    one.close()
    await send('DELETE', `/keys/${key}`, admin)
    await both()
    clock.advance(15_000)
    await both()
    await kinds.until(({ text }) => text().split('still here').length > 2)
    const after = await read(acme, acme.owner.headers, `?after=${kinds.place()}`)
    await rename(acme, 'Later')
    await after.until(({ told }) => told.length >= 1)
    t.same(types(after), ['organization.updated'], 'the key that ended before is not told')
    await closed(kinds, after)
  })

  t.test('for who has the right in it, and who reads the whole log; to all others it is what there is not', async (t) => {
    const [watcher, former, reader] = [await auditor(), await auditor(), await person(['gatehouse:audit.read', 'gatehouse:organizations.read'])]
    await send('DELETE', `${acme.path}/members/${former.user.id}`, acme.owner.headers)
    const { key } = expectJson<{ key: string }>(await send('POST', '/keys', acme.owner.headers, { name: 'k', organizationId: acme.id, permissions: ['reports:read'] }), 201)
    const back = await machine(['gatehouse:events.read', 'gatehouse:keys.read'])
    for (const headers of [acme.owner.headers, watcher.headers, reader.headers, admin]) {
      const stream = await read(acme, headers)
      t.equal(stream.status, 200)
      await closed(stream)
    }
    const cases: [Headers, string][] = [
      [acme.clerk.headers, '403 access.denied'], [acme.member.headers, '403 access.denied'], [as.bearer(key), '403 access.denied'], [back.headers, '403 access.denied'], [{}, '401 credentials.missing'],
      [former.headers, '404 organization.not_found'], [rival.owner.headers, '404 organization.not_found'], [(await someone()).headers, '404 organization.not_found'],
    ]
    for (const [headers, expected] of cases) t.equal(await outcome(send('GET', `${acme.path}/events`, headers)), expected)
    const elsewhere = as.bearer(expectJson<{ accessToken: string }>(await send('POST', '/auth/organization', (await signIn(rival.owner.user.id)).headers, { organizationId: rival.id }), 200).accessToken)
    t.equal(await outcome(send('GET', `${acme.path}/events`, elsewhere)), '404 organization.not_found')
  })

  t.test('it ends with the membership, the right, the session and the organization\'s being active, and nothing is told after', async (t) => {
    const endings: [string, string, (who: Customer) => Promise<unknown>][] = [
      ['taken out', 'organization.not_found', ({ user }) => send('DELETE', `${acme.path}/members/${user.id}`, acme.owner.headers)],
      ['role taken', 'access.denied', ({ user }) => patch(`${acme.path}/members/${user.id}`, acme.owner.headers, { roles: [] })],
      ['left', 'organization.not_found', ({ user, headers }) => send('DELETE', `${acme.path}/members/${user.id}`, headers)],
      ['signed out', 'session.invalid', ({ headers }) => send('POST', '/auth/logout', headers, {})],
      ['account suspended', 'session.invalid', ({ user }) => patch(`/users/${user.id}`, admin, { status: 'suspended' })],
      ['right taken from the role', 'access.denied', () => patch(`${acme.path}/roles/${auditors.id}`, acme.owner.headers, { rights: [] })],
      ['organization suspended', 'access.denied', () => patch(acme.path, admin, { status: 'suspended' })],
    ]
    let count = 0
    for (const [what, code, act] of endings) {
      if (what === 'organization suspended') await patch(`${acme.path}/roles/${auditors.id}`, acme.owner.headers, { rights: ['audit.read'] })
      const who = await auditor()
      const reader = await read(acme, who.headers)
      await issue(acme)
      await reader.until(({ told }) => told.length >= 1)
      await act(who)
      clock.advance(500)
      expectJson(await patch(acme.path, admin, { clientsMax: 1 + (count += 1) }), 200)
      await both()
      await reader.ended
      t.match(reader.told.at(-1), { event: 'end', data: { code } }, what)
      t.notOk(reader.told.some(({ data: { data } }) => JSON.stringify(data ?? {}).includes('clientsMax')), `${what}: what comes after is not told`)
      await closed(reader)
    }
    await patch(acme.path, admin, { status: 'active' })
    const gone = await house()
    const reader = await read(gone, gone.owner.headers)
    t.equal(await outcome(send('DELETE', gone.path, { ...gone.owner.headers, 'if-match': '*' })), '204')
    clock.advance(500)
    await both()
    await reader.ended
    t.match(reader.told.at(-1), { event: 'end', data: { code: 'organization.not_found' } }, 'deleted')
    await closed(reader)
  })

  t.test('so many a user, so many an organization, and all of them half of a node\'s: operators have the rest', async (t) => {
    const [a, b] = [await auditor(), await auditor()]
    const readers = [await read(acme, a.headers), await read(acme, a.headers), await read(acme, a.headers)]
    t.equal(await outcome(send('GET', `${acme.path}/events`, a.headers)), '429 events.too_many_streams')
    readers.push(await read(acme, b.headers))
    t.equal(await outcome(send('GET', `${acme.path}/events`, b.headers)), '503 server.busy', 'four of eight')
    t.equal(await outcome(send('GET', `${rival.path}/events`, rival.owner.headers)), '503 server.busy')
    const operator = await readEvents(app, '', admin)
    t.equal(operator.status, 200)
    await closed(...readers, operator)

    const many = await Promise.all(Array.from({ length: 5 }, () => auditor()))
    const five = await Promise.all(many.map(({ headers }) => read(acme, headers, '', second)))
    t.same(five.map(({ status }) => status), Array<number>(5).fill(200))
    const { headers } = await auditor()
    t.equal((await second.inject({ url: `/api/v1${acme.path}/events`, headers })).json<{ code: string }>().code, 'events.too_many_streams', 'its people share what it has')
    const other = await read(rival, rival.owner.headers, '', second)
    t.equal(other.status, 200, 'and take nothing from another')
    await closed(...five, other)
  })
})

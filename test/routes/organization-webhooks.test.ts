// /organizations/:id/webhooks: who may send an organization's events elsewhere, what is sent there and what never, and what becomes of it when its people or the organization go.
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { DELIVERING } from '../../src/webhooks/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { createCustomers, type House } from '../support/organizations.js'
import { workedOff } from '../support/queue.js'
import { eventually } from '../support/redis.js'
import { startReceiver } from '../support/webhook-receiver.js'

type Headers = Record<string, string>
interface Endpoint { id: string; secret: string; enabled: boolean; disabledFor: string | null; givenBy: string; lastError: string | null; version: number }
interface Told { id: string; type: string; subject: { id: string } }

const RIGHTS = ['webhooks.write', 'audit.read', 'members.write', 'roles.write']

t.test('webhooks of organizations', async (t) => {
  const { app, as, clock, database } = await startApp(t, { clock: fakeClock(Date.now()), config: { outboundAllow: ['127.0.0.0/8'], outboundAllowOrganizations: ['127.0.0.0/8'], accessTokenSeconds: 8_640_000 } })
  const { prisma } = database
  const { send, patch, outcome } = await createActors(app, as)
  const admin = await as.admin()
  const customers = createCustomers(app, admin)
  const { someone, role, add } = customers
  const receiver = await startReceiver(t)
  const house = async (webhooksMax = 5, rights = RIGHTS): Promise<House> => {
    const made = await customers.house(['reports:*'], rights)
    expectJson(await patch(made.path, admin, { webhooksMax }), 200)
    return made
  }
  const create = async ({ path, clerk }: House, at: string, types: string[] = [], headers: Headers = clerk.headers) => expectJson<Endpoint>(await send('POST', `${path}/webhooks`, headers, { url: receiver.url(at), types }), 201)
  const read = async ({ path, owner }: House, id: string) => expectJson<Endpoint>(await send('GET', `${path}/webhooks/${id}`, owner.headers), 200)
  const happen = async ({ id, owner }: House): Promise<string> => (await role(id, owner.headers, [])).id
  const log = async ({ path, owner }: House) => expectJson<{ data: Told[] }>(await send('GET', `${path}/events/list?limit=200`, owner.headers), 200).data
  const at = (path: string) => receiver.taken.filter((one) => one.path === path)
  const told = (path: string) => at(path).map(({ message }) => message.data)
  const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => {
    clock.advance(200)
    await app.jobs.run(DELIVERING)
    return holds()
  }, 8_000)
  const isTold = (path: string, type: string) => () => told(path).some((one) => one.type === type)

  t.test('201 for who has the right and sees the log themselves, as many as its operator says', async (t) => {
    const acme = await house(2)
    const { path, id, owner, clerk, member } = acme
    const [blind, former] = [await someone(), await someone()]
    await add(id, blind, { roles: [(await role(id, owner.headers, [], ['webhooks.write'])).id] })
    await add(id, former, { owner: true })
    await send('DELETE', `${path}/members/${former.user.id}`, owner.headers)
    const [reader, operator] = [await as.key(['gatehouse:organizations.read', 'gatehouse:webhooks.write', 'gatehouse:audit.read']), await as.key(['gatehouse:organizations.write', 'gatehouse:webhooks.write'])]
    const body = { url: receiver.url('/x') }
    const refused: [string, Headers, string][] = [
      ['member', member.headers, '403 access.denied'], ['right without sight', blind.headers, '403 access.denied'], ['former owner', former.headers, '404 organization.not_found'], ['in none', (await someone()).headers, '404 organization.not_found'],
      ['owner of another', (await house()).owner.headers, '404 organization.not_found'], ['nobody', {}, '401 credentials.missing'], ['operator who only looks', reader.headers, '403 access.denied'], ['operator without sight', operator.headers, '403 access.denied'],
    ]
    for (const [who, headers, expected] of refused) t.equal(await outcome(send('POST', `${path}/webhooks`, headers, body)), expected, who)
    const made = await create(acme, '/x')
    t.match(made, { secret: /^whsec_/, enabled: true, givenBy: clerk.user.id, types: [] })
    t.equal(await outcome(send('POST', `${path}/webhooks`, admin, body)), '201', 'its operator, who reads every log')
    t.equal(await outcome(send('POST', `${path}/webhooks`, owner.headers, body)), '409 webhook.cap_reached')
    t.equal(await outcome(patch(path, owner.headers, { webhooksMax: 9 })), '403 access.denied')
    t.equal(await outcome(patch(path, (await as.key(['gatehouse:organizations.write'])).headers, { webhooksMax: 9 })), '403 access.denied')
    t.equal(await outcome(send('POST', `/organizations/${(await customers.open({ ownerUserId: owner.user.id })).id}/webhooks`, owner.headers, body)), '409 webhook.cap_reached', 'none, unless somebody says so')

    const one = `${path}/webhooks/${made.id}`
    for (const [headers, expected] of [[owner.headers, '200'], [clerk.headers, '200'], [blind.headers, '200'], [reader.headers, '200'], [member.headers, '403 access.denied'], [former.headers, '404 organization.not_found']] as const) {
      for (const look of [`${path}/webhooks`, one, `${one}/failures`]) t.equal(await outcome(send('GET', look, headers)), expected, look)
    }
    const leading: ['PATCH' | 'POST', string, object][] = [
      ['PATCH', '', { url: receiver.url('/elsewhere') }], ['PATCH', '', { types: ['key.*'] }], ['POST', '/secret', {}], ['POST', '/replay', { what: 'since', since: new Date(clock.now()).toISOString() }],
    ]
    for (const [method, more, payload] of leading) {
      const ask = (headers: Headers) => outcome(send(method, `${one}${more}`, { ...headers, 'if-match': '*' }, payload))
      t.equal(await ask(blind.headers), '403 access.denied', `${method} ${more} leads it elsewhere`)
      t.equal(await ask(former.headers), '404 organization.not_found')
      t.match(await ask(clerk.headers), /^20/)
    }
    t.equal(await outcome(send('PATCH', one, clerk.headers, { description: 'x' })), '428 precondition.required')
    t.equal(await outcome(send('PATCH', one, { ...clerk.headers, 'if-match': `"${made.id}.1"` }, { description: 'x' })), '412 precondition.failed')
    t.equal(await outcome(patch(one, blind.headers, { description: 'x', enabled: false })), '200', 'stopping it takes no sight')
    t.equal(await outcome(patch(one, blind.headers, { enabled: true })), '403 access.denied')
    t.equal(await outcome(send('POST', `${one}/test`, member.headers)), '403 access.denied')
    t.match(expectJson(await send('POST', `${one}/test`, blind.headers), 200), { delivered: true })
    t.equal(await outcome(send('DELETE', one, member.headers)), '403 access.denied')
    t.equal(await outcome(send('DELETE', one, blind.headers)), '204')
    t.equal(await outcome(send('GET', one, owner.headers)), '404 webhook.not_found')
    const acts = (await log(acme)).filter(({ subject }) => subject.id === made.id).map(({ type }) => type)
    t.same([acts[0], acts.at(-1)], ['webhook.created', 'webhook.deleted'], 'and its people see what was done')
  })

  t.test('told is what its log has, all of it in its order, signed; nothing of another and nothing of the operator\'s', async (t) => {
    const [acme, rival] = [await house(), await house()]
    const { secret } = await create(acme, '/acme')
    await create(rival, '/rival')
    const since = (await log(acme)).findIndex(({ type }) => type === 'webhook.created')
    for (const one of [acme, rival]) {
      await happen(one)
      expectJson(await send('POST', '/keys', one.owner.headers, { name: 'k', organizationId: one.id }), 201)
    }
    await as.key(['reports:read'])
    const guest = await someone()
    await add(acme.id, guest)
    await send('DELETE', `${acme.path}/members/${guest.user.id}`, acme.owner.headers)
    await until(isTold('/acme', 'organization_member.removed'))
    await until(isTold('/rival', 'key.issued'))
    t.same(told('/acme'), (await log(acme)).slice(since), 'byte for byte')
    t.same(told('/rival').map(({ id }) => id), (await log(rival)).slice(-told('/rival').length).map(({ id }) => id))
    t.ok(at('/acme').every((one) => receiver.verifies(one, secret)))
    t.notOk(JSON.stringify(told('/acme')).includes(rival.id))

    const narrow = await create(acme, '/narrow', ['key.*'])
    await happen(acme)
    const { id } = expectJson<{ id: string }>(await send('POST', '/keys', acme.owner.headers, { name: 'k', organizationId: acme.id }), 201)
    await until(isTold('/narrow', 'key.issued'))
    t.same(told('/narrow').map(({ subject }) => subject.id), [id])
    t.match(await read(acme, narrow.id), { lastError: null })
  })

  t.test('it is the organization\'s: it goes on when whoever gave it leaves, is suspended and deleted', async (t) => {
    const acme = await house()
    await create(acme, '/stays')
    await send('DELETE', `${acme.path}/members/${acme.clerk.user.id}`, acme.owner.headers)
    const first = await happen(acme)
    await until(() => told('/stays').some(({ subject, type }) => subject.id === acme.id && type === 'organization_role.created'))
    expectJson(await patch(`/users/${acme.clerk.user.id}`, admin, { status: 'suspended' }), 200)
    await send('DELETE', `/users/${acme.clerk.user.id}`, admin)
    const before = told('/stays').length
    const second = await happen(acme)
    await until(() => told('/stays').length > before)
    t.not(first, second)
    t.equal(await outcome(send('GET', `${acme.path}/webhooks`, acme.clerk.headers)), '401 session.invalid')
  })

  t.test('nothing is told while it is suspended; what happened meanwhile comes when it is back; nothing after it is deleted', async (t) => {
    const acme = await house()
    const { id } = await create(acme, '/stopped', ['organization_role.*', 'organization_member.*'])
    await happen(acme)
    await until(isTold('/stopped', 'organization_role.created'))
    expectJson(await patch(acme.path, admin, { status: 'suspended' }), 200)
    await add(acme.id, await someone())
    clock.advance(2_000)
    await app.jobs.run(DELIVERING)
    t.equal(await prisma.webhookEndpoint.count({ where: { id, claim: null } }), 1, 'nobody is about it')
    t.equal(await outcome(send('POST', `${acme.path}/webhooks/${id}/test`, acme.owner.headers)), '403 access.denied')
    t.notOk(isTold('/stopped', 'organization_member.added')())
    expectJson(await patch(acme.path, admin, { status: 'active' }), 200)
    await until(isTold('/stopped', 'organization_member.added'))
    t.equal(await outcome(send('DELETE', acme.path, acme.owner.headers)), '204')
    t.equal(await prisma.webhookEndpoint.count({ where: { id } }), 0)
  })

  t.test('told once more is what is its own: another\'s event is one that there is not', async (t) => {
    const [acme, rival] = [await house(), await house()]
    const endpoint = await create(acme, '/again', ['organization_role.*'])
    await happen(rival)
    await happen(acme)
    await until(() => told('/again').length === 1)
    const replay = (what: object, { path, owner }: House = acme) => outcome(send('POST', `${path}/webhooks/${endpoint.id}/replay`, owner.headers, what))
    const [theirs] = (await log(rival)).slice(-1)
    const [own] = (await log(acme)).slice(-1)
    t.equal(await replay({ what: 'event', eventId: theirs?.id }), '410 events.expired')
    t.equal(await replay({ what: 'event', eventId: newId() }), '410 events.expired')
    t.equal(await replay({ what: 'event', eventId: theirs?.id }, rival), '404 webhook.not_found', 'nor to an endpoint of another')
    t.equal(await replay({ what: 'event', eventId: own?.id }), '204')
    await until(() => told('/again').length === 2)
    t.equal(await replay({ what: 'since', since: new Date(0).toISOString() }), '204')
    const all = (await log(acme)).filter(({ type }) => type.startsWith('organization_role.')).map(({ id }) => id)
    await until(() => told('/again').length === 2 + all.length)
    t.same(told('/again').slice(2).map(({ id }) => id), all, 'also of before it was there, as its log has it')
  })

  t.test('each is managed in its place alone; the operator\'s list and caps have none of them', async (t) => {
    const [acme, rival] = [await house(), await house()]
    const [made, theirs] = [await create(acme, '/own'), await create(rival, '/own')]
    const operators = expectJson<Endpoint>(await send('POST', '/webhooks', admin, { url: receiver.url('/operator'), types: ['webhook.*'] }), 201)
    for (const id of [theirs.id, operators.id, newId()]) {
      for (const [method, more, body] of [['GET', '', undefined], ['GET', '/failures', undefined], ['PATCH', '', { description: 'x' }], ['POST', '/secret', {}], ['POST', '/test', undefined], ['DELETE', '', undefined]] as const) {
        t.equal(await outcome(send(method, `${acme.path}/webhooks/${id}${more}`, { ...acme.owner.headers, 'if-match': '*' }, body)), '404 webhook.not_found', `${method} ${more}`)
      }
    }
    for (const method of ['GET', 'DELETE'] as const) t.equal(await outcome(send(method, `/webhooks/${made.id}`, admin)), '404 webhook.not_found')
    t.same(expectJson<{ data: Endpoint[] }>(await send('GET', '/webhooks', admin), 200).data.map(({ id }) => id), [operators.id])
    t.same(expectJson<{ data: Endpoint[] }>(await send('GET', `${acme.path}/webhooks`, acme.owner.headers), 200).data.map(({ id }) => id), [made.id])
    await send('DELETE', `/webhooks/${operators.id}`, admin)
  })

  t.test('one that is gone is disabled, and the owners are told by mail, once; whoever gave it and left is not', async (t) => {
    const acme = await house()
    const { id } = await create(acme, '/gone')
    await send('DELETE', `${acme.path}/members/${acme.clerk.user.id}`, acme.owner.headers)
    receiver.answer('/gone', () => 410)
    await happen(acme)
    await until(async () => (await read(acme, id)).disabledFor === 'gone')
    await workedOff(app, database)
    const letters = app.outbox.list().filter(({ kind }) => kind === 'organization.webhook_disabled')
    t.same(letters.map(({ to }) => to), [acme.owner.user.email])
    t.ok(letters.every(({ text }) => text.includes(id) && text.includes('Acme') && !text.includes('127.0.0.1')))
    t.ok((await log(acme)).some(({ type, subject }) => type === 'webhook.disabled' && subject.id === id))
  })

  t.test('an Idempotency-Key gives a secret again to who still may have it, and to nobody else', async (t) => {
    const acme = await house()
    const once = { ...acme.clerk.headers, 'idempotency-key': 'one-webhook' }
    const made = await create(acme, '/once', [], once)
    t.equal((await create(acme, '/once', [], once)).secret, made.secret)
    await patch(`${acme.path}/members/${acme.clerk.user.id}`, acme.owner.headers, { roles: [] })
    t.equal(await outcome(send('POST', `${acme.path}/webhooks`, once, { url: receiver.url('/once'), types: [] })), '403 access.denied')
  })
})

t.test('what the operator opened for itself is not open to organizations, and they are not told what lies there', async (t) => {
  const { app, as } = await startApp(t, { config: { outboundAllow: ['127.0.0.0/8'] } })
  const { send, patch, outcome } = await createActors(app, as)
  const admin = await as.admin()
  const { path, owner } = await createCustomers(app, admin).house()
  await patch(path, admin, { webhooksMax: 5 })
  const receiver = await startReceiver(t)
  const post = (url: string) => send('POST', `${path}/webhooks`, owner.headers, { url })
  for (const url of [receiver.url(), 'http://example.com/x', 'https://10.0.0.1/', 'https://169.254.169.254/latest']) t.equal(await outcome(post(url)), '400 request.invalid', url)
  t.equal(await outcome(send('POST', '/webhooks', admin, { url: receiver.url(), types: ['gate_rule.*'] })), '201')
  const phrases = []
  for (const name of ['localhost', 'no-such-name.invalid']) {
    const { id } = expectJson<Endpoint>(await post(`https://${name}:${new URL(receiver.url()).port}/`), 201)
    phrases.push(expectJson<{ error: string }>(await send('POST', `${path}/webhooks/${id}/test`, owner.headers), 200).error)
  }
  t.same(new Set(phrases), new Set(['unreachable: it does not answer, or may not be asked']))
  t.same(receiver.taken, [])
})

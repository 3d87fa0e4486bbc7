// Webhooks under fire: what committed is delivered, whatever dies on the way; by one node at a time; and an endpoint that hangs delays nobody else.
import t from 'tap'
import { NUMBERING } from '../../src/events/index.js'
import { newId } from '../../src/kernel/ids.js'
import { DELIVERING } from '../../src/webhooks/index.js'
import { expectJson, startApp } from '../support/app.js'
import { failStatements } from '../support/failing-statements.js'
import { createCustomers, type House } from '../support/organizations.js'
import { eventually } from '../support/redis.js'
import { startReceiver } from '../support/webhook-receiver.js'

const CALLER = { principal: null, address: '', userAgent: '', requestId: '', host: true } as const

t.test('webhooks of two nodes', async (t) => {
  const config = { outboundAllow: ['127.0.0.0/8'], outboundAllowOrganizations: ['127.0.0.0/8'], accessTokenSeconds: 8_640_000 }
  const { app, as, clock, database } = await startApp(t, { config })
  const second = await startApp(t, { config, database, clock })
  const receiver = await startReceiver(t)
  const headers = await as.admin()
  const create = async (path: string) => expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/webhooks', headers, payload: { url: receiver.url(path), types: ['key.*'] } }), 201).id
  const remove = (id: string) => app.inject({ method: 'DELETE', url: `/api/v1/webhooks/${id}`, headers })
  const change = async (count: number, node = app): Promise<string[]> => {
    const ids = Array.from({ length: count }, () => newId())
    for (const targetId of ids) await node.database.transact((tx) => node.audit.record(tx, CALLER, { action: 'key.revoked', targetType: 'key', targetId })) // oxlint-disable-line no-await-in-loop
    return ids
  }
  const told = (path: string) => receiver.taken.filter((one) => one.path === path).map(({ message }) => message.data.subject.id)
  const both = (): Promise<unknown> => Promise.all([app.jobs.run(DELIVERING), second.app.jobs.run(DELIVERING)])
  const until = (holds: () => boolean) => eventually(async () => {
    await both()
    return holds()
  }, 8_000)

  t.test('each event is delivered, and without a failure once, though two nodes deliver', async (t) => {
    const id = await create('/two')
    const ids = (await Promise.all([change(30), change(30, second.app)])).flat()
    await until(() => told('/two').length >= ids.length)
    t.same(told('/two').toSorted(), ids.toSorted())
    await remove(id)
  })

  t.test('the changes of one subject are delivered in their order', async (t) => {
    const id = await create('/order')
    const targetId = newId()
    const actions = ['key.issued', 'key.updated', 'key.rotated', 'key.updated', 'key.revoked']
    for (const action of actions) await app.database.transact((tx) => app.audit.record(tx, CALLER, { action, targetType: 'key', targetId }))
    await until(() => told('/order').length === actions.length)
    t.same(receiver.taken.filter(({ path }) => path === '/order').map(({ message }) => message.type), actions)
    await remove(id)
  })

  t.test('an endpoint that hangs delays nobody, not even at the same address', async (t) => {
    receiver.answer('/hangs', () => 'hang')
    const [slow, quick] = [await create('/hangs'), await create('/quick')]
    const from = performance.now()
    const ids = await change(20)
    await until(() => told('/quick').length === ids.length)
    t.ok(performance.now() - from < 5_000, `${Math.round(performance.now() - from)} ms`)
    t.ok(receiver.asked('/hangs') > 0)
    t.same(told('/hangs'), [])
    for (const id of [slow, quick]) await remove(id)
  })

  t.test('forty endpoints of one organization that hang delay neither the operator\'s nor another organization\'s', async (t) => {
    const { house, role } = createCustomers(app, headers)
    const [slow, quick] = [await house(), await house()]
    for (const { path } of [slow, quick]) expectJson(await app.inject({ method: 'PATCH', url: `/api/v1${path}`, headers: { ...headers, 'if-match': '*' }, payload: { webhooksMax: 100 } }), 200)
    const name = async ({ path, owner }: House, at: string): Promise<unknown> => expectJson(await app.inject({ method: 'POST', url: `/api/v1${path}/webhooks`, headers: owner.headers, payload: { url: receiver.url(at), types: ['organization_role.*'] } }), 201)
    receiver.answer('/theirs-hangs', () => 'hang')
    for (let n = 0; n < 40; n += 1) await name(slow, '/theirs-hangs')
    await name(quick, '/theirs')
    const id = await create('/beside')
    await role(slow.id, slow.owner.headers, [])
    await until(() => receiver.asked('/theirs-hangs') >= 8)
    await role(quick.id, quick.owner.headers, [])
    const [key] = await change(1)
    await until(() => told('/beside').includes(key ?? ''))
    await until(() => told('/theirs').includes(quick.id))
    t.same(told('/theirs-hangs'), [])
    await remove(id)
    for (const { id: of } of [slow, quick]) await app.inject({ method: 'DELETE', url: `/api/v1/organizations/${of}`, headers })
  })

  t.test('whichever statement fails, before or after it is done: what committed is delivered, with its id', async (t) => {
    const failing = failStatements(database.pool)
    const id = await create('/killed')
    const committed: string[] = []
    let tried = 0
    for (const after of [false, true]) {
      for (let n = 1; n <= 10; n += 1) {
        const end = failing.next(n, after, /^webhooks-|^events-|authority_hold/)
        committed.push(...(await change(2)))
        await app.jobs.run(NUMBERING)
        await both().catch(() => undefined)
        await eventually(() => new Set(told('/killed')).size === committed.length, 200).catch(() => 0)
        if (end()) tried += 1
        // the claim of whoever died ends
        clock.advance(61_000)
      }
    }
    clock.advance(3_600_000)
    await until(() => new Set(told('/killed')).size === committed.length)
    t.same([...new Set(told('/killed'))].toSorted(), committed.toSorted())
    const messages = receiver.taken.filter(({ path }) => path === '/killed')
    t.equal(new Set(messages.map((message) => message.id)).size, committed.length, 'told twice is told with the same id')
    t.ok(tried >= 12, `${tried} places`)
    await remove(id)
  })
})

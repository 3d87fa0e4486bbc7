// /webhooks: who may say where events go, what is sent there and how it is signed, what is tried again, given up, told once more, and disabled.
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { EXPIRY } from '../../src/database/expiry.js'
import { DELIVERING } from '../../src/webhooks/index.js'
import { expectJson, startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { eventually } from '../support/redis.js'
import { workedOff } from '../support/queue.js'
import { startReceiver } from '../support/webhook-receiver.js'

interface Endpoint {
  id: string
  url: string
  secret: string
  enabled: boolean
  disabledFor: string | null
  givenBy: string
  failingSince: string | null
  lastError: string | null
  version: number
}
interface Failures {
  data: { eventId: string; type: string; attempts: number; error: string; nextAt: string; deadAt: string | null }[]
}
type Headers = Record<string, string>

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const ALL = ['gatehouse:webhooks.write', 'gatehouse:webhooks.read', 'gatehouse:events.read', 'gatehouse:keys.read']

t.test('webhooks', async (t) => {
  const clock = fakeClock(Date.now())
  const { app, as, database } = await startApp(t, { clock, config: { outboundAllow: ['127.0.0.0/8'] } })
  const { prisma } = database
  const receiver = await startReceiver(t)
  const admin = await as.adminUser()
  const giver = await as.key(ALL)
  const call = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, payload?: object, headers: Headers = giver.headers) =>
    app.inject({ method, url: `/api/v1/webhooks${path}`, headers: method === 'PATCH' ? { ...headers, 'if-match': '*' } : headers, ...(payload ? { payload } : {}) })
  const create = async (path: string, types = ['key.*'], headers = giver.headers) => expectJson<Endpoint>(await call('POST', '', { url: receiver.url(path), types }, headers), 201)
  const read = async (id: string) => expectJson<Endpoint>(await call('GET', `/${id}`), 200)
  const failures = async (id: string, query = '') => expectJson<Failures>(await call('GET', `/${id}/failures${query}`), 200).data
  /** A change, written down as one: the sessions of this test do not live as long as its clock runs. */
  const issue = async () => {
    const id = newId()
    await app.database.transact((tx) => app.audit.record(tx, { principal: null, address: '', userAgent: '', requestId: '', host: true }, { action: 'key.issued', targetType: 'key', targetId: id }))
    return id
  }
  const at = (path: string) => receiver.taken.filter((one) => one.path === path)
  const told = (path: string) => at(path).map(({ message }) => message.data.subject.id)
  /** Runs what is due until it holds. Time goes on a little, for an endpoint that fails has a pause after each message. */
  const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => {
    clock.advance(200)
    await app.jobs.run(DELIVERING)
    return holds()
  }, 8_000)
  /** Time passes until what waits is due. */
  const pass = (ms: number) => clock.advance(ms)

  t.test('201 tells the secret once; each message is signed as Standard Webhooks says, and says what the stream says', async (t) => {
    const { secret, ...endpoint } = await create('/signed')
    t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
    t.match(endpoint, { enabled: true, givenBy: admin.user.id, givenViaKey: giver.id, types: ['key.*'], version: 1 })
    t.notOk('secret' in (await read(endpoint.id)))
    const key = await issue()
    await until(() => told('/signed').includes(key))
    const [message] = at('/signed')
    if (!message) throw new Error('nothing was received')
    t.ok(receiver.verifies(message, secret))
    t.notOk(receiver.verifies({ ...message, body: message.body.replace(key, newId()) }, secret))
    t.notOk(receiver.verifies(message, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='))
    const { data } = expectJson<{ data: { id: string }[] }>(await app.inject({ url: `/api/v1/events/list?subject=${key}`, headers: giver.headers }), 200)
    t.same(message.message, { type: 'key.issued', timestamp: message.message.timestamp, data: data[0] })
    t.equal(message.id, data[0]?.id, 'its id is the event\'s')
    const { secretCiphertext } = await prisma.webhookEndpoint.findUniqueOrThrow({ where: { id: endpoint.id } })
    t.notOk(Buffer.from(secretCiphertext).includes(secret.slice(6)), 'the secret is not readable at rest')
    const rows = await prisma.auditEvent.findMany({ where: { action: 'webhook.created' } })
    t.match(rows, [{ targetId: endpoint.id, details: { origin: new URL(endpoint.url).origin } }])
  })

  t.test('a secret that takes over: both sign for so long', async (t) => {
    const { id, secret } = await create('/rotated')
    const { secret: second } = expectJson<Endpoint>(await call('POST', `/${id}/secret`, { overlapHours: 24 }), 200)
    t.not(second, secret)
    t.match(expectJson(await call('POST', `/${id}/test`), 200), { delivered: true, error: null })
    const [both] = at('/rotated')
    t.ok(both && receiver.verifies(both, secret) && receiver.verifies(both, second))
    const { secret: third } = expectJson<Endpoint>(await call('POST', `/${id}/secret`, { overlapHours: 0 }), 200)
    await call('POST', `/${id}/test`)
    const last = at('/rotated').at(-1)
    t.ok(last && receiver.verifies(last, third) && !receiver.verifies(last, second))
    t.match(last?.message, { type: 'webhook.test' })
    receiver.answer('/rotated', () => 500)
    t.match(expectJson(await call('POST', `/${id}/test`), 200), { delivered: false, error: 'it answered 500' })
    t.equal((await call('DELETE', `/${id}`)).statusCode, 204)
    t.equal((await call('GET', `/${id}`)).statusCode, 404)
  })

  t.test('400 for where nothing may be sent', async (t) => {
    for (const url of ['http://10.0.0.1/x', 'https://169.254.169.254/latest', 'http://[::1]:8000/', 'ftp://example.com/x', 'https://user:pw@example.com/', 'http://2130706433:9000/', 'https://metadata.google.internal/']) {
      t.match((await call('POST', '', { url })).json(), { code: 'request.invalid' }, url)
    }
    t.match((await call('POST', '', { url: receiver.url(), types: ['key.eaten'] })).json(), { code: 'request.invalid' })
    const moved = await create('/moved')
    t.match((await call('PATCH', `/${moved.id}`, { url: 'https://127.1/' })).json(), { code: 'request.invalid' })
    receiver.answer('/moved', () => 302)
    await issue()
    await until(async () => (await read(moved.id)).failingSince !== null)
    t.match(await read(moved.id), { lastError: /^redirected/ })
    await call('DELETE', `/${moved.id}`)
  })

  t.test('nobody is told by a webhook what they may not read: whoever gave it is judged each time', async (t) => {
    const { headers } = await as.signUp()
    t.equal((await call('POST', '', { url: receiver.url() }, headers)).statusCode, 403)
    t.equal((await call('GET', '', undefined, headers)).statusCode, 403)
    t.equal((await app.inject({ url: '/api/v1/webhooks' })).statusCode, 401)
    const blind = await as.key(['gatehouse:webhooks.write', 'gatehouse:webhooks.read'])
    t.match((await call('POST', '', { url: receiver.url() }, blind.headers)).json(), { code: 'permission.not_held' })
    t.match((await call('POST', '', { url: receiver.url(), types: ['user.*', 'key.*'] })).json(), { code: 'permission.not_held' })
    const whole = await create('/whole', [])
    const { user } = await as.signUp()
    const key = await issue()
    await until(() => told('/whole').includes(key))
    t.notOk(told('/whole').includes(user.id), 'all is what one may see')

    // a blind hand may not lead it elsewhere, nor learn what signs it
    for (const [path, body] of [['', { url: receiver.url('/elsewhere') }], ['', { types: ['key.*'] }]] as const) t.match((await call('PATCH', `/${whole.id}${path}`, body, blind.headers)).json(), { code: 'permission.not_held' })
    t.match((await call('POST', `/${whole.id}/secret`, { overlapHours: 0 }, blind.headers)).json(), { code: 'permission.not_held' })
    t.equal(expectJson<Endpoint>(await call('PATCH', `/${whole.id}`, { description: 'mine' }, blind.headers), 200).givenBy, whole.givenBy)

    const lost = await as.key(ALL)
    const theirs = await create('/theirs', ['key.*'], lost.headers)
    await app.inject({ method: 'PATCH', url: `/api/v1/keys/${lost.id}`, headers: { ...admin.headers, 'if-match': '*' }, payload: { permissions: ['gatehouse:webhooks.write'] } })
    const unseen = await issue()
    await until(async () => (await read(theirs.id)).lastError === 'whoever gave it may see none of its events')
    await until(() => told('/whole').includes(unseen))
    t.same(told('/theirs'), [])
    t.equal(expectJson<Endpoint>(await call('PATCH', `/${theirs.id}`, { types: ['key.issued'] }), 200).givenBy, admin.user.id, 'who takes it over is judged from then on')
    const seen = await issue()
    await until(() => told('/theirs').length > 0)
    t.same(told('/theirs'), [seen], 'from then on')
    for (const { id } of [whole, theirs]) await call('DELETE', `/${id}`)
  })

  t.test('what is not taken is tried again, later each time, with the same id; what comes after it is not held back', async (t) => {
    const { id } = await create('/shaky')
    const refused = await issue()
    receiver.answer('/shaky', ({ message }) => (message.data.subject.id === refused ? 503 : 204))
    await until(() => receiver.asked('/shaky') === 1)
    pass(1_000)
    const next = await issue()
    await until(() => told('/shaky').includes(next))
    t.match(await failures(id), [{ type: 'key.issued', attempts: 1, error: 'it answered 503', deadAt: null }])
    const waits: number[] = []
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      const [row] = await failures(id)
      waits.push(Date.parse(row?.nextAt ?? '') - clock.now())
      pass(waits.at(-1) ?? 0)
      await until(async () => (await failures(id))[0]?.attempts === attempt + 1)
    }
    t.ok(waits.every((wait, index) => wait > (waits[index - 1] ?? 0)), `${waits.join(' ')} ms`)
    receiver.answer('/shaky', () => 204)
    pass(3 * HOUR_MS)
    await until(() => told('/shaky').includes(refused))
    t.same(await failures(id), [])
    t.match(await read(id), { failingSince: null, lastError: null })
    await call('DELETE', `/${id}`)
  })

  t.test('given up after three days, and told again when it is asked for', async (t) => {
    const { id } = await create('/dead')
    receiver.answer('/dead', () => 500)
    const since = new Date(clock.now()).toISOString()
    const keys = [await issue()]
    for (let day = 0; day < 4; day += 1) {
      const before = receiver.asked('/dead')
      await until(() => receiver.asked('/dead') > before)
      await until(async () => (await prisma.webhookEndpoint.findUniqueOrThrow({ where: { id } })).claim === null)
      pass(DAY_MS)
    }
    const [dead] = await failures(id, '?dead=true')
    t.match(dead, { attempts: 4, deadAt: /Z$/ })
    t.same(await failures(id, '?dead=false'), [])
    receiver.answer('/dead', () => 204)
    t.equal((await call('POST', `/${id}/replay`, { what: 'event', eventId: dead?.eventId })).statusCode, 204)
    await until(() => told('/dead').length === 1)
    t.equal(at('/dead')[0]?.id, dead?.eventId)
    await until(async () => (await failures(id)).length === 0)
    keys.push(await issue(), await issue())
    await until(() => told('/dead').length === 3)
    t.equal((await call('POST', `/${id}/replay`, { what: 'since', since })).statusCode, 204)
    await until(() => told('/dead').length === 6)
    t.same(told('/dead').slice(3).toSorted(), keys.toSorted())
    t.equal((await call('POST', `/${id}/replay`, { what: 'event', eventId: newId() })).json<{ code: string }>().code, 'events.expired')
    await call('DELETE', `/${id}`)
  })

  t.test('disabled after five days of nothing, with an event; or at once by 410', async (t) => {
    const { id } = await create('/gone-quiet')
    receiver.answer('/gone-quiet', () => 500)
    await issue()
    await until(async () => (await read(id)).failingSince !== null)
    pass(5 * DAY_MS - HOUR_MS)
    t.equal((await read(id)).enabled, true)
    pass(2 * HOUR_MS)
    await until(async () => !(await read(id)).enabled)
    t.match(await read(id), { disabledFor: 'failing' })
    const other = await create('/gone')
    receiver.answer('/gone', () => 410)
    await issue()
    await until(async () => (await read(other.id)).disabledFor === 'gone')
    const events = expectJson<{ data: { type: string; subject: { id: string } }[] }>(await app.inject({ url: '/api/v1/events/list?types=webhook.disabled', headers: giver.headers }), 200)
    t.same(events.data.map(({ subject }) => subject.id).toSorted(), [id, other.id].toSorted())
    await workedOff(app, database)
    const letters = app.outbox.list().filter(({ kind }) => kind === 'webhook.disabled')
    t.match(letters.map(({ to }) => to), ['admin@example.com', 'admin@example.com'], 'whoever gave them is told by mail, once for each')
    t.ok([id, other.id].every((one) => letters.some(({ text }) => text.includes(one))))
    t.notOk(letters.some(({ text }) => text.includes('127.0.0.1')))

    receiver.answer('/gone-quiet', () => 204)
    const asked = receiver.asked('/gone-quiet')
    await issue()
    await app.jobs.run(DELIVERING)
    t.equal(receiver.asked('/gone-quiet'), asked, 'nothing is sent there')
    t.match(expectJson(await call('PATCH', `/${id}`, { enabled: true }), 200), { enabled: true, disabledFor: null, failingSince: null })
    const next = await issue()
    await until(() => told('/gone-quiet').includes(next))
    for (const one of [id, other.id]) await call('DELETE', `/${one}`)
    pass(31 * DAY_MS)
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.webhookDelivery.count(), 0)
  })
})

t.test('caps, versions and repetition', async (t) => {
  const { app, as } = await startApp(t)
  const headers = await as.admin()
  const payload = { url: 'https://hooks.example.com/x', types: ['key.*'] }
  const post = (more: Headers = {}) => app.inject({ method: 'POST', url: '/api/v1/webhooks', headers: { ...headers, ...more }, payload })
  const [first, again] = [await post({ 'idempotency-key': 'a' }), await post({ 'idempotency-key': 'a' })]
  t.same(first.json(), again.json())
  const { id } = first.json<Endpoint>()
  const patch = (version: string) => app.inject({ method: 'PATCH', url: `/api/v1/webhooks/${id}`, headers: { ...headers, 'if-match': version }, payload: { description: 'b' } })
  const answers = await Promise.all(Array.from({ length: 10 }, () => patch(`"${id}.1"`)))
  t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 1)
  const many = await Promise.all(Array.from({ length: 30 }, () => post()))
  t.equal(many.filter(({ statusCode }) => statusCode === 201).length, 19)
  t.equal(many.filter((answer) => answer.json<{ code: string }>().code === 'webhook.cap_reached').length, 11)
  const list = expectJson<{ data: Endpoint[] }>(await app.inject({ url: '/api/v1/webhooks', headers }), 200)
  t.equal(list.data.length, 20)
  t.notOk(list.data.some((one) => 'secret' in one))
})

// /me/devices: where somebody has signed in from, what of it their mail tells, and how it is forgotten.
import t from 'tap'
import { TELLING } from '../../src/accounts/index.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Device {
  id: string
  name: string
  userAgent: string
  address: string
  firstSeenAt: string | null
  lastSeenAt: string
  current: boolean
}

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

t.test('/me/devices', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const second = await startApp(t, { database, clock })
  const { prisma } = database
  const logIn = (email: string, more: { deviceToken?: string; userAgent?: string; address?: string; path?: string } = {}) => app.inject({
    method: 'POST', url: `/api/v1/auth/${more.path ?? 'login'}`, remoteAddress: more.address ?? '127.0.0.1', headers: { 'user-agent': more.userAgent ?? FIREFOX },
    payload: { email, password: PASSWORD, ...(more.deviceToken === undefined ? {} : { deviceToken: more.deviceToken }) },
  })
  const list = async (headers: Record<string, string>) => expectJson<{ data: Device[] }>(await app.inject({ url: '/api/v1/me/devices', headers }), 200).data
  const forget = (id: string, headers: Record<string, string>, node = app) => node.inject({ method: 'DELETE', url: `/api/v1/me/devices/${id}`, headers })

  t.test('401 without a credential, 403 for a key, which is no person', async (t) => {
    t.equal((await app.inject({ url: '/api/v1/me/devices' })).statusCode, 401)
    t.equal((await forget('0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f66', {})).statusCode, 401)
    const key = await as.key([])
    t.equal((await app.inject({ url: '/api/v1/me/devices', headers: key.headers })).statusCode, 403)
  })

  t.test('200 shows each device once, however often it signs in', async (t) => {
    const firstMs = clock.now()
    const { headers, user, deviceToken } = await as.signUp('lea@example.com')
    t.match(await list(headers), [{ address: '127.0.0.1', firstSeenAt: new Date(firstMs).toISOString() }], 'the one that signed up is one')
    clock.advance(60_000)
    expectJson(await logIn(user.email, { deviceToken, address: '192.0.2.7', userAgent: 'curl/8.1\u00ad' }), 200)
    const [device, ...others] = await list(headers)
    t.same(others, [])
    t.match(device, {
      name: 'curl', userAgent: 'curl/8.1', address: '192.0.2.7', firstSeenAt: new Date(firstMs).toISOString(), lastSeenAt: new Date(firstMs + 60_000).toISOString(), current: false,
    })
    t.notMatch(JSON.stringify(device), deviceToken, 'its token is told once')
    clock.advance(1_000)
    const { cookies } = await logIn(user.email, { path: 'session' })
    const cookie = cookies.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`).join('; ')
    const both = await list({ cookie })
    t.same(both.map(({ name, current }) => [name, current]), [['Firefox on Linux', true], ['curl', false]], 'a browser knows which is its own')
    await prisma.knownDevice.updateMany({ where: { address: '192.0.2.7' }, data: { firstSeenAt: null } })
    t.equal((await list(headers)).at(-1)?.firstSeenAt, null, 'one of a version that did not note it')
  })

  t.test('204 forgets it: its token is a stranger\'s, and nobody else forgets it', async (t) => {
    const { headers, user, deviceToken } = await as.signUp('ida@example.com')
    const { headers: other } = await as.signUp('eve@example.com')
    const [device] = await list(headers)
    const id = device?.id ?? ''
    t.match((await forget(id, other)).json(), { status: 404, code: 'device.not_found' })
    t.equal((await forget('nothing', headers)).statusCode, 400)
    t.equal((await forget(id, headers)).statusCode, 204)
    t.same(await list(headers), [])
    t.match((await forget(id, headers)).json(), { status: 404, code: 'device.not_found' })
    t.match(await prisma.auditEvent.findFirst({ where: { action: 'device.forgotten' } }), { targetId: user.id, actorId: user.id, details: { device: id } })
    t.not(expectJson<{ deviceToken: string }>(await logIn(user.email, { deviceToken }), 200).deviceToken, deviceToken, 'it is given a new one')
    t.equal((await app.inject({ url: '/api/v1/whoami', headers })).statusCode, 200, 'and no session has ended')
  })

  t.test('50 forget one device at once, on two nodes: one has', async (t) => {
    const { headers, user } = await as.signUp('race@example.com')
    const [device] = await list(headers)
    const statuses = await Promise.all(Array.from({ length: 50 }, async (_, at) => (await forget(device?.id ?? '', headers, at % 2 === 0 ? app : second.app)).statusCode))
    t.same([statuses.filter((status) => status === 204).length, statuses.filter((status) => status === 404).length], [1, 49])
    t.equal(await prisma.auditEvent.count({ where: { action: 'device.forgotten', targetId: user.id } }), 1)
  })

  t.test('a device is told once, and not the first of an account', async (t) => {
    const { user, deviceToken } = await as.signUp('told@example.com')
    const due = () => prisma.knownDevice.count({ where: { userId: user.id, noticeDue: true } })
    t.equal(await due(), 0, 'the first, which opened the account')
    await logIn(user.email, { deviceToken, address: '198.51.100.1' })
    t.equal(await due(), 0, 'it moves about')
    await logIn(user.email)
    t.equal(await due(), 1, 'another, from the same place')
    const { user: away } = await as.signUp('away@example.com')
    await logIn(away.email, { address: '198.51.100.2' })
    t.equal(await prisma.knownDevice.count({ where: { userId: away.id, noticeDue: true } }), 1, 'the first, from elsewhere')
    const admin = await as.admin()
    await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin, payload: { email: 'new@example.com', password: PASSWORD } })
    await logIn('new@example.com', { address: '198.51.100.3' })
    t.equal(await prisma.knownDevice.count({ where: { user: { email: 'new@example.com' }, noticeDue: true } }), 0, 'the first sign-in ever')
    const told = () => prisma.auditEvent.findMany({ where: { action: 'device.new' }, orderBy: { id: 'asc' } })
    await Promise.all(Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? app : second.app).jobs.run(TELLING)))
    t.equal(await prisma.knownDevice.count({ where: { noticeDue: true } }), 0)
    const rows = await told()
    t.match(rows.find(({ targetId }) => targetId === away.id), { actorId: away.id, address: '198.51.100.2', details: { name: 'Firefox on Linux' } })
    t.equal(rows.filter(({ targetId }) => targetId === user.id).length, 1, 'once, whichever node gets to it')
  })

  t.test('whoever signs in and has the device forgotten at once is told of all the same', async (t) => {
    const { headers, user } = await as.signUp('hasty@example.com')
    await logIn(user.email)
    const [newest] = await list(headers)
    t.equal((await forget(newest?.id ?? '', headers)).statusCode, 204)
    await app.jobs.run(TELLING)
    t.equal(await prisma.auditEvent.count({ where: { action: 'device.new', targetId: user.id } }), 1)
  })
})

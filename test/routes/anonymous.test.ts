// POST /auth/anonymous and POST /me/upgrade: an account before anybody has said whose it is, what it may, how it becomes a real one, and its end.
import t from 'tap'
import { EXPIRY } from '../../src/database/expiry.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface SignedIn {
  user: { id: string; email: string | null; anonymous: boolean; roles: string[]; version: number }
  accessToken: string
  refreshToken: string
}

const DAY_MS = 86_400_000

t.test('anonymous users', async (t) => {
  const config = { anonymousUsers: true, anonymousUsersMax: 40, anonymousUsersKeptDays: 30 }
  const { app, as, clock, database } = await startApp(t, { config })
  const second = await startApp(t, { config, database, clock })
  const { prisma } = database
  let count = 0
  const post = (path: string, headers: Record<string, string> = {}, payload?: object, node = app) =>
    node.inject({ method: 'POST', url: `/api/v1${path}`, headers, ...(payload ? { payload } : {}), remoteAddress: `10.${(count += 1) >> 8}.${count & 255}.1` })
  const open = async (): Promise<SignedIn & { headers: { authorization: string } }> => {
    const body = expectJson<SignedIn>(await post('/auth/anonymous'), 201)
    return { ...body, headers: as.bearer(body.accessToken) }
  }
  const upgrade = (headers: Record<string, string>, email: string, more: object = {}, node = app) => post('/me/upgrade', headers, { email, password: PASSWORD, ...more }, node)

  t.test('403 before the set-up, and where they are off', async (t) => {
    t.match((await post('/auth/anonymous')).json(), { status: 403, code: 'signup.closed' })
    await as.admin()
    const off = await startApp(t, { database, clock })
    t.match((await post('/auth/anonymous', {}, undefined, off.app)).json(), { status: 403, code: 'signup.closed' })
    t.equal(await prisma.user.count(), 1)
  })

  t.test('201 opens one, which may what every member may', async (t) => {
    const { user, headers, refreshToken } = await open()
    t.match(user, { email: null, anonymous: true, roles: ['member'] })
    t.match(expectJson(await app.inject({ url: '/api/v1/me', headers }), 200), { id: user.id, email: null, anonymous: true })
    t.match(expectJson(await app.inject({ url: '/api/v1/whoami', headers }), 200), { permissions: ['gatehouse:own.factors', 'gatehouse:own.keys', 'gatehouse:own.profile', 'gatehouse:own.sessions'] })
    expectJson(await post('/auth/refresh', {}, { refreshToken }), 200)
    t.match(await prisma.auditEvent.findFirst({ where: { action: 'user.created', targetId: user.id } }), { actorId: user.id, details: { anonymous: true, password: false } })
    const admin = await as.admin()
    const list = expectJson<{ data: { id: string; email: null }[] }>(await app.inject({ url: '/api/v1/users?anonymous=true', headers: admin }), 200)
    t.match(list.data, [{ id: user.id, email: null }])
    t.equal((await app.inject({ method: 'PATCH', url: `/api/v1/users/${user.id}`, headers: { ...admin, 'if-match': '*' }, payload: { email: 'x@example.com' } })).statusCode, 400, 'nobody else gives it an address')
    t.equal((await app.inject({ method: 'PATCH', url: `/api/v1/users/${user.id}`, headers: { ...admin, 'if-match': '*' }, payload: { name: 'Somebody' } })).statusCode, 200, 'but a name')
    t.equal((await post('/auth/login', {}, { email: `${user.id}@account.invalid`, password: PASSWORD })).statusCode, 401)
    t.match((await post('/me/password', headers, { currentPassword: 'x', newPassword: PASSWORD })).json(), { code: 'credentials.invalid' }, 'there is no password to change')
    t.equal((await post('/auth/signup', {}, { email: 'me@account.invalid', password: PASSWORD })).statusCode, 400, 'nobody has such an address')
  })

  t.test('200 makes it a real one: id, keys and sessions stay', async (t) => {
    const { user, headers, refreshToken } = await open()
    const key = expectJson<{ id: string; key: string }>(await post('/keys', headers, { name: 'mine' }), 201)
    const answer = await upgrade(headers, ' Lea@Example.com', { name: 'Lea' })
    t.match(expectJson(answer, 200), { id: user.id, email: 'lea@example.com', anonymous: false, name: 'Lea', version: user.version + 1 })
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 200)
    expectJson(await post('/auth/refresh', {}, { refreshToken }), 200)
    t.equal(expectJson<{ id: string }>(await app.inject({ url: '/api/v1/whoami', headers: as.bearer(key.key) }), 200).id, user.id)
    t.equal(expectJson<SignedIn>(await post('/auth/login', {}, { email: 'lea@example.com', password: PASSWORD }), 200).user.id, user.id)
    t.match(await prisma.auditEvent.findFirst({ where: { action: 'user.upgraded' } }), { actorId: user.id, targetId: user.id })
    t.match((await upgrade(headers, 'again@example.com')).json(), { status: 409, code: 'account.not_anonymous' })
  })

  t.test('400, 401, 403 and 409: it is a sign-up', async (t) => {
    const { user, headers } = await open()
    t.equal((await upgrade({}, 'x@example.com')).statusCode, 401)
    t.match((await upgrade(headers, 'admin@example.com')).json(), { status: 409, code: 'email.taken' })
    t.match((await upgrade(headers, 'x@example.com', { password: 'hunter2' })).json(), { status: 400, code: 'password.weak' })
    t.match((await upgrade(headers, `x@service.invalid`)).json(), { status: 400, code: 'request.invalid' })
    t.equal((await post('/me/upgrade', headers, { email: 'x@example.com' })).statusCode, 400)
    const member = await as.signUp()
    t.match((await upgrade(member.headers, 'x@example.com')).json(), { status: 409, code: 'account.not_anonymous' })
    const key = expectJson<{ key: string }>(await post('/keys', headers, { name: 'k' }), 201)
    t.equal((await upgrade(as.bearer(key.key), 'x@example.com')).statusCode, 403, 'a key is no person')
    const closed = await startApp(t, { config: { ...config, signUp: 'closed' }, database, clock })
    t.match((await upgrade(headers, 'x@example.com', {}, closed.app)).json(), { status: 403, code: 'signup.closed' })
    t.match(await prisma.user.findUniqueOrThrow({ where: { id: user.id } }), { anonymous: true, passwordHash: null, version: 1 })
  })

  t.test('50 upgrades at once, on two nodes: one account is made real, once', async (t) => {
    const { user, headers } = await open()
    const outcomes = await Promise.all(Array.from({ length: 50 }, async (_, at) => (await upgrade(headers, `race-${at % 5}@example.com`, {}, at % 2 === 0 ? app : second.app)).statusCode))
    t.equal(outcomes.filter((status) => status === 200).length, 1)
    t.same(new Set(outcomes.filter((status) => status !== 200)), new Set([409, ...(outcomes.includes(503) ? [503] : [])]), 'the others were late, or waited too long')
    t.equal(await prisma.user.count({ where: { email: { startsWith: 'race-' } } }), 1)
    t.equal(await prisma.auditEvent.count({ where: { action: 'user.upgraded', targetId: user.id } }), 1)
  })

  t.test('two accounts want one address at once: one has it', async (t) => {
    const all = await Promise.all([open(), open()])
    const outcomes = await Promise.all(all.map(async ({ headers }, at) => (await upgrade(headers, 'both@example.com', {}, at === 0 ? app : second.app)).statusCode))
    t.same(outcomes.toSorted((a, b) => a - b), [200, 409])
  })

  t.test('429 for an address that opens many, and when there are as many as there may be', async (t) => {
    const from = (address: string) => app.inject({ method: 'POST', url: '/api/v1/auth/anonymous', remoteAddress: address })
    const statuses: number[] = []
    for (let at = 0; at < 21; at += 1) statuses.push((await from('198.51.100.7')).statusCode)
    t.same([statuses.filter((status) => status === 201).length, statuses.at(-1)], [20, 429])
    clock.advance(5_000) // counted anew, without those that were made real
    let opened = 0
    while ((await from(`192.0.2.${opened}`)).statusCode === 201) opened += 1
    t.equal(await prisma.user.count({ where: { anonymous: true } }), 40)
    t.match((await from('203.0.113.9')).json(), { status: 429, code: 'rate.limited' })
    await prisma.user.deleteMany({ where: { id: { in: (await prisma.user.findMany({ where: { anonymous: true }, take: 30 })).map(({ id }) => id) } } })
    clock.advance(5_000)
    t.equal((await from('203.0.113.9')).statusCode, 201, 'some have ended')
  })

  t.test('what nobody uses ends, and what somebody uses stays', async (t) => {
    const [unused, used, byKey, real, untouched] = [await open(), await open(), await open(), await open(), await open()]
    const back = async (ids: string[]) => prisma.session.updateMany({ where: { userId: { in: ids } }, data: { lastSeenAt: new Date(clock.now() + 3_600_000) } })
    await back([unused.user.id, used.user.id])
    const key = expectJson<{ id: string }>(await post('/keys', byKey.headers, { name: 'k' }), 201)
    expectJson(await upgrade(real.headers, 'stays@example.com'), 200)
    clock.advance(DAY_MS - 1_000)
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.user.count({ where: { id: untouched.user.id } }), 1)
    clock.advance(2_000)
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.user.count({ where: { id: untouched.user.id } }), 0, 'what nobody has come back to ends after a day')
    clock.advance(28 * DAY_MS)
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.user.count({ where: { id: unused.user.id } }), 1, 'not before its time')
    await prisma.session.updateMany({ where: { userId: used.user.id }, data: { lastSeenAt: new Date(clock.now()) } })
    await prisma.apiKey.update({ where: { id: key.id }, data: { lastUsedAt: new Date(clock.now()) } })
    clock.advance(2 * DAY_MS)
    await app.jobs.run(EXPIRY)
    const left = await prisma.user.findMany({ where: { id: { in: [unused, used, byKey, real].map(({ user }) => user.id) } }, select: { id: true } })
    t.same(new Set(left.map(({ id }) => id)), new Set([used, byKey, real].map(({ user }) => user.id)))
    t.match(await prisma.auditEvent.findFirst({ where: { action: 'users.anonymous_expired' } }), { actorType: 'host' })
    t.equal(await prisma.session.count({ where: { userId: unused.user.id } }), 0)
  })
})

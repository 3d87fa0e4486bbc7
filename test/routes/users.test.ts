// /users: accounts, for those who manage them.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface User {
  id: string
  email: string
  name: string | null
  status: string
  roles: string[]
  version: number
  createdAt: string
}

interface Users {
  data: User[]
  page: { nextCursor: string | null; total?: number }
}

const url = (id = '') => `/api/v1/users${id && `/${id}`}`
const etag = ({ id, version }: { id: string; version: number }) => `"${id}.${version}"`

t.test('/users', async (t) => {
  const { app, database, clock, as } = await startApp(t)
  const admin = await as.adminUser()
  const member = await as.signUp('member@example.com')
  const reader = await as.key(['gatehouse:users.read'])
  const writer = await as.key(['gatehouse:users.write'])
  const get = (query: string, headers = admin.headers) => app.inject({ url: `${url()}${query}`, headers })
  const read = async (id: string) => expectJson<User>(await app.inject({ url: url(id), headers: admin.headers }), 200)
  const create = (payload: object, headers: object = admin.headers) => app.inject({ method: 'POST', url: url(), payload, headers: { ...headers } })
  const created = async (payload: object) => expectJson<User>(await create(payload), 201)
  const patch = (id: string, ifMatch: string | null, payload: object, headers: object = admin.headers) =>
    app.inject({ method: 'PATCH', url: url(id), payload, headers: { ...headers, ...(ifMatch === null ? {} : { 'if-match': ifMatch }) } })
  const remove = (id: string, headers: object = {}) => app.inject({ method: 'DELETE', url: url(id), headers: { ...admin.headers, ...headers } })
  const events = (targetId: string) => database.prisma.auditEvent.findMany({ where: { targetId }, orderBy: { id: 'asc' } })

  t.test('401 and 403: reading and writing need their permission', async (t) => {
    for (const method of ['GET', 'POST'] as const) t.equal((await app.inject({ method, url: url() })).statusCode, 401)
    t.equal((await get('', member.headers)).statusCode, 403)
    t.equal((await get('', reader.headers)).statusCode, 200)
    t.equal((await create({ email: 'x@example.com' }, reader.headers)).statusCode, 403)
    t.equal((await app.inject({ method: 'DELETE', url: url(member.user.id), headers: reader.headers })).statusCode, 403)
    t.equal(await database.prisma.user.count(), 2)
  })

  t.test('201 creates a member, who can sign in', async (t) => {
    const answer = await create({ email: 'Bob@Example.com', password: PASSWORD, name: ' Bob ' })
    const user = expectJson<User>(answer, 201)
    t.match(user, { email: 'bob@example.com', name: 'Bob', status: 'active', roles: ['member'], version: 1, lastLoginAt: null })
    t.equal(answer.headers.etag, etag(user))
    t.notMatch(answer.body, /hash|hmac1/i)
    t.match((await events(user.id))[0], { action: 'user.created', actorId: admin.user.id })
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'bob@example.com', password: PASSWORD } })).statusCode, 200)
    t.match(await read(user.id), { lastLoginAt: new Date(clock.now()).toISOString(), version: 2 }, 'and the sign-in shows')
  })

  t.test('201 without a password creates an account that cannot sign in', async (t) => {
    await created({ email: 'nopass@example.com' })
    const answer = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'nopass@example.com', password: PASSWORD } })
    t.equal(answer.statusCode, 401)
    t.match(answer.json(), { code: 'credentials.invalid' })
  })

  t.test('201 once for an Idempotency-Key', async (t) => {
    const headers = { ...admin.headers, 'idempotency-key': 'user-1' }
    const first = expectJson<User>(await create({ email: 'once@example.com' }, headers), 201)
    t.same(expectJson<User>(await create({ email: 'once@example.com' }, headers), 201), first)
    const other = await create({ email: 'other@example.com' }, headers)
    t.equal(other.statusCode, 422)
    t.equal((await events(first.id)).length, 1)
  })

  t.test('409 refuses an e-mail that is taken, in any spelling', async (t) => {
    const answer = await create({ email: ' MEMBER@example.com' })
    t.equal(answer.statusCode, 409)
    t.match(answer.json(), { code: 'email.taken' })
    const bob = await created({ email: 'second@example.com' })
    const change = await patch(bob.id, etag(bob), { email: 'member@example.com' })
    t.equal(change.statusCode, 409)
    t.match(await read(bob.id), bob, 'and nothing has changed')
  })

  t.test('400 refuses what is no account', async (t) => {
    const wrong = [
      {}, { email: 'nobody' }, { email: 'a@b\u0000.c' }, { email: 5 }, { email: 'w@example.com', password: 'hunter2' },
      { email: 'w@example.com', roles: ['wizard'] },
      { email: 'w@example.com', roles: ['member', 'member'] }, { email: 'w@example.com', name: 'a\u0000b' }, { email: 'w@example.com', status: 'active' },
      { email: 'w@example.com', name: 'x'.repeat(201) },
    ]
    for (const payload of wrong) t.equal((await create(payload)).statusCode, 400, JSON.stringify(payload).slice(0, 60))
    t.equal(await database.prisma.user.count({ where: { email: 'w@example.com' } }), 0)
  })

  t.test('403 refuses roles that the giver does not hold, and notes it', async (t) => {
    const answer = await create({ email: 'climber@example.com', roles: ['admin'] }, writer.headers)
    t.equal(answer.statusCode, 403)
    t.match(answer.json(), { code: 'permission.not_held' })
    const up = await patch(member.user.id, '*', { roles: ['admin'] }, writer.headers)
    t.equal(up.statusCode, 403)
    t.equal(await database.prisma.user.count({ where: { email: 'climber@example.com' } }), 0)
    t.same((await read(member.user.id)).roles, ['member'])
    await app.audit.writeCounted(true)
    const denied = await database.prisma.auditEvent.findMany({ where: { action: 'access.denied', details: { path: ['code'], equals: 'permission.not_held' } } })
    t.equal(denied.length, 2)
    t.equal((await create({ email: 'plain@example.com', roles: ['member'] }, writer.headers)).statusCode, 201, 'roles that permit nothing are free')
  })

  t.test('a machine has a name that is changed, and no address; nobody gets one that is nobody\'s', async (t) => {
    const machine = await created({ kind: 'service', name: 'Builder' })
    t.match(expectJson(await patch(machine.id, '*', { name: 'Deployer' }), 200), { name: 'Deployer', email: null })
    t.equal((await patch(machine.id, '*', { email: 'machine@example.com' })).statusCode, 400)
    for (const email of ['me@service.invalid', 'me@account.invalid']) t.equal((await patch(member.user.id, '*', { email })).statusCode, 400, email)
    await database.prisma.user.delete({ where: { id: machine.id } })
  })

  t.test('403 keeps those who may do less away from administrators', async (t) => {
    for (const payload of [{ email: 'mine@example.com' }, { status: 'suspended' }, { roles: [] }]) {
      const answer = await patch(admin.user.id, '*', payload, writer.headers)
      t.equal(answer.statusCode, 403)
      t.match(answer.json(), { code: 'permission.not_held' })
    }
    t.equal((await app.inject({ method: 'DELETE', url: url(admin.user.id), headers: writer.headers })).statusCode, 403)
    t.match(await read(admin.user.id), { email: 'admin@example.com', status: 'active', roles: ['admin'] })
  })

  t.test('GET /users/:id answers an ETag, 304 and 404', async (t) => {
    const first = await app.inject({ url: url(member.user.id), headers: reader.headers })
    const known = String(first.headers.etag)
    t.equal((await app.inject({ url: url(member.user.id), headers: { ...reader.headers, 'if-none-match': known } })).statusCode, 304)
    t.equal((await app.inject({ url: url(member.user.id), headers: { ...reader.headers, 'if-none-match': '"x.1"' } })).statusCode, 200)
    t.equal((await app.inject({ url: url('0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00'), headers: reader.headers })).statusCode, 404)
    t.equal((await app.inject({ url: url('not-an-id'), headers: reader.headers })).statusCode, 400)
    t.equal((await app.inject({ url: url(`urn:uuid:${member.user.id}`), headers: reader.headers })).statusCode, 400)
  })

  t.test('PATCH needs If-Match, and of the version that is', async (t) => {
    const user = await created({ email: 'patched@example.com' })
    t.equal((await patch(user.id, null, { name: 'A' })).statusCode, 428)
    const changed = await patch(user.id, etag(user), { name: 'A', email: 'PATCHED2@example.com' })
    t.match(expectJson<User>(changed, 200), { name: 'A', email: 'patched2@example.com', version: 2 })
    t.equal(changed.headers.etag, etag({ ...user, version: 2 }))
    t.equal((await patch(user.id, etag(user), { name: 'B' })).statusCode, 412)
    t.equal((await patch(user.id, `W/${etag({ ...user, version: 2 })}`, { name: 'B' })).statusCode, 412)
    t.equal((await patch(user.id, etag({ id: admin.user.id, version: 2 }), { name: 'B' })).statusCode, 412)
    t.match(expectJson<User>(await patch(user.id, '*', { name: null }), 200), { name: null, version: 3 })
    t.equal((await patch(user.id, '*', {})).statusCode, 400)
    t.equal((await patch(user.id, '*', { version: 9 })).statusCode, 400)
    t.equal((await patch('0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', '*', { name: 'B' })).statusCode, 404)
    t.equal((await events(user.id)).filter(({ action }) => action === 'user.updated').length, 2, 'a row for each change, none for a refusal')
  })

  t.test('suspending ends the sessions, stops the keys and the sign-in; activating gives back what has not ended', async (t) => {
    const user = await as.signUp('suspended@example.com')
    const issued = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: user.headers, payload: { name: 'mine' } })
    const { key } = expectJson<{ key: string }>(issued, 201)
    const whoami = (token: string) => app.inject({ url: '/api/v1/whoami', headers: as.bearer(token) })
    t.equal((await whoami(key)).statusCode, 200)
    t.equal((await patch(user.user.id, '*', { status: 'suspended' })).statusCode, 200)
    t.equal((await whoami(user.accessToken)).statusCode, 401)
    t.equal((await whoami(key)).statusCode, 401)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: user.refreshToken } })).statusCode, 401)
    const login = () => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'suspended@example.com', password: PASSWORD } })
    t.match((await login()).json(), { code: 'credentials.invalid' })
    t.equal((await patch(user.user.id, '*', { status: 'active' })).statusCode, 200)
    t.equal((await whoami(user.accessToken)).statusCode, 401, 'an ended session stays ended')
    t.equal((await whoami(key)).statusCode, 200)
    t.equal((await login()).statusCode, 200)
  })

  t.test('a role taken away takes its permissions from the user\'s own keys', async (t) => {
    const user = await as.signUp('demoted@example.com')
    t.equal((await patch(user.user.id, '*', { roles: ['member', 'admin'] })).statusCode, 200)
    const issued = await app.inject({
      method: 'POST', url: '/api/v1/keys', headers: user.headers, payload: { name: 'strong', permissions: ['gatehouse:users.read', 'reports:read'] },
    })
    const { key } = expectJson<{ key: string }>(issued, 201)
    t.equal((await get('', as.bearer(key))).statusCode, 200)
    t.same(expectJson<User>(await patch(user.user.id, '*', { roles: ['member'] }), 200).roles, ['member'])
    t.equal((await get('', as.bearer(key))).statusCode, 403)
    t.equal((await get('', user.headers)).statusCode, 403)
    const who = await app.inject({ url: '/api/v1/whoami', headers: as.bearer(key) })
    t.same(who.json<{ permissions: string[] }>().permissions, [], 'a key of one\'s own is worth no more than its owner holds')
  })

  t.test('409 keeps the last administrator', async (t) => {
    for (const payload of [{ status: 'suspended' }, { roles: [] }, { roles: ['member'] }]) {
      const answer = await patch(admin.user.id, '*', payload)
      t.equal(answer.statusCode, 409)
      t.match(answer.json(), { code: 'admin.last' })
    }
    t.equal((await remove(admin.user.id)).statusCode, 409)
    t.match(await read(admin.user.id), { status: 'active', roles: ['admin'] })
    t.equal((await app.inject({ url: '/api/v1/me', headers: admin.headers })).statusCode, 200, 'and the session goes on')
    await app.audit.writeCounted(true)
    const denied = (await events(admin.user.id)).filter(({ action, details }) => action === 'access.denied' && JSON.stringify(details).includes('admin.last'))
    t.same(denied.map(({ details }) => details), [{ code: 'admin.last' }, { code: 'admin.last', count: 3 }])
    const suspended = await created({ email: 'admin2@example.com', password: PASSWORD, roles: ['admin'] })
    t.equal((await patch(suspended.id, '*', { status: 'suspended' })).statusCode, 200, 'one of two may go')
    t.equal((await remove(admin.user.id)).statusCode, 409, 'a suspended administrator does not count')
    t.equal((await remove(suspended.id)).statusCode, 200)
  })

  t.test('DELETE removes the account and all that is its own', async (t) => {
    const user = await as.signUp('deleted@example.com')
    const version = (await read(user.user.id)).version
    t.equal((await remove(user.user.id, { 'if-match': `"${user.user.id}.${version + 1}"` })).statusCode, 412)
    t.equal((await app.inject({ url: '/api/v1/me', headers: user.headers })).statusCode, 200, 'and nothing has ended')
    t.equal((await remove(user.user.id, { 'if-match': `"${user.user.id}.${version}"` })).statusCode, 200)
    t.equal((await app.inject({ url: '/api/v1/me', headers: user.headers })).statusCode, 401)
    t.equal((await remove(user.user.id)).statusCode, 404)
    t.equal(await database.prisma.session.count({ where: { userId: user.user.id } }), 0)
    t.match((await events(user.user.id)).at(-1), { action: 'user.deleted', actorId: admin.user.id })
  })

  t.test('GET /users filters and sorts', async (t) => {
    const emails = async (query: string) => expectJson<Users>(await get(query), 200).data.map(({ email }) => email)
    t.same(await emails('?email[contains]=BOB'), ['bob@example.com'])
    t.same(await emails('?email[contains]=%25'), [], 'a percent sign stands for itself')
    t.same(await emails('?email[contains]=%5C'), [])
    t.same(await emails('?role=admin'), ['admin@example.com'])
    t.same(await emails('?status=suspended'), [])
    t.same(await emails('?sort=email&limit=2'), ['admin@example.com', 'bob@example.com'])
    const all = await emails('?sort=email&limit=200')
    t.same(await emails('?sort=-email&limit=200'), all.toReversed())
    t.equal((await emails('?sort=-lastLoginAt,name')).length, all.length)
    const later = new Date(clock.now() + 1).toISOString()
    t.same(await emails(`?createdAt[gte]=${later}`), [])
    t.equal((await emails(`?createdAt[lte]=${later}&limit=200`)).length, all.length)
    t.match(expectJson<Users>(await get('?count=exact&limit=1'), 200).page, { total: all.length, totalIs: 'exact' })
    const wrong = [
      '?sort=passwordHash', '?sort=email,email', '?status=deleted', '?role=%00', '?email[contains]=%00', '?createdAt[gte]=yesterday', '?limit=0', '?limit=201',
      '?createdAt[gte]=0000-01-01T00:00:00Z', '?createdAt[gte]=2031-01-01T00:00:60Z', '?cursor=x', '?name=Bob', '?passwordHash=x',
    ]
    for (const query of wrong) t.equal((await get(query)).statusCode, 400, query)
    t.equal((await get('?createdAt[lte]=2031-01-01T00:00:00%2B23:59')).statusCode, 400, 'an offset that the database does not know')
  })

  t.test('GET /users walks every row once, page by page', async (t) => {
    for (const [at, name] of ['Same', 'Same', 'Same', 'Zed'].entries()) {
      await created({ email: `walk${at}@example.com`, name })
      clock.advance(at % 2)
    }
    for (const sort of ['name', '-name,email', 'createdAt', '-lastLoginAt', 'email']) {
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
        const page: Users = expectJson<Users>(await get(`?limit=3&sort=${sort}${query}`), 200)
        seen.push(...page.data.map(({ id }) => id))
        cursor = page.page.nextCursor
      } while (cursor !== null)
      t.equal(new Set(seen).size, seen.length, `${sort}: none twice`)
      t.equal(seen.length, await database.prisma.user.count(), `${sort}: none left out`)
    }
  })

  t.test('GET /roles shows roles and permissions to those who may read users', async (t) => {
    const roles = '/api/v1/roles'
    t.match((await app.inject({ url: roles, headers: reader.headers })).json(), { data: [{ name: 'admin', permissions: ['gatehouse:*', '*:*'] }, { name: 'member' }] })
    t.equal((await app.inject({ url: roles, headers: member.headers })).statusCode, 403)
    t.equal((await app.inject({ url: roles })).statusCode, 401)
  })

  t.test('no answer came without being declared', async (t) => {
    t.same([...app.undeclaredErrors], [])
  })
})

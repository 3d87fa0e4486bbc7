// /me: the signed-in user's own account.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

const NEW_PASSWORD = 'a quiet mountain of paper'

interface Me {
  id: string
  name: string | null
  version: number
}

t.test('/me', async (t) => {
  const { app, database, as } = await startApp(t)
  const user = await as.signUp('me@example.com')
  const get = (headers: object) => app.inject({ url: '/api/v1/me', headers: { ...headers } })
  const patch = (payload: object, headers: object) => app.inject({ method: 'PATCH', url: '/api/v1/me', payload, headers: { ...headers } })
  const change = (payload: object, headers: object = user.headers) =>
    app.inject({ method: 'POST', url: '/api/v1/me/password', payload, headers: { ...headers } })
  const logIn = (password: string) => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'me@example.com', password } })

  t.test('401 without a credential, 403 for a key, which is nobody\'s account', async (t) => {
    t.equal((await get({})).statusCode, 401)
    const key = await as.key(['gatehouse:users.read'])
    t.equal((await get(key.headers)).statusCode, 403)
    t.equal((await patch({ name: 'x' }, { ...key.headers, 'if-match': '*' })).statusCode, 403)
    t.equal((await change({ currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, key.headers)).statusCode, 403)
  })

  t.test('200 shows the account with its ETag; 304 when it is known', async (t) => {
    const answer = await get(user.headers)
    t.match(answer.json(), { id: user.user.id, email: 'me@example.com', name: null, roles: ['member'], status: 'active' })
    t.equal((await get({ ...user.headers, 'if-none-match': answer.headers.etag })).statusCode, 304)
    t.equal(answer.headers['cache-control']?.includes('no-store'), true)
  })

  t.test('PATCH changes the name alone, and only with If-Match', async (t) => {
    const { version, id } = expectJson<Me>(await get(user.headers), 200)
    t.equal((await patch({ name: 'Ada' }, user.headers)).statusCode, 428)
    t.match(expectJson<Me>(await patch({ name: ' Ada ' }, { ...user.headers, 'if-match': `"${id}.${version}"` }), 200), { name: 'Ada', version: version + 1 })
    t.equal((await patch({ name: 'Bob' }, { ...user.headers, 'if-match': `"${id}.${version}"` })).statusCode, 412)
    for (const payload of [{ email: 'x@example.com' }, { roles: ['admin'] }, { name: 'x', status: 'active' }, { name: 5 }, {}]) {
      t.equal((await patch(payload, { ...user.headers, 'if-match': '*' })).statusCode, 400, JSON.stringify(payload))
    }
    t.match(expectJson<Me>(await get(user.headers), 200), { name: 'Ada', roles: ['member'] })
    t.match(expectJson<Me>(await patch({ name: null }, { ...user.headers, 'if-match': '*' }), 200), { name: null })
  })

  t.test('a password is changed by whoever knows it, and every other session ends', async (t) => {
    const other = expectJson<{ accessToken: string; refreshToken: string }>(await logIn(PASSWORD), 200)
    const wrong = await change({ currentPassword: 'not my password', newPassword: NEW_PASSWORD })
    t.equal(wrong.statusCode, 401)
    t.match(wrong.json(), { code: 'credentials.invalid' })
    const weak = await change({ currentPassword: PASSWORD, newPassword: 'hunter2' })
    t.equal(weak.statusCode, 400)
    t.match(weak.json(), { code: 'password.weak' })
    t.equal((await get(as.bearer(other.accessToken))).statusCode, 200, 'a refusal ends nothing')

    const done = await change({ currentPassword: PASSWORD, newPassword: NEW_PASSWORD })
    t.equal(done.statusCode, 204)
    t.equal(done.body, '')
    t.equal((await get(user.headers)).statusCode, 200, 'this session goes on')
    t.equal((await get(as.bearer(other.accessToken))).statusCode, 401)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: other.refreshToken } })).statusCode, 401)
    t.equal((await logIn(PASSWORD)).statusCode, 401)
    t.equal((await logIn(NEW_PASSWORD)).statusCode, 200)
    const events = await database.prisma.auditEvent.findMany({ where: { action: { startsWith: 'password.' } }, orderBy: { id: 'asc' } })
    t.same(events.map(({ action, targetId }) => [action, targetId]), [['password.change_failed', user.user.id], ['password.changed', user.user.id]])
    t.notMatch(JSON.stringify(events), /horse|mountain|not my/)
  })

  t.test('429: guesses of the current password count like failed sign-ins', async (t) => {
    const guess = () => change({ currentPassword: 'not my password', newPassword: PASSWORD })
    for (let round = 0; round < 10; round += 1) t.equal((await guess()).statusCode, 401)
    const answer = await change({ currentPassword: NEW_PASSWORD, newPassword: PASSWORD })
    t.equal(answer.statusCode, 429)
    t.match(answer.json(), { code: 'login.throttled' })
    t.ok(Number(answer.headers['retry-after']) > 0)
    t.equal((await get(user.headers)).statusCode, 200)
  })

  t.test('no answer came without being declared', async (t) => {
    t.same([...app.undeclaredErrors], [])
  })
})

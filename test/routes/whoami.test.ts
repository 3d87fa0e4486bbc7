// GET /whoami: every kind of credential, and what is refused at the door.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Principal {
  type: string
  id: string
  sessionId?: string
  keyId?: string
  permissions: string[]
  authenticatedBy: string
}

t.test('GET /whoami', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const ask = async (headers: Record<string, string>) => app.inject({ url: '/api/v1/whoami', headers })
  const codeOf = async (status: number, headers: Record<string, string>) => expectJson<{ code: string }>(await ask(headers), status).code

  t.test('200 by access token: the user, the session, the permissions of its roles', async (t) => {
    const member = await as.signUp()
    const who = expectJson<Principal>(await ask(member.headers), 200)
    t.match(who, { type: 'user', id: member.user.id, permissions: [], authenticatedBy: 'token' })
    t.ok(await database.prisma.session.findUnique({ where: { id: who.sessionId ?? '' } }))
    t.notOk('keyId' in who)
    t.match(expectJson<Principal>(await ask(await as.admin()), 200), { permissions: ['*:*', 'gatehouse:*'] })
  })

  t.test('200 by API key, in either header: the owner, the key, its own permissions', async (t) => {
    const { user } = await as.adminUser()
    const { id, key, headers } = await as.key(['reports:read'])
    const expected = { type: 'key', id: user.id, keyId: id, permissions: ['reports:read'], authenticatedBy: 'key' }
    t.same(expectJson(await ask(headers), 200), expected)
    t.same(expectJson(await ask({ 'x-api-key': key }), 200), expected)
    t.same(expectJson(await ask({ authorization: `bEARER ${key}` }), 200), expected)
  })

  t.test('200 by cookie', async (t) => {
    const { user } = await as.signUp('cookie@example.com')
    const response = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload: { email: 'cookie@example.com', password: PASSWORD } })
    const [cookie] = response.cookies
    t.match(expectJson<Principal>(await ask({ cookie: `${cookie?.name}=${cookie?.value}` }), 200), { type: 'user', id: user.id, authenticatedBy: 'cookie' })
    t.equal(await codeOf(401, { cookie: `${cookie?.name}=${cookie?.value}x` }), 'session.invalid')
    t.equal(await codeOf(400, { cookie: `${cookie?.name}=${cookie?.value}`, authorization: 'Bearer x' }), 'credentials.ambiguous')
  })

  t.test('400 for two credentials, or a header that does not follow its grammar', async (t) => {
    const { key, headers } = await as.key([])
    t.equal(await codeOf(400, { ...headers, 'x-api-key': key }), 'credentials.ambiguous')
    for (const authorization of ['Basic YTpi', 'Bearer', `Bearer  ${key}`, `Bearer ${key} x`, key]) {
      t.equal(await codeOf(400, { authorization }), 'credentials.malformed')
    }
  })

  t.test('401 refuses what is missing, unknown, revoked, expired, or of a suspended owner', async (t) => {
    t.equal(await codeOf(401, {}), 'credentials.missing')
    t.equal(await codeOf(401, as.bearer('gk_unknown')), 'key.invalid')
    t.equal(await codeOf(401, as.bearer('a.b.c')), 'token.invalid')
    const member = await as.signUp()
    const issue = async (body: object) => {
      const response = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: member.headers, payload: { name: 'k', ...body } })
      return expectJson<{ id: string; key: string }>(response, 201)
    }
    const [revoked, brief, own] = [await issue({}), await issue({ expiresAt: new Date(clock.now() + 1).toISOString() }), await issue({})]
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${revoked.id}`, headers: member.headers })
    clock.advance(1)
    t.match(expectJson(await ask(as.bearer(revoked.key)), 401), { code: 'key.invalid', detail: 'It has been revoked' })
    t.match(expectJson(await ask(as.bearer(brief.key)), 401), { code: 'key.invalid', detail: 'It has expired' })
    const headers = { ...(await as.admin()), 'if-match': '*' }
    const suspended = await app.inject({ method: 'PATCH', url: `/api/v1/users/${member.user.id}`, headers, payload: { status: 'suspended' } })
    t.equal(suspended.statusCode, 200)
    t.equal(await codeOf(401, as.bearer(own.key)), 'key.invalid')
    t.equal(await codeOf(401, member.headers), 'session.invalid')
  })

  t.test('401 refuses a token past its time, and a session past its idle time', async (t) => {
    const member = await as.signUp()
    clock.advance(301_000)
    t.equal(await codeOf(401, member.headers), 'token.expired')
    const cookieUser = 'idle@example.com'
    await as.signUp(cookieUser)
    const response = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload: { email: cookieUser, password: PASSWORD } })
    const [cookie] = response.cookies
    const headers = { cookie: `${cookie?.name}=${cookie?.value}` }
    t.equal((await ask(headers)).statusCode, 200)
    clock.advance(1_209_600_000)
    t.equal(await codeOf(401, headers), 'session.invalid')
  })
})

t.test('the last use of a key is written at the close at the latest', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { id, headers } = await as.key([])
  const usedAt = clock.now()
  t.equal((await app.inject({ url: '/api/v1/whoami', headers })).statusCode, 200)
  clock.advance(5)
  await app.close()
  t.equal((await database.prisma.apiKey.findUniqueOrThrow({ where: { id } })).lastUsedAt?.getTime(), usedAt)
})

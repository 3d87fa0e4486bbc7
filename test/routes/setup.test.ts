// POST /setup: the first administrator, once.
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.js'

const EMAIL = 'admin@example.com'

t.test('POST /setup', async (t) => {
  const { app, database, clock } = await startApp(t)
  const post = (payload: object, headers = {}) => app.inject({ method: 'POST', url: '/api/v1/setup', payload, headers })
  const users = () => database.prisma.user.count()

  t.test('401 refuses a wrong token, however long', async (t) => {
    for (const token of ['x', `${app.setup.token()}x`, app.setup.token().replace(/.$/, '_')]) {
      const answer = await post({ token, email: EMAIL, password: PASSWORD })
      t.equal(answer.statusCode, 401)
      t.match(answer.json(), { code: 'setup.token_invalid' })
    }
    t.equal(await users(), 0)
    t.equal(await app.setup.isDone(), false)
  })

  t.test('400 refuses a weak password, with reasons', async (t) => {
    const answer = await post({ token: app.setup.token(), email: EMAIL, password: 'hunter2' })
    t.equal(answer.statusCode, 400)
    t.match(answer.json(), { code: 'password.weak', errors: [{ path: '/password' }] })
    t.equal(await users(), 0)
    t.equal(await app.setup.isDone(), false, 'and the installation is still to be set up')
  })

  t.test('400 refuses unknown fields and wrong types', async (t) => {
    for (const change of [{ roles: ['admin'] }, { password: 12345678901234 }, { email: 'nobody' }]) {
      const answer = await post({ token: app.setup.token(), email: EMAIL, password: PASSWORD, ...change })
      t.equal(answer.statusCode, 400)
      t.match(answer.json(), { code: 'request.invalid' })
    }
  })

  t.test('201 opens the administrator and signs in; a repeat with the same Idempotency-Key gets the same answer', async (t) => {
    const headers = { 'idempotency-key': 'the-first' }
    const first = await post({ token: app.setup.token(), email: ' Admin@Example.com', password: PASSWORD, name: 'Ada' }, headers)
    t.equal(first.statusCode, 201)
    const body = first.json<{ user: { id: string }; accessToken: string }>()
    const lastLoginAt = new Date(clock.now()).toISOString()
    t.match(body, { user: { email: EMAIL, name: 'Ada', roles: ['admin'], status: 'active', version: 2, lastLoginAt }, tokenType: 'Bearer', deviceToken: /^gd_/ })
    const me = await app.inject({ url: '/api/v1/me', headers: { authorization: `Bearer ${body.accessToken}` } })
    t.equal(me.statusCode, 200)
    const again = await post({ token: app.setup.token(), email: ' Admin@Example.com', password: PASSWORD, name: 'Ada' }, headers)
    t.equal(again.statusCode, 201)
    t.same(again.json(), body)
    t.equal(await users(), 1)
    const events = await database.prisma.auditEvent.findMany({ where: { targetId: body.user.id }, orderBy: { id: 'asc' } })
    t.same(events.map(({ action, actorId }) => [action, actorId]), [['user.created', body.user.id], ['installation.set_up', body.user.id], ['login.succeeded', body.user.id]])
    t.notMatch(JSON.stringify(events), new RegExp(PASSWORD))
  })

  t.test('409 says it is done, whatever the token', async (t) => {
    for (const token of [app.setup.token(), 'x']) {
      const answer = await post({ token, email: 'second@example.com', password: PASSWORD })
      t.equal(answer.statusCode, 409)
      t.match(answer.json(), { code: 'setup.done' })
    }
    t.equal(await users(), 1)
    t.equal(await app.setup.isDone(), true)
  })

  t.test('no answer came without being declared', async (t) => {
    t.same([...app.undeclaredErrors], [])
  })
})

t.test('the token is the same on every node', async (t) => {
  const one = await startApp(t)
  const two = await startApp(t, { database: one.database })
  t.equal(one.app.setup.token(), two.app.setup.token())
  t.match(one.app.setup.token(), /^gs_[\w-]{43}$/)
})

t.test('the administrator of the environment', async (t) => {
  const { app, database } = await startApp(t)
  const input = { email: 'Root@example.com', password: PASSWORD }

  t.test('is opened on an empty database, and that is the set-up', async (t) => {
    t.equal(await app.setup.bootstrapAdmin(input), true)
    t.equal(await app.setup.isDone(), true)
    const answer = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: input })
    t.match(answer.json(), { user: { email: 'root@example.com', roles: ['admin'] } })
  })

  t.test('is not opened twice, nor with another password', async (t) => {
    t.equal(await app.setup.bootstrapAdmin({ ...input, password: 'another long password' }), false)
    t.equal(await database.prisma.user.count(), 1)
  })

  t.test('is not opened where there is an account from before', async (t) => {
    const other = await startApp(t)
    await other.app.accounts.open({ principal: null, host: true, address: '', userAgent: '', requestId: '' }, { email: 'old@example.com', name: '', passwordHash: null, roles: [] })
    t.equal(await other.app.setup.bootstrapAdmin(input), false)
    t.equal(await other.app.setup.isDone(), false, 'and the set-up is still open')
    t.equal(await other.database.prisma.user.count(), 1)
  })
})

// POST /auth/signup and /auth/login: into the house by e-mail and password.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { EXPIRY } from '../../src/database/expiry.js'

interface Answer {
  user: { id: string; email: string; lastLoginAt: string }
  accessToken: string
  refreshToken: string
}

t.test('POST /auth/signup', async (t) => {
  const { app, database, as } = await startApp(t)
  const signUp = (payload: object, headers = {}) => app.inject({ method: 'POST', url: '/api/v1/auth/signup', payload, headers })
  const users = async () => (await database.prisma.user.count()) - 1

  t.test('403 before the set-up, though sign-up is open', async (t) => {
    const answer = await signUp({ email: 'early@example.com', password: PASSWORD })
    t.match(expectJson(answer, 403), { code: 'signup.closed', detail: 'Nobody signs up before this installation has been set up' })
    t.equal(await database.prisma.user.count(), 0)
    await as.admin()
  })

  t.test('201 opens a member\'s account and signs in', async (t) => {
    const answer = await signUp({ email: ' Ada@Example.com ', password: 'пароль из двенадцати', name: 'Ada' })
    const body = expectJson<Answer>(answer, 201)
    t.match(body, { user: { email: 'ada@example.com', name: 'Ada', roles: ['member'], status: 'active' }, tokenType: 'Bearer', expiresIn: 300 })
    t.same(Object.keys(body).toSorted(), ['accessToken', 'deviceToken', 'expiresIn', 'refreshToken', 'status', 'tokenType', 'user'], 'what signing in answers')
    t.notMatch(answer.body, /hmac1|passwordHash/)
    const who = await app.inject({ url: '/api/v1/whoami', headers: as.bearer(body.accessToken) })
    t.match(who.json(), { type: 'user', id: body.user.id, permissions: [], authenticatedBy: 'token' })
    const row = await database.prisma.user.findUniqueOrThrow({ where: { id: body.user.id } })
    t.match(row.passwordHash, /^hmac1\$[0-9a-f]{8}\$2b\$04\$/)
    const events = await database.prisma.auditEvent.findMany({ where: { actorId: body.user.id }, orderBy: { id: 'asc' } })
    t.same(events.map(({ action, targetId }) => [action, targetId]), [['user.created', body.user.id], ['login.succeeded', body.user.id]])
    t.notMatch(JSON.stringify(events), /ada@example|пароль/i)
  })

  t.test('409 refuses an e-mail that is taken, in any spelling', async (t) => {
    const answer = await signUp({ email: 'ADA@example.COM', password: PASSWORD })
    t.equal(answer.statusCode, 409)
    t.match(answer.json(), { code: 'email.taken' })
    t.equal(await users(), 1)
    t.equal(await database.prisma.session.count({ where: { user: { email: 'ada@example.com' } } }), 1, 'and nobody is signed in')
  })

  t.test('400 refuses a weak password with reasons, and one that is too long', async (t) => {
    for (const password of ['hunter2', 'zoe@example', 'x'.repeat(257)]) {
      const answer = await signUp({ email: 'zoe@example.com', password })
      t.equal(answer.statusCode, 400)
      t.match(answer.json(), { code: 'password.weak', errors: [{ path: '/password', message: /./ }] })
      t.notMatch(answer.body, new RegExp(password))
    }
    t.equal(await users(), 1)
  })

  t.test('400 refuses what is not of the schema', async (t) => {
    const wrong = [
      {}, { email: 'zoe@example.com' }, { email: 'zoe', password: PASSWORD }, { email: 'zoe@example.com', password: 5 },
      { email: ['zoe@example.com'], password: PASSWORD },
      { email: 'zoe@example.com', password: PASSWORD, roles: ['admin'] }, { email: 'zoe@example.com', password: PASSWORD, name: '\u0000' },
      { email: `${'z'.repeat(250)}@example.com`, password: PASSWORD }, { email: 'zoe@example.com', password: 'x'.repeat(1025) },
    ]
    for (const payload of wrong) t.match((await signUp(payload)).json(), { status: 400, code: 'request.invalid' }, JSON.stringify(payload).slice(0, 60))
    t.equal(await users(), 1)
  })

  t.test('201 once for an Idempotency-Key: the repeat opens nothing and gets the same tokens', async (t) => {
    const payload = { email: 'once@example.com', password: PASSWORD }
    const first = expectJson<Answer>(await signUp(payload, { 'idempotency-key': 'signup-1' }), 201)
    const again = await signUp(payload, { 'idempotency-key': 'signup-1' })
    t.same(expectJson<Answer>(again, 201), first)
    t.equal(again.headers['idempotency-replayed'], 'true')
    t.equal((await signUp({ ...payload, password: 'another long password' }, { 'idempotency-key': 'signup-1' })).statusCode, 422)
    t.equal(await users(), 2)
  })

  t.test('no answer came without being declared', async (t) => {
    t.same([...app.undeclaredErrors], [])
  })
})

t.test('POST /auth/signup where it is not open', async (t) => {
  const first = await startApp(t, { config: { signUp: 'closed' } })
  await first.as.admin()
  const { database } = first
  const before = await database.prisma.auditEvent.count()
  for (const signUp of ['closed', 'invited'] as const) {
    const { app } = signUp === 'closed' ? first : await startApp(t, { config: { signUp }, database })
    t.test(`403 where it is ${signUp}: for the taken, the free, the weak and the unreadable alike`, async (t) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': 'closed-1' }
      const payloads = ['admin@example.com', 'free@example.com'].flatMap((email) => [PASSWORD, 'short'].map((password) => JSON.stringify({ email, password })))
      for (const payload of [...payloads, '{"email":', '{}', '']) {
        const answer = await app.inject({ method: 'POST', url: '/api/v1/auth/signup', headers, payload })
        const { requestId: _, ...body } = expectJson<{ requestId: string; code: string }>(answer, 403)
        t.match(body, { code: 'signup.closed', detail: /^Accounts are opened by/ }, payload)
      }
      t.equal(await database.prisma.user.count(), 1)
      t.equal(await database.prisma.idempotencyRecord.count({ where: { key: 'closed-1' } }), 0)
      t.equal(await database.prisma.auditEvent.count(), before, 'and a flood of it writes nothing')
    })
  }
})

t.test('POST /auth/login', async (t) => {
  const { app, database, clock, as } = await startApp(t, { config: { trustedProxies: ['127.0.0.1'] } })
  const ada = await as.signUp('ada@example.com')
  await as.signUp('other@example.com')
  const logIn = (email: string, password: string, address = '203.0.113.7') =>
    app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password }, headers: { 'x-forwarded-for': address } })
  const audited = (action: string) => database.prisma.auditEvent.findMany({ where: { action }, orderBy: { id: 'asc' } })

  t.test('200 signs in: the sign-in is noted and audited', async (t) => {
    clock.advance(1000)
    const body = expectJson<Answer>(await logIn(' ADA@example.com', PASSWORD), 200)
    t.equal(body.user.id, ada.user.id)
    t.equal(body.user.lastLoginAt, new Date(clock.now()).toISOString())
    t.not(body.refreshToken, ada.refreshToken)
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(body.accessToken) })).statusCode, 200)
    t.match((await audited('login.succeeded')).at(-1), { actorId: ada.user.id, targetId: ada.user.id, address: '203.0.113.7' })
  })

  t.test('401 alike for a wrong password, an unknown e-mail, a suspended account and one without a password', async (t) => {
    const suspended = await as.signUp('suspended@example.com')
    await database.prisma.user.update({ where: { id: suspended.user.id }, data: { status: 'suspended' } })
    await app.inject({ method: 'POST', url: '/api/v1/users', headers: await as.admin(), payload: { email: 'nopass@example.com' } })
    const answers = await Promise.all([
      logIn('ada@example.com', 'not the password'), logIn('nobody@example.com', PASSWORD), logIn('suspended@example.com', PASSWORD),
      logIn('nopass@example.com', PASSWORD),
    ])
    const bodies = answers.map((answer) => {
      t.equal(answer.statusCode, 401)
      const { requestId: _, ...body } = answer.json<{ requestId: string }>()
      return body
    })
    t.equal(new Set(bodies.map((body) => JSON.stringify(body))).size, 1)
    t.match(bodies[0], { code: 'credentials.invalid' })
    const headersOf = (at: number) => Object.keys(answers[at]?.headers ?? {}).filter((name) => !name.startsWith('ratelimit'))
    t.same(headersOf(0), headersOf(1))
    const failed = await audited('login.failed')
    t.same(failed.map(({ targetId, actorId }) => `${targetId !== ''} ${actorId}`).toSorted(), ['false ', 'true ', 'true ', 'true '])
    t.notMatch(JSON.stringify(failed), /@example|password/)
    t.equal(await database.prisma.session.count({ where: { userId: suspended.user.id, endedAt: null } }), 1, 'only the one of the sign-up')
  })

  t.test('429 after ten failures in a row from one address; the owner elsewhere is not locked out', async (t) => {
    for (let round = 0; round < 10; round += 1) t.equal((await logIn('other@example.com', `wrong ${round}`, '198.51.100.1')).statusCode, 401)
    const failures = (await audited('login.failed')).length
    const denied = await logIn('other@example.com', PASSWORD, '198.51.100.1')
    t.equal(denied.statusCode, 429)
    t.match(denied.json(), { code: 'login.throttled' })
    t.equal(denied.headers['retry-after'], '900')
    await logIn('other@example.com', PASSWORD, '198.51.100.1')
    t.equal((await audited('login.failed')).length, failures, 'a denial is no failure')
    t.equal((await audited('login.throttled')).length, 1, 'and is noted once')
    t.equal((await logIn('other@example.com', PASSWORD, '198.51.100.2')).statusCode, 200)
    t.equal((await logIn('ada@example.com', PASSWORD, '198.51.100.1')).statusCode, 200, 'nor is the address for its other accounts')
  })

  t.test('429 whatever spelling of the address the proxy tells, and whatever it tells that is none', async (t) => {
    const elsewhere = ['198.51.100.1:4711', '"198.51.100.1"', '198.51.100.001', '[::ffff:198.51.100.1]:80', '6.6.6.6, 198.51.100.1:2']
    for (const address of elsewhere) t.equal((await logIn('other@example.com', PASSWORD, address)).statusCode, 429, address)
    const nobody = ['unknown', '_hidden', 'x', '203.0.113.999', '[::1', '6.6.6.6, garbage', '"', '203.0.113.9 203.0.113.9', '0xcb007109', '3405803785']
    clock.advance(60_000)
    for (const address of nobody) t.equal((await logIn('other@example.com', 'wrong', address)).statusCode, 401, address)
    await app.audit.writeCounted(true)
    t.equal((await logIn('other@example.com', PASSWORD, 'yet another')).statusCode, 429)
    const rows = await database.prisma.auditEvent.findMany({ where: { action: 'login.failed', address: '127.0.0.1' }, orderBy: { id: 'desc' }, take: 2 })
    t.same(rows.map(({ address, details }) => [address, details]), [['127.0.0.1', { count: nobody.length - 1 }], ['127.0.0.1', {}]], 'what is no address is the proxy itself')
  })

  t.test('429 is kept across nodes and restarts', async (t) => {
    const second = await startApp(t, { database, clock, config: { trustedProxies: ['127.0.0.1'] } })
    const answer = await second.app.inject({
      method: 'POST', url: '/api/v1/auth/login', payload: { email: 'other@example.com', password: 'x' }, headers: { 'x-forwarded-for': '198.51.100.1' },
    })
    t.equal(answer.statusCode, 429)
  })

  t.test('200 with a hash of another BCRYPT_COST: it is made anew, once, and the password stays the same', async (t) => {
    const owner = await as.signUp('older@example.com')
    const hashOf = async (): Promise<string | null> => (await database.prisma.user.findUniqueOrThrow({ where: { id: owner.user.id } })).passwordHash
    const before = await hashOf()
    const dearer = await startApp(t, { database, clock, config: { bcryptCost: 11 } })
    const enter = (password: string) => dearer.app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'older@example.com', password } })
    t.equal((await enter('wrong')).statusCode, 401)
    t.equal(await hashOf(), before, 'a wrong password changes nothing')
    const answers = await Promise.all([enter(PASSWORD), enter(PASSWORD)])
    t.ok(answers.some(({ statusCode }) => statusCode === 200))
    const after = await hashOf()
    t.match(after, /^hmac1\$[0-9a-f]{8}\$2b\$11\$/)
    t.equal((await enter(PASSWORD)).statusCode, 200)
    t.equal(await hashOf(), after)
  })

  t.test('429 for more new passwords from one address than its budget, before any is hashed; others go on', async (t) => {
    const fresh = await startApp(t)
    await fresh.as.adminUser()
    const signUp = (remoteAddress: string) =>
      fresh.app.inject({ method: 'POST', url: '/api/v1/auth/signup', payload: { email: 'taken@example.com', password: PASSWORD }, remoteAddress })
    await fresh.app.sharedStore.limits.take([{ key: 'new-password:{address:198.51.100.9}', quota: 60, windowMs: 600_000, cost: 59 }])
    t.same([(await signUp('198.51.100.9')).statusCode, (await signUp('198.51.100.9')).statusCode], [201, 429])
    t.match((await signUp('198.51.100.9')).json(), { code: 'rate.limited' })
    t.equal((await signUp('198.51.100.10')).statusCode, 409)
  })

  t.test('a device that was signed in from before is not locked out: by its token anywhere, by its address from there', async (t) => {
    await as.signUp('traveller@example.com')
    const enter = (address: string, payload: object = {}) => app.inject({
      method: 'POST', url: '/api/v1/auth/login', payload: { email: 'traveller@example.com', password: PASSWORD, ...payload }, headers: { 'x-forwarded-for': address },
    })
    const { deviceToken } = expectJson<{ deviceToken: string }>(await enter('192.0.2.1'), 200)
    t.match(deviceToken, /^gd_[A-Za-z0-9_-]{43}$/)
    // what 100 guesses from anywhere leave behind
    const known = (await database.prisma.loginCounter.findMany()).map(({ key }) => key)
    await app.loginThrottle.reserve({ principal: null, address: '198.18.0.1', userAgent: '', requestId: 'r' }, 'traveller@example.com', null)
    await database.prisma.loginCounter.updateMany({ where: { key: { notIn: known } }, data: { count: 100 } })
    t.equal((await enter('192.0.2.99')).statusCode, 429, 'a stranger, even with the right password')
    t.equal((await enter('192.0.2.99', { deviceToken: `gd_${'A'.repeat(43)}` })).statusCode, 429, 'nor with a token that was never given')
    const again = expectJson<{ deviceToken: string }>(await enter('192.0.2.99', { deviceToken }), 200)
    t.equal(again.deviceToken, deviceToken, 'the same device keeps its token')
    t.equal((await enter('192.0.2.1')).statusCode, 200, 'where the account was signed in from')
    t.equal((await logIn('ada@example.com', PASSWORD, '192.0.2.99')).statusCode, 200)
    const stolen = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'ada@example.com', password: 'wrong', deviceToken }, headers: { 'x-forwarded-for': '192.0.2.50' } })
    t.equal(stolen.statusCode, 401, 'a token is one account\'s, and no password')
    const rows = await database.prisma.knownDevice.findMany()
    t.notMatch(JSON.stringify(rows), new RegExp(deviceToken.slice(3, 20)), 'only its hash is kept')
  })

  t.test('a user has twenty known devices at most, they end after ninety days, and a new password forgets them', async (t) => {
    const owner = await as.signUp('collector@example.com')
    const count = () => database.prisma.knownDevice.count({ where: { userId: owner.user.id } })
    for (let round = 0; round < 23; round += 1) {
      t.equal((await logIn('collector@example.com', PASSWORD)).statusCode, 200)
      clock.advance(1)
    }
    t.equal(await count(), 20)
    const { headers } = owner
    const changed = await app.inject({ method: 'POST', url: '/api/v1/me/password', headers, payload: { currentPassword: PASSWORD, newPassword: 'another quiet mountain' } })
    t.equal(changed.statusCode, 204)
    t.equal(await count(), 0)
    t.equal((await logIn('collector@example.com', 'another quiet mountain')).statusCode, 200)
    clock.advance(90 * 86_400_000)
    await app.jobs.run(EXPIRY)
    t.equal(await count(), 0)
  })

  t.test('400 refuses what is not of the schema', async (t) => {
    const headers = { 'content-type': 'application/json' }
    const tooMuch = { email: 'ada@example.com', password: PASSWORD, remember: true }
    for (const payload of [{}, { email: 'ada@example.com' }, { email: 'ada', password: 'x' }, tooMuch, [], 'x']) {
      const answer = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: JSON.stringify(payload), headers })
      t.equal(answer.statusCode, 400, JSON.stringify(payload))
    }
  })

  t.test('no answer came without being declared', async (t) => {
    t.same([...app.undeclaredErrors], [])
  })
})

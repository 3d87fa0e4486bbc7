// Both sides at once: one winner of a set-up, of a version, of an e-mail; one administrator left; ten guesses looked at.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

const count = (statuses: number[], status: number): number => statuses.filter((one) => one === status).length

t.test('two set-ups at once have one winner, and the losers learn that it is done', async (t) => {
  const { app, database } = await startApp(t)
  const token = app.setup.token()
  // two with one e-mail, the rest with their own
  const emails = ['a@example.com', 'a@example.com', 'b@example.com', 'c@example.com']
  const setUp = (email: string) => app.inject({ method: 'POST', url: '/api/v1/setup', payload: { token, email, password: PASSWORD } })
  const answers = await Promise.all(emails.map(setUp))
  t.equal(count(answers.map(({ statusCode }) => statusCode), 201), 1)
  t.same(answers.filter(({ statusCode }) => statusCode !== 201).map((answer) => answer.json<{ code: string }>().code), ['setup.done', 'setup.done', 'setup.done'])
  t.equal(await database.prisma.user.count(), 1)
  t.equal(await database.prisma.session.count(), 1)
  t.equal(await database.prisma.auditEvent.count({ where: { action: 'installation.set_up' } }), 1)
})

t.test('accounts', async (t) => {
  const { app, database, as } = await startApp(t)
  const admin = await as.adminUser()
  const create = (email: string, roles: string[]) =>
    app.inject({ method: 'POST', url: '/api/v1/users', headers: admin.headers, payload: { email, password: PASSWORD, roles } })
  const patch = (id: string, payload: object, ifMatch = '*', headers = admin.headers) =>
    app.inject({ method: 'PATCH', url: `/api/v1/users/${id}`, payload, headers: { ...headers, 'if-match': ifMatch } })

  t.test('two sign-ups with one e-mail open one account', async (t) => {
    const payload = { email: 'twin@example.com', password: PASSWORD }
    const answers = await Promise.all(Array.from({ length: 4 }, () => app.inject({ method: 'POST', url: '/api/v1/auth/signup', payload })))
    const statuses = answers.map(({ statusCode }) => statusCode)
    t.equal(count(statuses, 201), 1)
    t.equal(count(statuses, 409), 3)
    t.equal(await database.prisma.user.count({ where: { email: payload.email } }), 1)
  })

  t.test('two PATCHes with one ETag have one winner', async (t) => {
    const { id, version } = expectJson<{ id: string; version: number }>(await create('versioned@example.com', []), 201)
    const answers = await Promise.all(['A', 'B', 'C', 'D'].map((name) => patch(id, { name }, `"${id}.${version}"`)))
    const won = answers.filter(({ statusCode }) => statusCode === 200)
    t.equal(won.length, 1)
    t.equal(count(answers.map(({ statusCode }) => statusCode), 412), 3)
    const row = await database.prisma.user.findUniqueOrThrow({ where: { id } })
    t.match(row, { name: won[0]?.json<{ name: string }>().name, version: version + 1 })
    t.equal(await database.prisma.auditEvent.count({ where: { targetId: id, action: 'user.updated' } }), 1)
  })

  t.test('of the last two administrators one stays, whatever is done to both at once', async (t) => {
    const { prisma } = database
    const remove = (id: string, headers: typeof admin.headers) => app.inject({ method: 'DELETE', url: `/api/v1/users/${id}`, headers })
    for (const round of [0, 1, 2, 3, 4, 5]) {
      const [one, two] = [await as.signUp(), await as.signUp()]
      await prisma.userRole.deleteMany({ where: { roleName: 'admin' } })
      await prisma.userRole.createMany({ data: [one, two].map(({ user }) => ({ userId: user.id, roleName: 'admin' })) })
      // each does it to the other, or one does it to both
      const theirs = round < 3 ? two.headers : one.headers
      const answers = await Promise.all([
        [patch(two.user.id, { roles: ['member'] }, '*', one.headers), patch(one.user.id, { status: 'suspended' }, '*', theirs)],
        [remove(two.user.id, one.headers), patch(one.user.id, { roles: [] }, '*', theirs)],
        [remove(two.user.id, one.headers), remove(one.user.id, theirs)],
      ][round % 3] ?? [])
      const left = await prisma.user.count({ where: { status: 'active', roles: { some: { roleName: 'admin' } } } })
      t.equal(left, 1, `round ${round}: ${answers.map(({ statusCode }) => statusCode).join(' and ')}`)
      t.ok(answers.every(({ statusCode }) => statusCode < 500))
    }
    await prisma.userRole.createMany({ data: [{ userId: admin.user.id, roleName: 'admin' }] })
  })

  t.test('giving and taking the role at once ends in one of both, never in a deadlock', async (t) => {
    const one = expectJson<{ id: string }>(await create('updown@example.com', []), 201)
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all([['admin'], ['member'], ['admin'], []].map((roles) => patch(one.id, { roles })))
      t.same(answers.map(({ statusCode }) => statusCode), [200, 200, 200, 200])
    }
  })

  t.test('a password is changed once by two changes at once', async (t) => {
    const user = await as.signUp('changer@example.com')
    const change = (newPassword: string) =>
      app.inject({ method: 'POST', url: '/api/v1/me/password', headers: user.headers, payload: { currentPassword: PASSWORD, newPassword } })
    const answers = await Promise.all([change('a new password, one'), change('a new password, two')])
    t.same(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b), [204, 401])
    t.equal(await database.prisma.auditEvent.count({ where: { targetId: user.user.id, action: 'password.changed' } }), 1)
  })

  t.test('no answer came without being declared', async (t) => {
    t.same([...app.undeclaredErrors], [])
  })
})

t.test('guesses', async (t) => {
  const { app, database, as } = await startApp(t)
  const { user } = await as.signUp('guessed@example.com')
  const logIn = (password: string, email = 'guessed@example.com') => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password } })

  t.test('of twenty wrong passwords at once ten are looked at', async (t) => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => logIn(`wrong password ${at}`)))
    const statuses = answers.map(({ statusCode }) => statusCode)
    t.equal(count(statuses, 401), 10)
    t.equal(count(statuses, 429), 10)
    await app.audit.writeCounted(true)
    const failed = await database.prisma.auditEvent.findMany({ where: { action: 'login.failed', targetId: user.id } })
    t.same(failed.map(({ details }) => details), [{}, { count: 9 }], 'and noted in one row and a count')
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'login.throttled' } }), 1)
    t.equal((await logIn(PASSWORD)).statusCode, 429)
  })

  t.test('sign-ins at once with the right password all succeed and leave no failure behind', async (t) => {
    const other = await as.signUp('quick@example.com')
    const answers = await Promise.all(Array.from({ length: 8 }, () => logIn(PASSWORD, 'quick@example.com')))
    t.equal(count(answers.map(({ statusCode }) => statusCode), 200), 8)
    t.equal(await database.prisma.session.count({ where: { userId: other.user.id } }), 9)
    t.equal((await logIn(PASSWORD, 'quick@example.com')).statusCode, 200)
  })

  t.test('a sign-in that races a suspension leaves no session behind', async (t) => {
    for (let round = 0; round < 5; round += 1) {
      const { user: victim } = await as.signUp(`racer${round}@example.com`)
      const [, login] = await Promise.all([
        app.inject({ method: 'PATCH', url: `/api/v1/users/${victim.id}`, headers: { ...(await as.admin()), 'if-match': '*' }, payload: { status: 'suspended' } }),
        app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: victim.email, password: PASSWORD }, remoteAddress: `10.2.2.${round}` }),
      ])
      t.ok(login.statusCode === 200 || login.statusCode === 401)
      t.equal(await database.prisma.session.count({ where: { userId: victim.id, endedAt: null } }), 0)
    }
  })
})

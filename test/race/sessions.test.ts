// The cap of sessions, with sign-ins on two nodes at once.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

t.test('sessions of one user', async (t) => {
  const config = { sessionsPerUser: 4 }
  const { app, as, database, clock } = await startApp(t, { config })
  const second = await startApp(t, { config, database, clock })
  const owner = await as.signUp('owner@example.com')
  const live = () => database.prisma.session.count({ where: { userId: owner.user.id, endedAt: null } })
  const logIn = (node: typeof app, payload: object = {}) =>
    node.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'owner@example.com', password: PASSWORD, ...payload } })

  t.test('of many sign-ins at once on two nodes as many succeed as there is room for', async (t) => {
    const answers = await Promise.all([app, second.app, app, second.app, app, second.app, app, second.app].map((node) => logIn(node)))
    const statuses = answers.map(({ statusCode }) => statusCode)
    t.same(statuses.toSorted((a, b) => a - b), [200, 200, 200, 409, 409, 409, 409, 409])
    t.equal(await live(), 4)
  })

  t.test('409 says how to go on, and is no failed guess', async (t) => {
    for (let round = 0; round < 12; round += 1) {
      const refused = expectJson<{ code: string; detail: string }>(await logIn(app), 409)
      t.equal(refused.code, 'session.cap_reached')
      t.match(refused.detail, /4 sessions.*endOldest/)
    }
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'owner@example.com', password: 'wrong', endOldest: true } })).statusCode, 401)
    t.equal(await live(), 4, 'nothing ends for who does not know the password')
  })

  t.test('endOldest ends the oldest alone, also of many at once', async (t) => {
    const before = await database.prisma.session.findMany({ where: { userId: owner.user.id, endedAt: null }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })
    clock.advance(1_000)
    expectJson(await logIn(app, { endOldest: true }), 200)
    t.equal(await live(), 4)
    t.ok((await database.prisma.session.findUniqueOrThrow({ where: { id: before[0]?.id ?? '' } })).endedAt)
    t.match(await database.prisma.auditEvent.findMany({ where: { action: 'sessions.ended', targetId: owner.user.id } }), [{ details: { count: 1, cap: 4 } }])
    const many = await Promise.all([app, second.app, app, second.app].map((node) => logIn(node, { endOldest: true })))
    t.same(many.map(({ statusCode }) => statusCode), [200, 200, 200, 200])
    t.equal(await live(), 4)
  })

  t.test('a session that has ended or run out takes no place, and of those the newest 500 stay', async (t) => {
    await database.prisma.session.updateMany({ where: { userId: owner.user.id }, data: { expiresAt: new Date(clock.now() - 1) } })
    const old = Array.from({ length: 520 }, (_, at) => ({
      id: `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`, userId: owner.user.id, kind: 'token' as const, address: '', userAgent: '',
      refreshSeed: new Uint8Array(32), createdAt: new Date(clock.now() - 1_000_000 + at), lastSeenAt: new Date(clock.now()), expiresAt: new Date(clock.now() + 1_000), endedAt: new Date(clock.now()),
    }))
    await database.prisma.session.createMany({ data: old })
    expectJson(await logIn(app), 200)
    t.equal(await database.prisma.session.count({ where: { userId: owner.user.id } }), 501)
    t.equal(await database.prisma.session.count({ where: { id: old[0]?.id ?? '' } }), 0)
  })
})

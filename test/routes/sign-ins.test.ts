// app.signIns.complete: the one way by which every way of signing in ends.
import t from 'tap'
import type { Caller } from '../../src/kernel/principal.js'
import { newId } from '../../src/kernel/ids.js'
import { expectJson, startApp } from '../support/app.js'

const { app, as, clock, database: { prisma } } = await startApp(t, { config: { sessionsPerUser: 2 } })
const caller: Caller = { principal: null, address: '192.0.2.7', userAgent: 'tests', requestId: 'r' }
const tokens = { kind: 'token' } as const
const claimsOf = (token: string): Record<string, unknown> => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
const addTotp = (userId: string) => prisma.totpFactor.create({
  data: { id: newId(), userId, name: 'phone', secretCiphertext: Buffer.from('none'), createdAt: new Date(clock.now()), confirmedAt: new Date(clock.now()) },
})

t.test('opens a session that says what was proven, and when', async (t) => {
  const { user } = await as.signUp()
  const done = await app.signIns.complete(caller, { userId: user.id, amr: ['email'], open: { ...tokens, endOldest: true } })
  if (done.status !== 'signed_in') throw new Error(done.status)
  t.equal(done.user.id, user.id)
  t.match(claimsOf(done.tokens.accessToken), { sub: user.id, amr: ['email'], acr: 'urn:gatehouse:1fa', auth_time: Math.floor(clock.now() / 1_000) })
  clock.advance(60_000)
  const { accessToken } = expectJson<{ accessToken: string }>(
    await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: done.tokens.refreshToken } }), 200)
  t.match(claimsOf(accessToken), { amr: ['email'], auth_time: Math.floor(clock.now() / 1_000) - 60 }, 'a refresh proves nothing anew')
  const strong = await app.signIns.complete(caller, { userId: user.id, amr: ['hwk', 'user'], isMultiFactor: true, deviceToken: done.deviceToken, open: { kind: 'cookie', cookieSecret: 'x'.repeat(43), endOldest: true } })
  t.match(strong, { status: 'signed_in', session: { kind: 'cookie', amr: ['hwk', 'user', 'mfa'], acr: 'urn:gatehouse:mfa' }, deviceToken: done.deviceToken }, 'from the same device')
})

t.test('a session of an older version was signed in to by one factor, when it was made', async (t) => {
  const { user, headers, refreshToken } = await as.signUp()
  const [{ createdAt } = { createdAt: new Date(0) }] = await prisma.session.updateManyAndReturn({ where: { userId: user.id }, data: { amr: [], acr: null, authTime: null } })
  const { data: [seen] } = expectJson<{ data: object[] }>(await app.inject({ url: '/api/v1/sessions', headers }), 200)
  t.match(seen, { amr: [], acr: 'urn:gatehouse:1fa', authTime: createdAt.toISOString() })
  const { accessToken } = expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } }), 200)
  t.match(claimsOf(accessToken), { amr: [], acr: 'urn:gatehouse:1fa', auth_time: Math.floor(createdAt.getTime() / 1_000) })
})

t.test('refuses who is not an active person, and takes back what was used up', async (t) => {
  const { user } = await as.signUp()
  await prisma.user.update({ where: { id: user.id }, data: { status: 'suspended' } })
  let ran = 0
  const within = async (tx: { user: { update: typeof prisma.user.update } }) => {
    ran += 1
    await tx.user.update({ where: { id: user.id }, data: { name: 'used up' } })
    return true
  }
  await t.rejects(app.signIns.complete(caller, { userId: user.id, amr: ['email'], open: tokens, within }), { code: 'credentials.invalid' })
  t.equal(ran, 1)
  t.equal((await prisma.user.findUniqueOrThrow({ where: { id: user.id } })).name, '')
  await t.rejects(app.signIns.complete(caller, { userId: newId(), amr: ['email'], open: tokens }), { code: 'credentials.invalid' }, 'nobody')
  const service = await prisma.user.create({ data: { id: newId(), email: 'machine@service.invalid', kind: 'service', createdAt: new Date(clock.now()), updatedAt: new Date(clock.now()) } })
  await t.rejects(app.signIns.complete(caller, { userId: service.id, amr: ['email'], open: tokens }), { code: 'credentials.invalid' }, 'a machine')
  const other = await as.signUp()
  await t.rejects(app.signIns.complete(caller, { userId: other.user.id, amr: ['email'], open: tokens, within: async () => false }), { code: 'credentials.invalid' }, 'used up before')
  await app.signIns.complete(caller, { userId: other.user.id, amr: ['email'], open: tokens })
  await t.rejects(app.signIns.complete(caller, { userId: other.user.id, amr: ['email'], open: tokens }), { code: 'session.cap_reached' })
})

t.test('an account with a second factor is asked for it, whatever was proven first', async (t) => {
  const { user } = await as.signUp()
  await addTotp(user.id)
  const before = await prisma.session.count({ where: { userId: user.id } })
  for (const open of [tokens, { kind: 'cookie', cookieSecret: 'y'.repeat(43) } as const]) {
    const done = await app.signIns.complete(caller, { userId: user.id, amr: ['email'], open, within: async () => true })
    t.match(done, { status: 'mfa_required', challenge: /^gc_[\w-]{43}$/, methods: ['totp'], expiresIn: 300 })
    t.strictSame(Object.keys(done).toSorted(), ['challenge', 'expiresIn', 'methods', 'status'])
  }
  t.equal(await prisma.session.count({ where: { userId: user.id } }), before, 'nothing is open')
  t.equal(await prisma.auditEvent.count({ where: { action: 'login.challenged', targetId: user.id } }), 2)
  const strong = await app.signIns.complete(caller, { userId: user.id, amr: ['swk', 'user'], isMultiFactor: true, open: tokens })
  t.equal(strong.status, 'signed_in', 'unless what was proven were two')
})

t.test('by password, too, in both ways; a pending enrolment and codes alone are no factor', async (t) => {
  const { user } = await as.signUp('two@example.com')
  const payload = { email: 'two@example.com', password: 'correct horse battery staple', endOldest: true }
  const post = (path: string) => app.inject({ method: 'POST', url: `/api/v1/auth/${path}`, payload })
  await prisma.totpFactor.create({ data: { id: newId(), userId: user.id, name: '', secretCiphertext: Buffer.from('none'), createdAt: new Date(clock.now()), expiresAt: new Date(clock.now() + 1_000) } })
  await prisma.recoveryCode.create({ data: { userId: user.id, codeHash: Buffer.from('none'), createdAt: new Date(clock.now()) } })
  t.equal(expectJson<{ status: string }>(await post('login'), 200).status, 'signed_in')
  await addTotp(user.id)
  t.match(expectJson(await post('login'), 200), { status: 'mfa_required', methods: ['totp', 'recovery_code'] })
  const cookie = await post('session')
  t.match(expectJson(cookie, 200), { status: 'mfa_required', methods: ['totp', 'recovery_code'] })
  t.same(cookie.cookies, [], 'no cookie')
  const [first] = await prisma.signInChallenge.findMany({ where: { userId: user.id } })
  t.match(first, { amr: ['pwd'], tries: 0 })
  await app.database.transact((tx) => app.sessions.endAll(tx, user.id))
  t.equal(await prisma.signInChallenge.count({ where: { userId: user.id } }), 0, 'what ends all sessions ends what waits to become one')
})

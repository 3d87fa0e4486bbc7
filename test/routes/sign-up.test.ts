// POST /auth/signup where addresses are confirmed first: the same for every address, nothing there before the link was used, and once. And where they
// are not: an account at once, whose owner may confirm later.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { workOff } from '../support/queued-work.js'
import { startMailServer } from '../support/smtp.js'

const HOUR_MS = 3_600_000
const TOKEN = /https:\/\/auth\.example\.com\/ui\/confirm\?token=(gl_[\w-]{43})/

interface Opened {
  status: string
  user: { id: string; email: string; emailVerified: boolean; locale: string | null; name: string | null; roles: string[]; anonymous: boolean }
  accessToken: string
  refreshToken: string
  deviceToken: string
}

t.test('an account of one\'s own, confirmed first', async (t) => {
  const server = await startMailServer(t)
  const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com', emailVerification: 'required', anonymousUsers: true, accessTokenSeconds: 864_000 } as const
  const { app, as, clock, database } = await startApp(t, { config })
  const second = (await startApp(t, { config, database, clock })).app
  const { prisma } = database
  const admin = await as.admin()
  let count = 0
  const post = (path: string, payload?: object, headers: Record<string, string> = {}, node = app) =>
    node.inject({ method: 'POST', url: `/api/v1${path}`, headers, ...(payload ? { payload } : {}), remoteAddress: `10.${(count += 1) >> 8}.${count & 255}.1` })
  const ask = (email: string, headers: Record<string, string> = {}) => post('/auth/signup', { email }, headers)
  const confirm = (token: string, more: object = {}, node = app) => post('/auth/signup/confirm', { token, password: PASSWORD, ...more }, {}, node)
  const mailsTo = (to: string) => server.received.filter((one) => one.to.includes(to))
  const tokenOf = (text: string): string => TOKEN.exec(text)?.[1] ?? ''
  const work = async () => workOff(app)
  async function linkFor(email: string, headers: Record<string, string> = {}): Promise<string> {
    expectJson(await ask(email, headers), 202)
    await work()
    return tokenOf(server.last(email).text)
  }
  const create = async (email: string) => expectJson<{ id: string }>(await post('/users', { email, password: PASSWORD }, admin), 201)

  t.test('202 for every address alike: status, body and headers; the mail differs', async (t) => {
    const { id } = await create('known@example.com')
    const suspended = await create('suspended@example.com')
    await prisma.user.update({ where: { id: suspended.id }, data: { status: 'suspended' } })
    const answers = [await ask('Known@Example.com'), await ask('unknown@example.com'), await ask('suspended@example.com')]
    for (const one of answers) {
      t.same([one.statusCode, one.json()], [202, { status: 'accepted' }])
      t.same(Object.keys(one.headers), Object.keys(answers[0]?.headers ?? {}))
    }
    const users = await prisma.user.count()
    await work()
    t.equal(await prisma.user.count(), users, 'nothing is opened')
    t.match(mailsTo('known@example.com').map(({ headers }) => headers['subject']), ['You have an account already'])
    t.notMatch(mailsTo('known@example.com')[0]?.text, 'token=')
    t.match(mailsTo('unknown@example.com').map(({ headers }) => headers['subject']), ['Confirm your address'])
    t.equal(mailsTo('suspended@example.com').length, 0)
    t.equal((await prisma.user.findUniqueOrThrow({ where: { id } })).version, 1)
  })

  t.test('400 for what is no address, and for a password, which is chosen later', async (t) => {
    for (const email of ['no address', 'me@account.invalid', 'me@service.invalid']) t.match((await ask(email)).json(), { code: 'request.invalid' }, email)
    const before = await prisma.queuedWork.count()
    t.match((await post('/auth/signup', { email: 'x@example.com', password: PASSWORD, name: 'X' })).json(), { code: 'request.invalid', errors: [{ path: '/password' }, { path: '/name' }] })
    t.equal(await prisma.queuedWork.count(), before)
  })

  t.test('403 where sign-up is not open, for the question and for the link', async (t) => {
    const token = await linkFor('closed@example.com')
    for (const signUp of ['closed', 'invited'] as const) {
      const { app: closed } = await startApp(t, { config: { ...config, signUp }, database, clock })
      t.match((await post('/auth/signup', { email: 'x@example.com' }, {}, closed)).json(), { code: 'signup.closed' })
      t.match((await confirm(token, {}, closed)).json(), { code: 'signup.closed' })
    }
  })

  t.test('201: the link opens the account with the password that is chosen then, once, and signs in', async (t) => {
    const token = await linkFor('ada@example.com', { 'accept-language': 'de-AT,de;q=0.9,en;q=0.8' })
    t.equal(server.last('ada@example.com').headers['subject'], 'Adresse bestätigen', 'in the language of who asked')
    t.notMatch(JSON.stringify(await prisma.mailedLink.findMany(), (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)), token)
    t.match((await confirm(token, { password: 'short' })).json(), { code: 'password.weak' }, 'a weak one uses nothing up')
    const opened = expectJson<Opened>(await confirm(token, { name: ' Ada ' }), 201)
    t.match(opened, { status: 'signed_in', user: { email: 'ada@example.com', emailVerified: true, locale: 'de-AT', name: 'Ada', roles: ['member'] }, deviceToken: /^gd_/ })
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(opened.accessToken) })).statusCode, 200)
    expectJson(await post('/auth/refresh', { refreshToken: opened.refreshToken }), 200)
    expectJson(await post('/auth/login', { email: 'ada@example.com', password: PASSWORD }), 200)
    t.match(expectJson(await confirm(token), 410), { code: 'confirmation.void' })
    const events = await prisma.auditEvent.findMany({ where: { targetId: opened.user.id, action: { in: ['user.created', 'login.succeeded'] } }, orderBy: { id: 'asc' }, take: 2 })
    t.match(events, [{ action: 'user.created', actorId: opened.user.id, details: { emailVerified: true } }, { action: 'login.succeeded' }])
    t.match(await prisma.knownDevice.findMany({ where: { userId: opened.user.id }, orderBy: { id: 'asc' }, take: 1 }), [{ noticeDue: false }], 'its first device is no news')
  })

  t.test('50 uses at once on two nodes: one opens it', async (t) => {
    const token = await linkFor('race@example.com')
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => confirm(token, { password: `${PASSWORD} ${at}` }, at % 2 === 0 ? app : second)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 201).length, 1, answers.map(({ statusCode }) => statusCode).join())
    t.ok(answers.every(({ statusCode }) => [201, 409, 410, 429, 503].includes(statusCode)))
    t.equal(await prisma.user.count({ where: { email: 'race@example.com' } }), 1)
    expectJson(await post('/auth/login', { email: 'race@example.com', password: `${PASSWORD} ${answers.findIndex(({ statusCode }) => statusCode === 201)}` }), 200)
  })

  t.test('three mails an hour go to an address, known or not; an address of the network may ask 60 times in ten minutes', async (t) => {
    await create('flooded@example.com')
    for (let n = 0; n < 6; n += 1) for (const email of ['flooded@example.com', 'flooded-too@example.com']) expectJson(await ask(email), 202)
    await work()
    await work()
    t.equal(mailsTo('flooded@example.com').length, 3)
    t.equal(mailsTo('flooded-too@example.com').length, 3)
    const [first = '', last = ''] = [mailsTo('flooded-too@example.com')[0], mailsTo('flooded-too@example.com')[2]].map((one) => tokenOf(one?.text ?? ''))
    expectJson(await confirm(first), 201)
    t.match(expectJson(await confirm(last), 409), { code: 'email.taken' }, 'the others tell whoever reads the mail that there is one')
    const answers = await Promise.all(Array.from({ length: 65 }, (_, at) => app.inject({ method: 'POST', url: '/api/v1/auth/signup', payload: { email: `many-${at}@example.com` }, remoteAddress: '198.51.100.7' })))
    t.equal(answers.filter(({ statusCode }) => statusCode === 429).length, 5)
    await work()
  })

  t.test('an account that is there meanwhile is not touched; nor is one under an older spelling', async (t) => {
    const token = await linkFor('meanwhile@example.com')
    const { id } = await create('meanwhile@example.com')
    t.match(expectJson(await confirm(token, { password: 'a quiet mountain of paper' }), 409), { code: 'email.taken' })
    t.equal((await prisma.user.findUniqueOrThrow({ where: { id } })).emailVerifiedAt, null)
    expectJson(await post('/auth/login', { email: 'meanwhile@example.com', password: PASSWORD }), 200)
    await prisma.user.update({ where: { id }, data: { email: 'old@bücher.example' } })
    expectJson(await ask('old@bücher.example'), 202)
    await work()
    t.match(server.received.at(-1)?.headers['subject'], 'You have an account already')
  })

  t.test('a link ends after a day; looking at its page uses nothing up', async (t) => {
    const token = await linkFor('late@example.com')
    for (let n = 0; n < 3; n += 1) t.equal((await app.inject({ url: `/ui/confirm?token=${token}` })).statusCode, 303)
    clock.advance(24 * HOUR_MS)
    t.match(expectJson(await confirm(token), 410), { code: 'confirmation.void' })
    for (const wrong of ['x', `gl_${'A'.repeat(43)}`]) t.match(expectJson(await confirm(wrong), 410), { code: 'confirmation.void' })
  })

  t.test('an anonymous account that uses the link in a session of its own keeps that session and its keys, once, and nobody else\'s link does', async (t) => {
    const open = async () => expectJson<Opened>(await post('/auth/anonymous'), 201)
    const confirmOwn = (headers: Record<string, string>, token: string, more: object = {}, node = app) => post('/me/upgrade/confirm', { token, password: PASSWORD, ...more }, headers, node)
    const linkTo = async (headers: Record<string, string>, email: string): Promise<string> => {
      expectJson(await post('/me/upgrade', { email }, headers), 202)
      await work()
      return tokenOf(server.last(email).text)
    }
    const { user, accessToken, refreshToken } = await open()
    const headers = as.bearer(accessToken)
    const key = expectJson<{ key: string }>(await post('/keys', { name: 'mine' }, headers), 201)
    const other = await prisma.session.create({ data: { id: '019a3f5e-7b1c-7d2a-9f10-3c5b7a9d1e43', userId: user.id, kind: 'token', refreshSeed: new Uint8Array(32), address: '', userAgent: '', createdAt: new Date(clock.now()), lastSeenAt: new Date(clock.now()), expiresAt: new Date(clock.now() + HOUR_MS) } })
    await prisma.totpFactor.create({ data: { id: user.id, userId: user.id, name: 'planted', secretCiphertext: new Uint8Array(40), createdAt: new Date(clock.now()), confirmedAt: new Date(clock.now()) } })
    const token = await linkTo(headers, 'kept@example.com')

    const stranger = as.bearer((await open()).accessToken)
    const strangersLink = await linkTo(stranger, 'kept@example.com')
    const signUps = await linkFor('plain@example.com')
    t.match((await confirmOwn({}, token)).json(), { status: 401 })
    for (const [wrong, its] of [[stranger, token], [headers, strangersLink], [headers, signUps], [headers, `gl_${'A'.repeat(43)}`]] as const) t.match((await confirmOwn(wrong, its)).json(), { status: 410, code: 'confirmation.void' })
    t.match((await confirmOwn(headers, token, { password: 'short' })).json(), { code: 'password.weak' })
    t.match(expectJson(await app.inject({ url: '/api/v1/me', headers }), 200), { anonymous: true }, 'nothing has changed, and nothing is used up')

    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => (at % 3 === 2 ? confirm(token, {}, second) : confirmOwn(headers, token, { name: 'Lea' }, at % 2 === 0 ? app : second))))
    t.equal(answers.filter(({ statusCode }) => statusCode < 300).length, 1, answers.map(({ statusCode }) => statusCode).join())
    await app.revocations.pollNow()
    const isKept = answers.some(({ statusCode }) => statusCode === 200)
    const standing = [await app.inject({ url: '/api/v1/me', headers }), await post('/auth/refresh', { refreshToken }), await app.inject({ url: '/api/v1/whoami', headers: as.bearer(key.key) })]
    t.same(standing.map(({ statusCode }) => statusCode), isKept ? [200, 200, 200] : [401, 401, 401], isKept ? 'in the account\'s own hands all stays' : 'in others\' nothing does')
    t.ok((await prisma.session.findUniqueOrThrow({ where: { id: other.id } })).endedAt, 'another session ends either way')
    t.equal(await prisma.totpFactor.count({ where: { userId: user.id } }), 0, 'and so does a factor that was there before')
    t.match(await prisma.user.findUniqueOrThrow({ where: { id: user.id } }), { anonymous: false, email: 'kept@example.com' })
    expectJson(await post('/auth/login', { email: 'kept@example.com', password: PASSWORD }), 200)
    t.match((await confirmOwn(stranger, strangersLink)).json(), { status: 409, code: 'email.taken' }, 'who named somebody else\'s address has nothing of it')

    const calm = await open()
    const calmHeaders = as.bearer(calm.accessToken)
    const its = await linkTo(calmHeaders, 'calm@example.com')
    const real = await confirmOwn(calmHeaders, its, { name: ' Lea ' })
    t.match(expectJson(real, 200), { id: calm.user.id, email: 'calm@example.com', emailVerified: true, anonymous: false, name: 'Lea' })
    t.match((await app.inject({ url: '/api/v1/me', headers: calmHeaders })).headers['etag'], real.headers['etag'])
    const hasty = await open()
    const late = await linkTo(as.bearer(hasty.accessToken), 'late-session@example.com')
    await prisma.session.updateMany({ where: { userId: hasty.user.id }, data: { endedAt: new Date(clock.now()) } })
    t.match((await confirmOwn(as.bearer(hasty.accessToken), late)).json(), { status: 404, code: 'session.not_found' }, 'this node has not heard of its end yet')
    t.match(await prisma.user.findUniqueOrThrow({ where: { id: hasty.user.id } }), { anonymous: true })
    expectJson(await confirm(late), 201)
  })

  t.test('an anonymous account becomes whoever\'s reads the mail: the id stays, and all ends by which whoever had it could come back', async (t) => {
    await create('taken@example.com')
    const open = async () => expectJson<Opened>(await post('/auth/anonymous'), 201)
    const upgrade = (headers: Record<string, string>, payload: object) => post('/me/upgrade', payload, headers)
    const { user, accessToken, refreshToken } = await open()
    const headers = as.bearer(accessToken)
    const key = expectJson<{ key: string }>(await post('/keys', { name: 'mine' }, headers), 201)
    await prisma.totpFactor.create({ data: { id: user.id, userId: user.id, name: 'planted', secretCiphertext: new Uint8Array(40), createdAt: new Date(clock.now()), confirmedAt: new Date(clock.now()) } })
    const [free, taken] = [await upgrade(headers, { email: 'lea@example.com' }), await upgrade(headers, { email: 'taken@example.com' })]
    t.same([taken.statusCode, taken.json(), Object.keys(taken.headers)], [free.statusCode, free.json(), Object.keys(free.headers)])
    t.match(free.json(), { status: 'accepted' })
    t.match((await upgrade(headers, { email: 'x@example.com', password: PASSWORD })).json(), { code: 'request.invalid' })
    await work()
    t.match(server.last('taken@example.com').headers['subject'], 'You have an account already')
    t.match(expectJson(await app.inject({ url: '/api/v1/me', headers }), 200), { anonymous: true }, 'asking has changed nothing')
    const token = tokenOf(server.last('lea@example.com').text)
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => confirm(token, { name: 'Lea' }, at % 2 === 0 ? app : second)))
    const won = answers.filter(({ statusCode }) => statusCode === 201)
    t.equal(won.length, 1, answers.map(({ statusCode }) => statusCode).join())
    const opened = won[0]?.json<Opened>()
    t.match(opened, { status: 'signed_in', user: { id: user.id, email: 'lea@example.com', emailVerified: true, anonymous: false, name: 'Lea' } })
    // the other node may have won: this one hears of what that ended
    await app.revocations.pollNow()
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 401)
    t.equal((await post('/auth/refresh', { refreshToken })).statusCode, 401)
    t.equal((await app.inject({ url: '/api/v1/whoami', headers: as.bearer(key.key) })).statusCode, 401)
    t.equal(await prisma.totpFactor.count({ where: { userId: user.id } }), 0)
    expectJson(await post('/auth/login', { email: 'lea@example.com', password: PASSWORD }), 200)
    const member = as.bearer(opened?.accessToken ?? '')
    t.match((await upgrade(member, { email: 'y@example.com' })).json(), { code: 'account.not_anonymous' })
    const gone = await open()
    expectJson(await upgrade(as.bearer(gone.accessToken), { email: 'gone@example.com' }), 202)
    await prisma.user.delete({ where: { id: gone.user.id } })
    await work()
    t.equal(mailsTo('gone@example.com').length, 0)
    t.equal(await prisma.deadLetter.count(), 0)
  })
})

t.test('an account of one\'s own, confirmed later', async (t) => {
  const server = await startMailServer(t)
  const { app, as, database } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com', anonymousUsers: true } })
  await as.admin()
  const post = (path: string, payload?: object, headers: Record<string, string> = {}) => app.inject({ method: 'POST', url: `/api/v1${path}`, headers, ...(payload ? { payload } : {}) })

  t.test('201 at once; a link confirms the address', async (t) => {
    const { user } = expectJson<Opened>(await post('/auth/signup', { email: 'ada@example.com', password: PASSWORD }, { 'accept-language': 'xx_!, de;q=0.5' }), 201)
    t.match(user, { emailVerified: false, locale: 'de' })
    await workOff(app)
    const { text } = server.last('ada@example.com', /Adresse bestätigen/)
    const token = /confirm-address\?token=(gl_[\w-]{43})/.exec(text)?.[1]
    t.equal((await post('/auth/email/verify', { token })).statusCode, 204)
    t.ok((await database.prisma.user.findUniqueOrThrow({ where: { id: user.id } })).emailVerifiedAt)
    t.match((await post('/auth/signup', { email: 'ada@example.com', password: PASSWORD })).json(), { status: 409, code: 'email.taken' })
    t.match((await post('/auth/signup', { email: 'eve@example.com' })).json(), { code: 'request.invalid', errors: [{ path: '/password' }] })
  })

  t.test('an anonymous account that is made real is told, too', async (t) => {
    const { accessToken } = expectJson<Opened>(await post('/auth/anonymous'), 201)
    t.match(expectJson(await post('/me/upgrade', { email: 'lea@example.com', password: PASSWORD }, as.bearer(accessToken)), 200), { emailVerified: false })
    await workOff(app)
    t.ok(server.last('lea@example.com', /Confirm your address/))
    const second = expectJson<Opened>(await post('/auth/anonymous'), 201)
    t.match((await post('/me/upgrade', { email: 'x@example.com' }, as.bearer(second.accessToken))).json(), { code: 'request.invalid' })
  })
})

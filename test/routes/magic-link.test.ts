// POST /auth/magic-link and /take: signing in by a mail, the same for every address, once, on two nodes, in the hands of who asked alone.
import t, { type Test } from 'tap'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { freshAdmin } from '../support/federation.js'
import { factorHelpers } from '../support/factors.js'
import { workedOff } from '../support/queue.js'
import { type Received, startMailServer } from '../support/smtp.js'

interface Asked {
  status: string
  id: string
  binding: string
  expiresIn: number
}
interface Opened {
  status: string
  user: { id: string; email: string }
  accessToken: string
  deviceToken: string
  challenge?: string
}

const MINUTE_MS = 60_000

t.test('signing in by mail', async (t) => {
  const server = await startMailServer(t)
  const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com', magicLink: true }
  const house = await startApp(t, { config })
  const { app, as, clock, database } = house
  const { app: second } = await startApp(t, { config, database, clock })
  const { prisma } = database
  let from = 0
  const address = (): string => `203.0.113.${(from = (from + 1) % 250)}`
  const post = (path: string, payload: object, { node = app, headers = {} }: { node?: FastifyInstance; headers?: Record<string, string> } = {}) =>
    node.inject({ method: 'POST', url: `/api/v1/auth${path}`, payload, headers, remoteAddress: address() })
  const ask = (email: string, more: object = {}) => post('/magic-link', { email, ...more })
  const methodOf = (payload: object) => ({ method: 'token' in payload ? 'link' : 'code', ...payload })
  const take = (payload: object, node = app) => post('/magic-link/take', methodOf(payload), { node })
  const work = () => workedOff(app, database)
  const mailsTo = (to: string): Received[] => server.received.filter((one) => one.to.includes(to) && /Your sign-in code/.test(one.headers['subject'] ?? ''))
  const read = ({ text }: Received) => ({ code: /\b(\d{8})\b/.exec(text)?.[1] ?? '', token: /\/ui\/magic-link\?token=(gl_[\w-]{43})/.exec(text)?.[1] ?? '' })
  async function mailed(email: string, more: object = {}): Promise<Asked & { code: string; token: string }> {
    const asked = expectJson<Asked>(await ask(email, more), 202)
    await work()
    return { ...asked, ...read(server.last(email, /Your sign-in code/)) }
  }
  const wrong = (code: string): string => (code === '00000000' ? '00000001' : '00000000')
  const refused = (t: Test, response: LightMyRequestResponse, message = 'refused') => t.match(response.json(), { status: 401, code: 'magic_link.invalid' }, message)
  await as.admin()

  t.test('404 on every way in where it is not switched on, whatever is sent', async (t) => {
    const off = await startApp(t)
    await off.as.signUp('ada@example.com')
    for (const path of ['/magic-link', '/magic-link/take', '/session/magic-link', '/session/magic-link/take']) {
      for (const payload of [{ email: 'ada@example.com' }, {}]) t.match((await post(path, payload, { node: off.app })).json(), { status: 404, code: 'magic_link.off' }, path)
    }
  })

  t.test('202 for every address alike; only an account\'s gets a mail, and a row says nothing of which', async (t) => {
    await as.signUp('known@example.com')
    const [known, unknown] = [await ask('Known@Example.com'), await ask('unknown@example.com')]
    const bare = (response: LightMyRequestResponse) => {
      const { id, binding, ...rest } = expectJson<Asked>(response, 202)
      t.match(binding, /^gb_[\w-]{43}$/)
      return [rest, id.length, Object.keys(response.headers)]
    }
    t.same(bare(unknown), bare(known))
    await work()
    t.equal(mailsTo('known@example.com').length, 1)
    t.equal(mailsTo('unknown@example.com').length, 0)
    t.match((await ask('no address')).json(), { code: 'request.invalid' })
    // five guesses and what is behind them: the same words, and the same tries written
    for (const asked of [known, unknown].map((one) => one.json<Asked>())) {
      for (let n = 0; n < 7; n += 1) refused(t, await take({ id: asked.id, code: '12345', binding: asked.binding }))
      t.equal((await prisma.mailedLink.findUniqueOrThrow({ where: { id: asked.id } })).tries, 5)
    }
    refused(t, await take({ id: '019a3f5e-7b1c-7d2a-9f10-3c5b7a9d1e42', code: '12345678', binding: known.json<Asked>().binding }), 'an id that nobody was given')
  })

  t.test('the code signs in, once, and shows that the address is its holder\'s', async (t) => {
    const { user } = await as.signUp('ada@example.com')
    const { id, code, token, binding } = await mailed('ada@example.com')
    const kept = JSON.stringify(await prisma.mailedLink.findMany(), (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value))
    for (const secret of [code, token, binding]) t.notMatch(kept, secret)
    const opened = expectJson<Opened>(await take({ id, code: `${code.slice(0, 3)} ${code.slice(3)}`, binding }), 200)
    t.match(opened, { status: 'signed_in', user: { id: user.id } })
    t.match(opened.deviceToken, /^gd_/)
    const [session] = expectJson<{ data: object[] }>(await app.inject({ url: '/api/v1/sessions', headers: as.bearer(opened.accessToken) }), 200).data
    t.match(session, { amr: ['otp'], acr: 'urn:gatehouse:1fa' })
    refused(t, await take({ id, code, binding }), 'the code again')
    refused(t, await take({ token, binding }), 'its link')
    t.ok((await prisma.user.findUniqueOrThrow({ where: { id: user.id } })).emailVerifiedAt)
    t.match((await prisma.auditEvent.findMany({ where: { targetId: user.id, action: { in: ['magic_link.asked', 'login.succeeded'] } }, orderBy: { id: 'asc' } })).map(({ action }) => action), ['login.succeeded', 'magic_link.asked', 'login.succeeded'])
  })

  t.test('the link signs in, once, and whoever has the mail but did not ask gets nowhere', async (t) => {
    const { user } = await as.signUp('link@example.com')
    const { id, code, token, binding } = await mailed('link@example.com')
    const other = expectJson<Asked>(await ask('link@example.com'), 202)
    for (const payload of [{ token, binding: other.binding }, { id, code, binding: other.binding }]) refused(t, await take(payload), 'asked for by another')
    refused(t, await take({ token: binding, binding }), 'what the asker has is no token')
    refused(t, await take({ token: id, binding }))
    for (const payload of [{ token }, { id, code }, { id, binding }, { token, id, code, binding }, { token, binding: 'x' }, { id: `${id}'`, code, binding }]) t.match((await take(payload)).json(), { code: 'request.invalid' }, JSON.stringify(Object.keys(payload)))
    t.match(expectJson<Opened>(await take({ token, binding }), 200), { user: { id: user.id } })
    refused(t, await take({ token, binding }))
    refused(t, await take({ id, code, binding }))
  })

  t.test('50 uses at once on two nodes, by link or by code: one signs in', async (t) => {
    const { user } = await as.signUp('race@example.com')
    for (const by of ['link', 'code', 'both'] as const) {
      clock.advance(60 * MINUTE_MS)
      const { id, code, token, binding } = await mailed('race@example.com')
      const live = () => prisma.session.count({ where: { userId: user.id, endedAt: null } })
      const before = await live()
      const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => take(by === 'link' || (by === 'both' && at % 4 > 1) ? { token, binding } : { id, code, binding }, at % 2 === 0 ? app : second)))
      t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 1, by)
      t.ok(answers.every(({ statusCode }) => [200, 401].includes(statusCode)), answers.map(({ statusCode }) => statusCode).join())
      t.equal((await live()) - before, by === 'link' ? 0 : 1, 'one session more, and at the first proof none of before')
    }
  })

  t.test('five tries and no more, also at once on two nodes; the right code is too late', async (t) => {
    await as.signUp('guessed@example.com')
    const { id, code, token, binding } = await mailed('guessed@example.com')
    await Promise.all(Array.from({ length: 50 }, (_, at) => take({ id, code: wrong(code), binding }, at % 2 === 0 ? app : second)))
    t.equal((await prisma.mailedLink.findUniqueOrThrow({ where: { id } })).tries, 5)
    refused(t, await take({ id, code, binding }))
    t.equal((await take({ token, binding })).statusCode, 200, 'its link is no guess, and goes on working')
  })

  t.test('a second factor is asked for still', async (t) => {
    const { person, code: totp } = factorHelpers(app, as, clock)
    const { user, secret } = await person()
    const { id, code, binding } = await mailed(user.email)
    const asked = expectJson<Opened>(await take({ id, code, binding }), 200)
    t.match(asked, { status: 'mfa_required', methods: ['totp', 'recovery_code'] })
    t.notOk('accessToken' in asked)
    refused(t, await take({ id, code, binding }), 'the mail is used up')
    clock.advance(30_000)
    const done = expectJson<Opened>(await post('/mfa', { challenge: asked.challenge, method: 'totp', code: totp(secret) }), 200)
    const [session] = expectJson<{ data: object[] }>(await app.inject({ url: '/api/v1/sessions', headers: as.bearer(done.accessToken) }), 200).data
    t.match(session, { amr: ['otp', 'mfa'], acr: 'urn:gatehouse:mfa' })
  })

  t.test('three an hour go to an address, whoever asks; a device of the owner\'s has its own share', async (t) => {
    await as.signUp('flooded@example.com')
    const { deviceToken } = expectJson<Opened>(await post('/login', { email: 'flooded@example.com', password: PASSWORD }), 200)
    for (let n = 0; n < 8; n += 1) expectJson(await ask('flooded@example.com'), 202)
    await work()
    t.equal(mailsTo('flooded@example.com').length, 3)
    for (let n = 0; n < 8; n += 1) expectJson(await ask('flooded@example.com', { deviceToken }), 202)
    expectJson(await ask('flooded@example.com', { deviceToken: `gd_${'x'.repeat(43)}` }), 202)
    await work()
    t.equal(mailsTo('flooded@example.com').length, 8)
    await as.signUp('thief@example.com')
    const thief = expectJson<Opened>(await post('/login', { email: 'thief@example.com', password: PASSWORD }), 200)
    expectJson(await ask('flooded@example.com', { deviceToken: thief.deviceToken }), 202)
    await work()
    t.equal(mailsTo('flooded@example.com').length, 8, 'somebody else\'s device is a stranger')
    t.ok((await mailed('thief@example.com')).code, 'others are not held back')
  })

  t.test('a mail is good for 10 minutes, and void once the account has changed', async (t) => {
    const { user } = await as.signUp('late@example.com')
    const late = await mailed('late@example.com')
    clock.advance(10 * MINUTE_MS)
    for (const payload of [{ token: late.token }, { id: late.id, code: late.code }]) refused(t, await take({ ...payload, binding: late.binding }))
    for (const data of [{ status: 'suspended' as const }, { email: 'late2@example.com' }, { passwordHash: 'x' }]) {
      await prisma.user.update({ where: { id: user.id }, data: { status: 'active', email: 'late@example.com' } })
      clock.advance(60 * MINUTE_MS)
      const { id, code, token, binding } = await mailed('late@example.com')
      await prisma.user.update({ where: { id: user.id }, data })
      for (const payload of [{ token, binding }, { id, code, binding }]) refused(t, await take(payload), Object.keys(data)[0])
    }
    await prisma.user.update({ where: { id: user.id }, data: { status: 'suspended', email: 'late@example.com' } })
    const before = server.received.length
    clock.advance(60 * MINUTE_MS)
    expectJson(await ask('late@example.com'), 202)
    await work()
    t.equal(server.received.length, before, 'a suspended account gets none')
  })

  t.test('with cookies: held to the browser that asked', async (t) => {
    const { user } = await as.signUp('cookie@example.com')
    const SAME = { 'sec-fetch-site': 'same-origin' }
    t.match((await post('/session/magic-link', { email: 'cookie@example.com' }, { headers: { 'sec-fetch-site': 'cross-site' } })).json(), { code: 'csrf.invalid' })
    const answer = await post('/session/magic-link', { email: 'cookie@example.com' }, { headers: SAME })
    const { id } = expectJson<Asked>(answer, 202)
    t.notMatch(answer.body, 'binding')
    await work()
    const { code, token } = read(server.last('cookie@example.com', /Your sign-in code/))
    const [{ name, value } = { name: '', value: '' }] = answer.cookies
    t.match(name, /browser$/)
    const cookie = `${name}=${value}`
    for (const payload of [{ token }, { id, code }]) {
      refused(t, await post('/session/magic-link/take', methodOf(payload), { headers: SAME }), 'a browser without a name')
      refused(t, await post('/session/magic-link/take', methodOf(payload), { headers: { ...SAME, cookie: `${name}=${'x'.repeat(43)}` } }), 'another one')
      t.match((await post('/session/magic-link/take', methodOf(payload), { headers: { cookie, 'sec-fetch-site': 'cross-site' } })).json(), { code: 'csrf.invalid' })
    }
    const opened = await post('/session/magic-link/take', { method: 'code', id, code }, { headers: { ...SAME, cookie } })
    t.match(expectJson<Opened>(opened, 201), { status: 'signed_in', user: { id: user.id } })
    t.ok(opened.cookies.some((one) => one.name.endsWith('gatehouse')))
  })

  t.test('the first proof by mail puts out whoever had opened the account with somebody else\'s address', async (t) => {
    const attacker = await as.signUp('victim@example.com')
    const planted = expectJson<Opened>(await post('/login', { email: 'victim@example.com', password: PASSWORD }), 200)
    const { id, code, binding } = await mailed('victim@example.com')
    const owner = expectJson<Opened>(await take({ id, code, binding }), 200)
    const status = async (headers: Record<string, string>) => (await app.inject({ url: '/api/v1/me', headers })).statusCode
    t.equal(await status(attacker.headers), 401)
    t.equal(await status(as.bearer(planted.accessToken)), 401)
    t.equal((await post('/login', { email: 'victim@example.com', password: PASSWORD })).statusCode, 401)
    t.equal(await status(as.bearer(owner.accessToken)), 200)
    await workedOff(app, database)
    t.match(server.last('victim@example.com', /password was removed/).text, /ui\/forgot/)
    t.equal(await prisma.knownDevice.count({ where: { userId: attacker.user.id } }), 1, 'the owner\'s own')
    // from then on it is a sign-in like any other
    await prisma.user.update({ where: { id: owner.user.id }, data: { passwordHash: 'kept' } })
    const again = await mailed('victim@example.com')
    expectJson(await take({ id: again.id, code: again.code, binding: again.binding }), 200)
    t.equal((await prisma.user.findUniqueOrThrow({ where: { id: owner.user.id } })).passwordHash, 'kept')
    t.equal(await status(as.bearer(owner.accessToken)), 200)
  })

  t.test('an account that an administrator has opened keeps its password, and the administrator theirs', async (t) => {
    const opened = expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/users', headers: await freshAdmin(house), payload: { email: 'given@example.com', password: PASSWORD } }), 201)
    for (const email of ['given@example.com', 'admin@example.com']) {
      const { token, binding } = await mailed(email)
      expectJson(await take({ token, binding }), 200)
      t.equal((await post('/login', { email, password: PASSWORD })).statusCode, 200, email)
    }
    t.ok((await prisma.user.findUniqueOrThrow({ where: { id: opened.id } })).emailVerifiedAt)
  })

  t.test('at the cap of sessions nothing is used up, and the oldest can be ended', async (t) => {
    const few = await startApp(t, { config: { ...config, sessionsPerUser: 1 }, database, clock })
    await as.signUp('full@example.com')
    const first = await mailed('full@example.com')
    expectJson(await take({ token: first.token, binding: first.binding }), 200)
    const { token, binding } = await mailed('full@example.com')
    t.match((await take({ token, binding }, few.app)).json(), { code: 'session.cap_reached' })
    t.equal((await take({ token, binding, endOldest: true }, few.app)).statusCode, 200)
  })
})

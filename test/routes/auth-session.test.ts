// POST, GET and DELETE /auth/session: signing in with a cookie, and the proof that unsafe requests riding on it need.
import t, { type Test } from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { sha256 } from '../../src/kernel/secrets.js'

interface Opened {
  user: { id: string; email: string }
  csrfToken: string
}

const URL = '/api/v1/auth/session'
const SAME = { 'sec-fetch-site': 'same-origin' }

function cookieOf(response: LightMyRequestResponse) {
  return response.cookies.find(({ name }) => name.endsWith('gatehouse'))
}

function refusal(t: Test, response: LightMyRequestResponse, status: number, code: string, message: string): void {
  t.equal(response.statusCode, status, message)
  t.equal(response.json<{ code: string }>().code, code)
}

t.test('/auth/session', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { user } = await as.signUp('ada@example.com')
  const logIn = (headers: Record<string, string> = {}, payload: object = { email: 'ada@example.com', password: PASSWORD }) => app.inject({ method: 'POST', url: URL, headers, payload })
  const open = async (headers: Record<string, string> = {}) => {
    const response = await logIn(headers)
    const { csrfToken } = expectJson<Opened>(response, 201)
    return { csrfToken, cookie: `gatehouse=${cookieOf(response)?.value ?? ''}` }
  }
  const see = (cookie: string) => app.inject({ url: URL, headers: { cookie } })
  const live = () => database.prisma.session.findMany({ where: { userId: user.id, kind: 'cookie', endedAt: null } })

  t.test('201 sets a cookie that scripts cannot read; only its hash is kept', async (t) => {
    const response = await logIn({ 'user-agent': 'Test Browser' })
    const body = expectJson<Opened>(response, 201)
    t.equal(body.user.email, 'ada@example.com')
    t.notOk('passwordHash' in body.user)
    const cookie = cookieOf(response)
    t.match(cookie, { name: 'gatehouse', path: '/', httpOnly: true, sameSite: 'Lax' })
    t.notOk(cookie?.secure, 'plain name and no Secure on http://localhost')
    t.same(response.cookies.map(({ name }) => name).toSorted(), ['gatehouse', 'gatehouse-device'])
    const lifeSeconds = ((cookie?.expires?.getTime() ?? 0) - Date.now()) / 1_000
    t.ok(Math.abs(lifeSeconds - app.config.sessionAbsoluteSeconds) < 60, 'it lives as long as the session may')
    const value = cookie?.value ?? ''
    t.match(value, /^[\w-]{43}\.[\w-]{43}$/)
    const [secret = ''] = value.split('.')
    const [row] = await live()
    t.same(Buffer.from(row?.secretHash ?? ''), sha256(secret))
    t.match(row, { userAgent: 'Test Browser', kind: 'cookie', refreshSeed: null })
    t.notOk(response.body.includes(secret))
    const audit = await database.prisma.auditEvent.findMany({ where: { action: 'login.succeeded', actorId: user.id } })
    t.equal(audit.length, 2, 'this one, and the one that opened the account')
  })

  t.test('200 shows user, session and a CSRF token that works', async (t) => {
    const { cookie, csrfToken } = await open()
    const current = expectJson<Opened & { session: { current: boolean; kind: string } }>(await see(cookie), 200)
    t.match(current, { user: { id: user.id }, session: { kind: 'cookie', current: true } })
    for (const token of [csrfToken, current.csrfToken]) {
      const response = await app.inject({ method: 'PATCH', url: '/api/v1/me', headers: { cookie, ...SAME, 'x-csrf-token': token, 'if-match': '*' }, payload: { name: 'Ada' } })
      t.equal(response.statusCode, 200, response.body)
    }
  })

  t.test('201 a new id at every login, and the one it replaces has ended', async (t) => {
    const first = await open()
    const response = await logIn({ cookie: first.cookie, ...SAME })
    t.equal(response.statusCode, 201)
    t.same(response.cookies.map(({ name }) => name).toSorted(), ['gatehouse', 'gatehouse-device'])
    const again = `gatehouse=${cookieOf(response)?.value ?? ''}`
    t.not(again, first.cookie)
    refusal(t, await see(first.cookie), 401, 'session.invalid', 'the old id')
    t.equal((await see(again)).statusCode, 200)
  })

  t.test('201 a planted id is never signed in (session fixation)', async (t) => {
    const planted = 'A'.repeat(43)
    for (const value of [planted, `${planted}.${planted}`]) {
      const response = await logIn({ cookie: `gatehouse=${value}`, ...SAME })
      t.equal(response.statusCode, 201)
      t.notOk(cookieOf(response)?.value.startsWith(planted))
    }
    t.equal(await database.prisma.session.count({ where: { secretHash: Uint8Array.from(sha256(planted)) } }), 0)
  })

  t.test('401 a wrong password, an unknown e-mail: no cookie, and the session one has stays', async (t) => {
    const { cookie } = await open()
    const before = (await live()).length
    for (const email of ['ada@example.com', 'nobody@example.com']) {
      const response = await logIn({ cookie, ...SAME }, { email, password: 'not the password at all' })
      refusal(t, response, 401, 'credentials.invalid', email)
      t.equal(response.headers['set-cookie'], undefined)
    }
    t.equal((await see(cookie)).statusCode, 200)
    t.equal((await live()).length, before)
  })

  t.test('403 csrf.invalid: a login from a page elsewhere', async (t) => {
    const before = (await live()).length
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null' }]) {
      refusal(t, await logIn(headers), 403, 'csrf.invalid', JSON.stringify(headers))
    }
    t.equal((await live()).length, before)
  })

  t.test('403 csrf.invalid: each unsafe request needs the token and an origin of ours', async (t) => {
    const { cookie, csrfToken } = await open()
    const other = await open()
    const origin = app.publicOrigin()
    const host = new globalThis.URL(origin).host
    const cases: [string, Record<string, string>][] = [
      ['no proof at all', {}],
      ['no token', SAME],
      ['no word on the origin', { 'x-csrf-token': csrfToken }],
      ['another session\'s token', { ...SAME, 'x-csrf-token': other.csrfToken }],
      ['a changed token', { ...SAME, 'x-csrf-token': `${csrfToken.slice(0, -2)}xx` }],
      ['an empty token', { ...SAME, 'x-csrf-token': '' }],
      ['from the same site', { 'sec-fetch-site': 'same-site', 'x-csrf-token': csrfToken }],
      ['typed into the address bar', { 'sec-fetch-site': 'none', 'x-csrf-token': csrfToken }],
      ['cross-site, whatever Origin says', { 'sec-fetch-site': 'cross-site', origin, 'x-csrf-token': csrfToken }],
      ['another origin', { origin: 'https://evil.example', 'x-csrf-token': csrfToken }],
      ['another scheme', { origin: `https://${host}`, 'x-csrf-token': csrfToken }],
      ['another port', { origin: 'http://localhost:1', 'x-csrf-token': csrfToken }],
      ['a sandboxed page', { origin: 'null', 'x-csrf-token': csrfToken }],
    ]
    for (const [title, headers] of cases) {
      refusal(t, await app.inject({ method: 'DELETE', url: URL, headers: { cookie, ...headers } }), 403, 'csrf.invalid', title)
      refusal(t, await app.inject({ method: 'DELETE', url: '/api/v1/sessions', headers: { cookie, ...headers } }), 403, 'csrf.invalid', `${title}, another route`)
    }
    t.equal((await see(cookie)).statusCode, 200, 'and nothing was done')
    t.equal((await see(other.cookie)).statusCode, 200)
    for (const proof of [{ origin }, { origin: 'http://gate.test:8080', host: 'gate.test:8080' }]) {
      const response = await app.inject({ method: 'PATCH', url: '/api/v1/me', headers: { cookie, ...proof, 'x-csrf-token': csrfToken, 'if-match': '*' }, payload: { name: 'Ada' } })
      t.equal(response.statusCode, 200, `an old browser: ${JSON.stringify(proof)}`)
    }
  })

  t.test('204 signs out: the cookie is dropped and its value is dead', async (t) => {
    const { cookie, csrfToken } = await open()
    const response = await app.inject({ method: 'DELETE', url: URL, headers: { cookie, ...SAME, 'x-csrf-token': csrfToken } })
    t.equal(response.statusCode, 204)
    t.equal(response.cookies.length, 1, 'the device stays known')
    t.match(cookieOf(response), { name: 'gatehouse', value: '', path: '/', maxAge: 0 })
    refusal(t, await see(cookie), 401, 'session.invalid', 'the value')
    refusal(t, await app.inject({ method: 'DELETE', url: URL, headers: { cookie, ...SAME, 'x-csrf-token': csrfToken } }), 401, 'session.invalid', 'again')
  })

  t.test('401 for cookies that are not ours, changed, idle or too old', async (t) => {
    const { cookie } = await open()
    refusal(t, await app.inject({ url: URL }), 401, 'credentials.missing', 'none')
    for (const value of ['', 'x', cookie.slice(10, -1), `${cookie.slice(10)}A`, `${'A'.repeat(43)}.${'B'.repeat(43)}`, '%00', `${cookie.slice(10, 20)}${cookie.slice(10)}`]) {
      const response = await see(`gatehouse=${value}`)
      t.equal(response.statusCode, 401, JSON.stringify(value))
    }
    clock.advance(app.config.sessionIdleSeconds * 1_000)
    refusal(t, await see(cookie), 401, 'session.invalid', 'idle')
  })

  t.test('401 two cookies of one name do not both count', async (t) => {
    const { cookie } = await open()
    const response = await see(`gatehouse=x; ${cookie}`)
    t.equal(response.statusCode, 401, 'the first one is taken')
  })

  t.test('400 a cookie and a token in one request', async (t) => {
    const { cookie } = await open()
    const { headers } = await as.signUp()
    refusal(t, await app.inject({ url: URL, headers: { ...headers, cookie } }), 400, 'credentials.ambiguous', 'both')
  })

  t.test('400 refuses other shapes', async (t) => {
    for (const payload of [{}, { email: 'ada@example.com' }, { email: 1, password: PASSWORD }, { email: 'ada@example.com', password: PASSWORD, role: 'admin' }]) {
      t.equal((await logIn({}, payload)).statusCode, 400, JSON.stringify(payload))
    }
  })

  t.test('a token\'s session is shown too, and ends by DELETE', async (t) => {
    const { headers, accessToken } = await as.signUp()
    t.match(expectJson(await app.inject({ url: URL, headers }), 200), { session: { kind: 'token', current: true } })
    t.equal((await app.inject({ method: 'DELETE', url: URL, headers })).statusCode, 204)
    refusal(t, await app.inject({ url: '/api/v1/whoami', headers: as.bearer(accessToken) }), 401, 'session.invalid', 'ended')
  })

  t.equal(app.undeclaredErrors.size, 0, [...app.undeclaredErrors].join(', '))
})

t.test('behind TLS', async (t) => {
  const { app, as } = await startApp(t, { config: { publicUrl: 'https://gate.example' } })
  await as.signUp('ada@example.com')
  const payload = { email: 'ada@example.com', password: PASSWORD }
  const response = await app.inject({ method: 'POST', url: URL, payload, headers: { origin: 'https://gate.example' } })
  t.equal(response.statusCode, 201)
  const { csrfToken } = response.json<Opened>()
  const found = cookieOf(response)
  t.match(found, { name: '__Host-gatehouse', path: '/', secure: true, httpOnly: true, sameSite: 'Lax' }, 'set although the proxy speaks http to us')
  t.equal(found?.domain, undefined, '__Host- allows no Domain')
  const cookie = `__Host-gatehouse=${found?.value ?? ''}`
  t.equal((await app.inject({ url: URL, headers: { cookie } })).statusCode, 200)
  t.equal((await app.inject({ url: URL, headers: { cookie: cookie.replace('__Host-', '') } })).statusCode, 401, 'the plain name counts for nothing here')
  const dropped = await app.inject({ method: 'DELETE', url: URL, headers: { cookie, origin: 'https://gate.example', 'x-csrf-token': csrfToken } })
  t.equal(dropped.statusCode, 204)
  t.match(cookieOf(dropped), { name: '__Host-gatehouse', value: '', secure: true, path: '/' })
})

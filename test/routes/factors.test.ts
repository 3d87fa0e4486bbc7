// /me/factors, /auth/mfa and /auth/stepup: second factors added, asked for, counted once, and removed.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'

const { app, as, clock, database: { prisma } } = await startApp(t, { config: { accessTokenSeconds: 86_400 } })
const { send, code, addTotp, challenge, person } = factorHelpers(app, as, clock)
const outcome = async (answer: ReturnType<typeof send>): Promise<string> => {
  const { statusCode, body } = await answer
  return statusCode >= 400 ? `${statusCode} ${(JSON.parse(body) as { code: string }).code}` : `${statusCode}`
}
const answer = (waiting: string, method: string, typed: string) => send('POST', '/auth/mfa', {}, { challenge: waiting, method, code: typed })
const claimsOf = (token: string): Record<string, unknown> => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>

t.test('an app is added in two steps, and counts after the second', async (t) => {
  const ada = await as.signUp()
  const begun = expectJson<{ id: string; secret: string; uri: string; expiresAt: string }>(await send('POST', '/me/factors/totp', ada.headers, { name: 'Phone' }), 201)
  t.match(begun.uri, new RegExp(`^otpauth://totp/.*secret=${begun.secret}`))
  t.same(expectJson(await send('GET', '/me/factors', ada.headers), 200), { data: [], recoveryCodes: 0 }, 'not yet')
  const row = await prisma.totpFactor.findUniqueOrThrow({ where: { id: begun.id } })
  t.notOk(Buffer.from(row.secretCiphertext).includes(begun.secret), 'encrypted at rest')
  t.equal(expectJson<{ status: string }>(await send('POST', '/auth/login', {}, { email: ada.user.email, password: PASSWORD }), 200).status, 'signed_in', 'what waits for its confirmation is no factor')

  const eve = await as.signUp()
  t.equal(await outcome(send('POST', `/me/factors/totp/${begun.id}/confirm`, eve.headers, { code: code(begun.secret) })), '404 factor.not_found', 'nobody else confirms it')
  await send('POST', '/me/factors/totp', ada.headers, { name: 'Another' })
  t.equal(await outcome(send('POST', `/me/factors/totp/${begun.id}/confirm`, ada.headers, { code: code(begun.secret, 5) })), '401 factor.invalid')
  const added = expectJson<{ factor: object; recoveryCodes: string[] }>(await send('POST', `/me/factors/totp/${begun.id}/confirm`, ada.headers, { code: code(begun.secret) }), 200)
  t.match(added.factor, { id: begun.id, kind: 'totp', name: 'Phone' })
  t.equal(added.recoveryCodes.length, 10)
  t.equal(await outcome(send('POST', `/me/factors/totp/${begun.id}/confirm`, ada.headers, { code: code(begun.secret, 1) })), '404 factor.not_found', 'once')
  const seen = await send('GET', '/me/factors', ada.headers)
  t.match(expectJson(seen, 200), { data: [{ id: begun.id }], recoveryCodes: 10 })
  for (const secret of [begun.secret, ...added.recoveryCodes]) t.notOk(seen.body.includes(secret), 'answered once')
  t.match(expectJson(await send('GET', '/sessions', ada.headers), 200), { data: [{}, { acr: 'urn:gatehouse:mfa', amr: ['mfa', 'otp', 'pwd'] }] }, 'this session has proven it')

  const late = expectJson<{ id: string; secret: string }>(await send('POST', '/me/factors/totp', ada.headers, { name: 'Late' }), 201)
  clock.advance(15 * 60_000)
  t.equal(await outcome(send('POST', `/me/factors/totp/${late.id}/confirm`, ada.headers, { code: code(late.secret) })), '404 factor.not_found', 'too late')
})

t.test('signing in asks for it: the challenge opens nothing but the answer', async (t) => {
  const { user, secret, codes } = await person()
  clock.advance(30_000)
  const waiting = await challenge(user.email)
  t.match(waiting, /^gc_[\w-]{43}$/)
  for (const headers of [as.bearer(waiting), { cookie: `gatehouse=${waiting}` }, { 'x-api-key': waiting }]) {
    t.match(await outcome(send('GET', '/me', headers)), /^40[01] /)
  }
  t.equal(await outcome(send('POST', '/auth/refresh', {}, { refreshToken: waiting })), '401 refresh.invalid')
  t.equal(await outcome(answer(waiting, 'totp', '000000')), '401 factor.invalid')
  const done = expectJson<{ status: string; accessToken: string; refreshToken: string }>(await answer(waiting, 'totp', code(secret)), 200)
  t.equal(done.status, 'signed_in')
  t.match(claimsOf(done.accessToken), { amr: ['pwd', 'otp', 'mfa'], acr: 'urn:gatehouse:mfa', auth_time: Math.floor(clock.now() / 1_000) })
  t.equal(await outcome(answer(waiting, 'totp', code(secret, 1))), '401 challenge.invalid', 'a challenge is answered once')
  const again = await challenge(user.email)
  t.equal(await outcome(answer(again, 'totp', code(secret))), '401 factor.invalid', 'a code counts once')
  t.equal(await outcome(answer(again, 'totp', code(secret, -1))), '401 factor.invalid', 'nor does one of before it')
  t.equal(await outcome(answer(again, 'recovery_code', (codes[0] ?? '').toUpperCase())), '200')
  t.equal(await outcome(answer(await challenge(user.email), 'recovery_code', codes[0] ?? '')), '401 factor.invalid', 'a recovery code, too')
  t.match(expectJson(await send('GET', '/me/factors', as.bearer(done.accessToken)), 200), { recoveryCodes: 9 })
  t.equal(await prisma.auditEvent.count({ where: { action: 'factor.code_used', targetId: user.id } }), 1)
})

t.test('into a cookie, where a cookie was asked for, and not otherwise', async (t) => {
  const { user, secret } = await person()
  clock.advance(30_000)
  const forCookie = await challenge(user.email, 'session')
  t.equal(await outcome(answer(forCookie, 'totp', code(secret))), '401 challenge.invalid', 'no tokens for it')
  const done = await send('POST', '/auth/session/mfa', {}, { challenge: forCookie, method: 'totp', code: code(secret) })
  t.match(expectJson(done, 201), { status: 'signed_in', user: { id: user.id } })
  const cookie = done.cookies.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`).join('; ')
  t.match(expectJson(await send('GET', '/auth/session', { cookie }), 200), { session: { acr: 'urn:gatehouse:mfa', kind: 'cookie' } })
  clock.advance(30_000)
  const forTokens = await challenge(user.email)
  t.equal(await outcome(send('POST', '/auth/session/mfa', {}, { challenge: forTokens, method: 'totp', code: code(secret) })), '401 challenge.invalid')
  t.equal(await outcome(send('POST', '/auth/session/mfa', { origin: 'https://evil.example' }, { challenge: forCookie, method: 'totp', code: code(secret) })), '403 csrf.invalid')
})

t.test('a challenge ends after five minutes, five tries, and whatever ends the account\'s sessions', async (t) => {
  const admin = await as.admin()
  const { user, secret, headers, factorId } = await person()
  clock.advance(30_000)
  const old = await challenge(user.email)
  clock.advance(300_000)
  t.equal(await outcome(answer(old, 'totp', code(secret))), '401 challenge.invalid')
  const tried = await challenge(user.email)
  for (let at = 0; at < 5; at += 1) t.equal(await outcome(answer(tried, 'totp', '000000')), '401 factor.invalid')
  t.equal(await outcome(answer(tried, 'totp', code(secret))), '401 challenge.invalid', 'also a right one')

  clock.advance(900_000)
  await send('POST', '/auth/stepup', headers, { method: 'totp', code: code(secret) })
  clock.advance(30_000)
  const ended = async (what: string, end: () => Promise<unknown>) => {
    const waiting = await challenge(user.email)
    await end()
    t.equal(await outcome(answer(waiting, 'totp', code(secret))), '401 challenge.invalid', what)
    clock.advance(30_000)
  }
  await ended('another factor', () => addTotp(headers, 'Second'))
  const [, second] = expectJson<{ data: { id: string }[] }>(await send('GET', '/me/factors', headers), 200).data
  await ended('a factor removed', () => send('DELETE', `/me/factors/${second?.id ?? ''}`, headers))
  await ended('other sessions ended', () => send('DELETE', '/sessions', headers))
  await ended('suspension, and what it was brought back from', async () => {
    for (const status of ['suspended', 'active']) expectJson(await send('PATCH', `/users/${user.id}`, { ...admin, 'if-match': '*' }, { status }), 200)
  })
  t.ok(factorId)
})

t.test('codes are guessed at ten times in 15 minutes, over all challenges; a device of the owner\'s has guesses of its own', async (t) => {
  const { user, secret, codes } = await person()
  clock.advance(30_000)
  const { deviceToken } = expectJson<{ deviceToken: string }>(await answer(await challenge(user.email), 'totp', code(secret)), 200)
  clock.advance(30_000)
  for (let at = 0; at < 10; at += 1) t.equal(await outcome(answer(await challenge(user.email), at % 2 === 0 ? 'totp' : 'recovery_code', '000000')), '401 factor.invalid')
  t.equal(await outcome(answer(await challenge(user.email), 'totp', code(secret))), '429 login.throttled', 'also a right one')
  t.equal(await outcome(answer(await challenge(user.email), 'recovery_code', codes[0] ?? '')), '429 login.throttled')
  t.equal(await prisma.auditEvent.count({ where: { action: 'login.throttled', targetId: user.id } }), 1)
  t.equal(await outcome(send('POST', '/auth/mfa', {}, { challenge: await challenge(user.email), method: 'totp', code: code(secret), deviceToken })), '200')
  clock.advance(16 * 60_000)
  t.equal(await outcome(answer(await challenge(user.email), 'totp', code(secret))), '200', 'a quarter of an hour later')
})

t.test('who does not know the password cannot lock the owner out of the second factor', async (t) => {
  const { user, secret } = await person()
  clock.advance(30_000)
  for (let at = 0; at < 30; at += 1) await answer(`gc_${'x'.repeat(42)}${at % 10}`, 'totp', '000000')
  t.equal(await outcome(answer(await challenge(user.email), 'totp', code(secret))), '200')
})

t.test('401 login.stepup where a recent proof is asked for, with the header of RFC 9470', async (t) => {
  const ada = await as.signUp()
  clock.advance(600_001)
  const stale = await send('POST', '/me/factors/totp', ada.headers, { name: 'Phone' })
  t.match(expectJson(stale, 401), { code: 'login.stepup' })
  t.match(stale.headers['www-authenticate'], /^Bearer realm="gatehouse", error="insufficient_user_authentication", .*max_age="600"$/)
  t.equal(await outcome(send('POST', '/auth/stepup', ada.headers, { method: 'password', password: 'not the password' })), '401 credentials.invalid')
  t.equal(await outcome(send('POST', '/auth/stepup', ada.headers, { method: 'totp', code: '000000' })), '401 factor.invalid', 'there is none')
  const proven = expectJson<{ acr: string; accessToken: string }>(await send('POST', '/auth/stepup', ada.headers, { method: 'password', password: PASSWORD }), 200)
  t.match(claimsOf(proven.accessToken), { acr: 'urn:gatehouse:1fa', amr: ['pwd'], auth_time: Math.floor(clock.now() / 1_000) })
  const { secret, factor } = await addTotp(ada.headers)
  clock.advance(600_001)
  t.equal(await outcome(send('DELETE', `/me/factors/${factor.id}`, ada.headers)), '401 login.stepup', 'a factor is not removed by whoever finds the session')
  t.equal(await outcome(send('POST', '/me/factors/recovery-codes', ada.headers)), '401 login.stepup')
  t.equal(await outcome(send('DELETE', '/me', ada.headers)), '401 login.stepup')
  t.equal(await outcome(send('POST', '/auth/stepup', ada.headers, { method: 'password', password: PASSWORD })), '403 factor.required', 'the password no longer does')
  const used = code(secret)
  t.match(expectJson(await send('POST', '/auth/stepup', ada.headers, { method: 'totp', code: used }), 200), { acr: 'urn:gatehouse:mfa', amr: ['mfa', 'otp', 'pwd'] })
  t.equal(await outcome(send('POST', '/auth/stepup', ada.headers, { method: 'totp', code: used })), '401 factor.invalid', 'a code counts once, here too')
  const made = expectJson<{ recoveryCodes: string[] }>(await send('POST', '/me/factors/recovery-codes', ada.headers), 201)
  t.equal(made.recoveryCodes.length, 10)
  t.equal(await outcome(send('DELETE', `/me/factors/${factor.id}`, ada.headers)), '204')
  t.same(expectJson(await send('GET', '/me/factors', ada.headers), 200), { data: [], recoveryCodes: 0 }, 'the codes go with the last')
  t.equal(await outcome(send('POST', '/me/factors/recovery-codes', ada.headers)), '409 factor.none')
  const { headers: key } = await as.key([])
  t.equal(await outcome(send('POST', '/me/factors/totp', key, { name: 'x' })), '403 access.denied', 'a key has no factors')
})

t.test('nobody removes or confirms another\'s, and there are five at most', async (t) => {
  const { headers, factorId } = await person()
  const eve = await as.signUp()
  t.equal(await outcome(send('DELETE', `/me/factors/${factorId}`, eve.headers)), '404 factor.not_found')
  for (let at = 0; at < 4; at += 1) await addTotp(headers, `App ${at}`)
  t.equal(await outcome(send('POST', '/me/factors/totp', headers, { name: 'Sixth' })), '409 factor.cap_reached')
})

t.test('a step-up gives a session by cookie a new cookie: whoever had stolen the old one has nothing of it', async (t) => {
  const ada = await as.signUp()
  const url = '/api/v1/auth/session'
  const cookieOf = (response: { cookies: { name: string; value: string }[] }): string => `gatehouse=${response.cookies.find(({ name }) => name.endsWith('gatehouse'))?.value ?? ''}`
  const opened = await app.inject({ method: 'POST', url, payload: { email: ada.user.email, password: PASSWORD } })
  const { csrfToken } = expectJson<{ csrfToken: string }>(opened, 201)
  const stolen = cookieOf(opened)
  const prove = (cookie: string, password: string) => app.inject({ method: 'POST', url: '/api/v1/auth/stepup', headers: { cookie, 'x-csrf-token': csrfToken, 'sec-fetch-site': 'same-origin' }, payload: { method: 'password', password } })
  const see = async (cookie: string) => (await app.inject({ url, headers: { cookie } })).statusCode
  const wrong = await prove(stolen, 'not the password')
  t.equal(wrong.statusCode, 401)
  t.same(wrong.cookies, [], 'a wrong proof leaves the browser as it was')
  t.equal(await see(stolen), 200)
  const proven = await prove(stolen, PASSWORD)
  t.match(expectJson(proven, 200), { amr: ['pwd'], acr: 'urn:gatehouse:1fa' })
  t.equal(await see(cookieOf(proven)), 200)
  t.equal(await see(stolen), 401)
  t.equal((await app.inject({ url: '/api/v1/whoami', headers: { cookie: stolen } })).statusCode, 401)
  const sessions = await prisma.session.findMany({ where: { userId: ada.user.id, kind: 'cookie' } })
  t.equal(sessions.length, 1, 'it is the same session')
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/stepup', headers: ada.headers, payload: { method: 'password', password: PASSWORD } })).cookies.length, 0, 'a session of tokens gets none')
})

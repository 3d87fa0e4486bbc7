// How many statements the small writes are, BEGIN and COMMIT included: each is a round trip, and a held lock lasts for the sum of them.
import t, { type Test } from 'tap'
import { type AuthorizationHeaders, expectJson, PASSWORD, startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'
import { watchStatements } from '../support/statements.js'

const { app, as, clock, database } = await startApp(t, { config: { sessionsPerUser: 10 } })
const statements = watchStatements(database.pool)
const post = (path: string, payload: object, headers: Partial<AuthorizationHeaders & { cookie: string }> = {}, remoteAddress = '127.0.0.1') =>
  app.inject({ method: 'POST', url: `/api/v1/${path}`, headers: { ...headers }, remoteAddress, payload })
// the node notes by itself how far it has read the log of revocations: no request waits for that
const OF_THE_NODE = /^UPDATE nodes SET cursor/
/** What was sent for a request until it was answered with that status. */
const sent = async (status: number, ...asked: Parameters<typeof post>): Promise<string[]> =>
  (await statements.during(async () => expectJson(await post(...asked), status))).filter((text) => !OF_THE_NODE.test(text.trim()))
const exactly = (t: Test, texts: string[], count: number, what: string): void => void t.equal(texts.length, count, `${what}\n${texts.join('\n')}`)

t.test('a sign-in is six statements, in one transaction, from wherever', async (t) => {
  const credentials = { email: 'signer@example.com', password: PASSWORD }
  await as.signUp(credentials.email)
  const { deviceToken } = expectJson<{ deviceToken: string }>(await post('auth/login', credentials), 200)
  for (const address of ['127.0.0.1', '192.0.2.1', '2001:db8::1']) {
    const texts = await sent(200, 'auth/login', credentials, {}, address)
    exactly(t, texts, 6, address)
    t.equal(texts.indexOf('BEGIN'), 2, 'what is looked at before the hash is read in one, and the guess counted in one')
  }
  exactly(t, await sent(200, 'auth/login', { ...credentials, deviceToken }, {}, '192.0.2.2'), 6, 'a known device')
  exactly(t, await sent(201, 'auth/session', credentials), 6, 'into a cookie')
  exactly(t, await sent(201, 'auth/session', credentials, { cookie: 'gatehouse=nothing.of.ours' }), 6, 'with a cookie that is none of ours')
  const { cookies } = await post('auth/session', credentials)
  const cookie = cookies.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`).join('; ')
  exactly(t, await sent(201, 'auth/session', credentials, { cookie }), 1 + 6 + 4, 'in the place of a session: it is found, and ended')
  await post('auth/login', credentials)
  clock.advance(1)
  exactly(t, await sent(409, 'auth/login', credentials), 6 + 4, 'at the cap: rolled back, and the guess taken back in a transaction of its own')
  exactly(t, await sent(200, 'auth/login', { ...credentials, endOldest: true }), 6 + 3, 'that ends the oldest: the end, its audit row, and the sign-in once more')
})

t.test('a sign-in with a code is a challenge of six statements, and ten that answer it', async (t) => {
  const { addTotp, code } = factorHelpers(app, as, clock)
  const { user, headers } = await as.signUp('coded@example.com')
  const { secret } = await addTotp(headers)
  exactly(t, await sent(200, 'auth/login', { email: user.email, password: PASSWORD }), 6, 'the password')
  const { challenge } = expectJson<{ challenge: string }>(await post('auth/login', { email: user.email, password: PASSWORD }), 200)
  exactly(t, await sent(200, 'auth/mfa', { challenge, method: 'totp', code: code(secret, 1) }), 10, 'the code')
})

t.test('a sign-in that fails is three statements, whatever it fails for', async (t) => {
  const suspended = await as.signUp('suspended@example.com')
  await database.prisma.user.update({ where: { id: suspended.user.id }, data: { status: 'suspended' } })
  await as.signUp('known@example.com')
  const wrong = { wrong: ['known@example.com', 'not the password'], unknown: ['unknown@example.com', PASSWORD], suspended: ['suspended@example.com', PASSWORD] }
  const all = await Promise.all(Object.entries(wrong).map(async ([what, [email, password]], at) => {
    const texts = await sent(401, 'auth/login', { email, password }, {}, `198.51.100.${at}`)
    exactly(t, texts, 3, what)
    return texts
  }))
  t.equal(new Set(all.map((texts) => texts.join())).size, 1, 'the same ones')
})

t.test('nor does it tell a known e-mail from an unknown one when others were guessed before, from the same address', async (t) => {
  await as.signUp('known-too@example.com')
  const guess = (email: string) => sent(401, 'auth/login', { email, password: 'not the password' }, {}, '198.51.100.9')
  exactly(t, await guess('nobody@example.com'), 3, 'the first that is nobody\'s')
  exactly(t, await guess('nobody-too@example.com'), 3, 'another that is nobody\'s')
  exactly(t, await guess('known-too@example.com'), 3, 'one that is somebody\'s')
  for (const email of ['nobody-too@example.com', 'known-too@example.com']) exactly(t, await guess(email), 2, `${email} once more`)
})

t.test('a refresh is two statements, a repeated one is one, and a reuse ends the session in four more', async (t) => {
  const { refreshToken: first } = await as.signUp('refresher@example.com')
  exactly(t, await sent(200, 'auth/refresh', { refreshToken: first }), 2, 'a rotation')
  exactly(t, await sent(200, 'auth/refresh', { refreshToken: first }), 1, 'the same successor once more')
  exactly(t, await sent(401, 'auth/refresh', { refreshToken: `${first.slice(0, -8)}AAAAAAAA` }), 1, 'a forged one')
  clock.advance(10_001)
  exactly(t, await sent(401, 'auth/refresh', { refreshToken: first }), 1 + 4, 'reuse')
})

t.test('issuing a key is four statements, and five for somebody else', async (t) => {
  const admin = await as.admin()
  const member = await as.signUp('issuer@example.com')
  for (const headers of [admin, member.headers]) await sent(201, 'keys', { name: 'first' }, headers) // authenticated, once
  const own = await sent(201, 'keys', { name: 'own' }, member.headers)
  exactly(t, own, 4, 'own')
  t.equal(own[0], 'BEGIN')
  exactly(t, await sent(201, 'keys', { name: 'sold', ownerUserId: member.user.id, metadata: { plan: 'free' } }, admin), 5, 'sold')
})

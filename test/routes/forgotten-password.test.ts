// POST /auth/password/forgot, and the link that it mails: the same for every address, once, on two nodes, and what it ends and keeps.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { workedOff } from '../support/queue.js'
import { startMailServer } from '../support/smtp.js'

const NEW = 'a quiet mountain of paper'
const MINUTE_MS = 60_000

t.test('a forgotten password', async (t) => {
  const server = await startMailServer(t)
  const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com' }
  const { app, as, clock, database } = await startApp(t, { config })
  const { app: second } = await startApp(t, { config, database, clock })
  const { prisma } = database
  const ask = (email: string, remoteAddress = '203.0.113.1') => app.inject({ method: 'POST', url: '/api/v1/auth/password/forgot', payload: { email }, remoteAddress })
  const work = () => workedOff(app, database)
  const mailsTo = (to: string) => server.received.filter((one) => one.to.includes(to) && one.headers['subject'] === 'Choose a new password')
  const tokenOf = (text: string): string => /\/ui\/reset\?token=(gl_[\w-]{43})/.exec(text)?.[1] ?? ''
  const reset = (token: string, newPassword = NEW, node = app) => node.inject({ method: 'POST', url: '/api/v1/auth/password/reset', payload: { token, newPassword } })
  const logIn = (email: string, password: string) => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password } })
  async function linkFor(email: string): Promise<string> {
    expectJson(await ask(email), 202)
    await work()
    return tokenOf(server.last(email, /Choose a new password/).text)
  }
  await as.admin()

  t.test('202 for every address alike; only an account\'s gets a mail', async (t) => {
    await as.signUp('known@example.com')
    const [known, unknown] = [await ask('Known@Example.com'), await ask('unknown@example.com')]
    t.same([known.statusCode, known.json()], [202, { status: 'accepted' }])
    t.same([unknown.statusCode, unknown.json()], [202, { status: 'accepted' }])
    const names = (headers: object): string[] => Object.keys(headers)
    t.same(names(unknown.headers), names(known.headers))
    await work()
    t.equal(mailsTo('known@example.com').length, 1)
    t.equal(mailsTo('unknown@example.com').length, 0)
    t.match((await ask('no address')).json(), { code: 'request.invalid' })
  })

  t.test('the link sets the password once, ends what was open, keeps nothing secret at rest, and the owner is told', async (t) => {
    const { user, headers, refreshToken } = await as.signUp('ada@example.com')
    const token = await linkFor('ada@example.com')
    t.notMatch(JSON.stringify(await prisma.mailedLink.findMany(), (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)), token)
    t.match((await reset(token, 'short')).json(), { code: 'password.weak' }, 'a weak one uses nothing up')
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 200, 'asking has changed nothing')
    t.equal((await reset(token)).statusCode, 204)
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 401)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } })).statusCode, 401)
    t.equal((await logIn('ada@example.com', PASSWORD)).statusCode, 401)
    t.equal((await logIn('ada@example.com', NEW)).statusCode, 200)
    t.match(expectJson(await reset(token), 410), { code: 'reset.void' })
    t.ok((await prisma.user.findUniqueOrThrow({ where: { id: user.id } })).emailVerifiedAt, 'mail reaches them')
    await work()
    t.match(server.last('ada@example.com').headers['subject'], 'Your password was changed')
    const events = await prisma.auditEvent.findMany({ where: { targetId: user.id, action: { startsWith: 'password.' } }, orderBy: { id: 'asc' } })
    t.match(events.map(({ action }) => action), ['password.reset_asked', 'password.reset'])
    t.notMatch(JSON.stringify(events, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)), token)
  })

  t.test('50 uses at once on two nodes: one sets it', async (t) => {
    await as.signUp('race@example.com')
    const token = await linkFor('race@example.com')
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => reset(token, `${NEW} ${at}`, at % 2 === 0 ? app : second)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 204).length, 1, answers.map(({ statusCode }) => statusCode).join())
    t.ok(answers.every(({ statusCode }) => [204, 410, 429, 503].includes(statusCode)))
    const winner = answers.findIndex(({ statusCode }) => statusCode === 204)
    t.equal((await logIn('race@example.com', `${NEW} ${winner}`)).statusCode, 200)
  })

  t.test('three an hour go to an address, whoever asks and from wherever; all of them are good, and others are not held back', async (t) => {
    await as.signUp('flooded@example.com')
    await as.signUp('other@example.com')
    for (let n = 0; n < 8; n += 1) expectJson(await ask('flooded@example.com', `203.0.113.${n + 10}`), 202)
    await work()
    await work()
    const mails = mailsTo('flooded@example.com')
    t.equal(mails.length, 3)
    t.not(await linkFor('other@example.com'), '')
    t.equal((await reset(tokenOf(mails[0]?.text ?? ''))).statusCode, 204, 'the first was not voided by those behind it')
    t.equal((await reset(tokenOf(mails[1]?.text ?? ''))).statusCode, 410, 'the new password has voided the others')
  })

  t.test('a stranger who keeps asking leaves the owner with a link at any time, and with a few mails an hour', async (t) => {
    await as.signUp('pestered@example.com')
    for (let minute = 0; minute < 60; minute += 1) {
      for (let n = 0; n < 2; n += 1) expectJson(await ask('pestered@example.com', `203.0.113.${minute}`), 202)
      await work()
      const good = await Promise.all(mailsTo('pestered@example.com').map(({ text }) => app.mailedLinks.find('password.reset', tokenOf(text))))
      t.ok(good.some((link) => link !== null), `minute ${minute}`)
      clock.advance(MINUTE_MS)
    }
    t.ok(mailsTo('pestered@example.com').length <= 6, `${mailsTo('pestered@example.com').length}`)
  })

  t.test('a link ends after 20 minutes', async (t) => {
    await as.signUp('late@example.com')
    const token = await linkFor('late@example.com')
    clock.advance(20 * MINUTE_MS)
    t.match(expectJson(await reset(token), 410), { code: 'reset.void' })
  })

  t.test('a change of the account voids it', async (t) => {
    const { user } = await as.signUp('changed@example.com')
    for (const data of [{ status: 'suspended' as const }, { email: 'changed2@example.com' }, { passwordHash: 'x' }]) {
      await prisma.user.update({ where: { id: user.id }, data: { status: 'active', email: 'changed@example.com' } })
      clock.advance(60 * MINUTE_MS)
      const token = await linkFor('changed@example.com')
      t.not(token, '')
      await prisma.user.update({ where: { id: user.id }, data })
      t.match(expectJson(await reset(token), 410), { code: 'reset.void' }, Object.keys(data)[0] ?? '')
    }
  })

  t.test('suspended accounts, and those that have no address, get none', async (t) => {
    const { user } = await as.signUp('suspended@example.com')
    await prisma.user.update({ where: { id: user.id }, data: { status: 'suspended' } })
    const gone = await as.signUp('gone@example.com')
    await prisma.user.update({ where: { id: gone.user.id }, data: { email: `${gone.user.id}@account.invalid` } })
    for (const email of ['suspended@example.com', `${gone.user.id}@account.invalid`]) expectJson(await ask(email), 202)
    await work()
    t.same(server.received.filter(({ to, headers }) => /^suspended|invalid$/.test(to[0] ?? '') && headers['subject'] === 'Choose a new password'), [])
  })

  t.test('looking at the page of a link uses nothing up', async (t) => {
    await as.signUp('scanned@example.com')
    const token = await linkFor('scanned@example.com')
    for (let n = 0; n < 3; n += 1) t.equal((await app.inject({ url: `/ui/reset?token=${token}` })).statusCode, 303)
    t.equal((await reset(token)).statusCode, 204)
  })

  t.test('an address may ask 20 times in ten minutes', async (t) => {
    const answers = await Promise.all(Array.from({ length: 25 }, (_, at) => ask(`nobody${at}@example.com`, '198.51.100.7')))
    t.equal(answers.filter(({ statusCode }) => statusCode === 202).length, 20)
    t.equal(answers.filter(({ statusCode }) => statusCode === 429).length, 5)
  })
})

// Mail by a real SMTP server: promised with a change, sent behind it, tried again, given up; and what there is without a server.
import t from 'tap'
import { TELLING } from '../../src/accounts/index.js'
import { smtpOptions } from '../../src/mail/smtp.js'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { freePort } from '../support/redis.js'
import { startMailServer } from '../support/smtp.js'

const PUBLIC = 'https://auth.example.com'

t.test('mail', async (t) => {
  const server = await startMailServer(t)
  const { app, as, clock, database } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: PUBLIC } })
  const { prisma } = database
  const send = (to: string, locale: string | null = null) => database.transact((tx) => app.mail.send(tx, { kind: 'password.changed', to, locale, facts: { at: new Date(clock.now()).toISOString(), path: '/ui/sign-in' } }))
  const work = () => app.jobs.run(QUEUED_WORK)
  /** anew: the clock has gone on */
  const signedIn = async () => {
    await as.admin()
    return as.bearer(expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD } }), 200).accessToken)
  }

  t.test('goes out once what it tells of has been committed, as text and HTML', async (t) => {
    await t.rejects(database.transact(async (tx) => {
      await app.mail.send(tx, { kind: 'account.deleted', to: 'nobody@example.com', facts: { at: new Date(clock.now()).toISOString() } })
      throw new Error('rolled back')
    }), { message: 'rolled back' })
    await send('ada@example.com')
    await work()
    t.equal(server.received.length, 1, 'nothing of what was rolled back')
    const { headers, text, html, from } = server.last('ada@example.com')
    t.match(headers, { subject: 'Your password was changed', from: 'no-reply@auth.example.com', 'auto-submitted': 'auto-generated', 'message-id': /^<[0-9a-f-]{36}@auth\.example\.com>$/ })
    t.equal(from, 'no-reply@auth.example.com')
    t.match(text, 'Choose a new password:\n'.replace('\n', ''))
    t.match(text, `${PUBLIC}/ui/sign-in`)
    t.match(html, `href="${PUBLIC}/ui/sign-in"`)
    t.match(html, '<html lang="en">')
    t.notMatch(html, /<script|<img|url\(/, 'it loads nothing')
  })

  t.test('is in the language of its reader, in UTF-8', async (t) => {
    await send('uwe@example.com', 'de-AT')
    await work()
    const { headers, text, html } = server.last('uwe@example.com')
    t.equal(headers['subject'], 'Ihr Passwort wurde geändert')
    t.match(text, 'Alle anderen Geräte wurden abgemeldet')
    t.match(html, '<html lang="de">')
  })

  t.test('a refusal for now is tried again with the same id; one for ever is a dead letter at once', async (t) => {
    server.refuse(451)
    await send('later@example.com')
    await work()
    t.equal(server.received.filter(({ to }) => to.includes('later@example.com')).length, 0)
    const [waiting] = await prisma.queuedWork.findMany()
    server.refuse(null)
    clock.advance(3_600_000)
    await work()
    t.equal(server.last('later@example.com').headers['message-id'], `<${waiting?.id}@auth.example.com>`)
    server.refuse(550)
    await send('never@example.com')
    await work()
    const admin = await signedIn()
    const { data } = expectJson<{ data: { id: string }[] }>(await app.inject({ url: '/api/v1/dead-letters', headers: admin }), 200)
    t.match(data, [{ queue: 'mail', about: { kind: 'password.changed', to: 'never@example.com' }, attempts: 1, error: 'The receiver refuses it for ever' }])
    server.refuse(null)
    t.equal((await app.inject({ method: 'POST', url: `/api/v1/dead-letters/${data[0]?.id}/replay`, headers: admin })).statusCode, 204)
    await work()
    t.equal(server.received.filter(({ to }) => to.includes('never@example.com')).length, 1)
  })

  t.test('a new device is told to its owner, once', async (t) => {
    const { user } = await as.signUp('device@example.com')
    const logIn = (remoteAddress: string) => app.inject({ method: 'POST', url: '/api/v1/auth/login', headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' }, remoteAddress, payload: { email: user.email, password: PASSWORD } })
    expectJson(await logIn('203.0.113.8'), 200)
    clock.advance(60_000)
    expectJson(await logIn('203.0.113.9'), 200)
    await app.jobs.run(TELLING)
    await work()
    const mails = server.received.filter(({ to }) => to.includes('device@example.com'))
    t.match(mails.map(({ text }) => text).join('\n'), /Firefox on Linux, from the address 203\.0\.113\.9/)
    await app.jobs.run(TELLING)
    await work()
    t.equal(server.received.filter(({ to }) => to.includes('device@example.com')).length, mails.length)
  })

  t.test('nobody reads an outbox here', async (t) => {
    const admin = await signedIn()
    t.equal((await app.inject({ url: '/api/v1/dev/outbox', headers: admin })).statusCode, 404)
  })
})

t.test('a mail server that does not answer keeps nothing from starting, and is said', async (t) => {
  const { app } = await startApp(t, { config: { smtpUrl: `smtp://127.0.0.1:${await freePort()}`, publicUrl: PUBLIC } })
  const said: string[] = []
  app.log.warn = ((_: object, text: string) => void said.push(text)) as typeof app.log.warn
  await app.listen({ port: 0, host: '127.0.0.1' })
  await t.resolves(new Promise<void>((resolve) => {
    const look = (): void => void (said.length > 0 ? resolve() : setImmediate(look))
    look()
  }))
  t.match(said[0], /^SMTP_URL: the mail server would not take a letter/)
})

t.test('an SMTP_URL as options', async (t) => {
  t.match(smtpOptions('smtp://user:p%40ss@mail.example.com'), { host: 'mail.example.com', port: 587, secure: false, requireTLS: true, auth: { user: 'user', pass: 'p@ss' } })
  t.match(smtpOptions('smtps://mail.example.com'), { port: 465, secure: true, requireTLS: false, auth: undefined })
  for (const near of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]']) t.match(smtpOptions(`smtp://${near}:25`), { requireTLS: false }, near)
  for (const far of ['localhost.example.com', '128.0.0.1', '[::2]', '127.0.0.1.example.com']) t.match(smtpOptions(`smtp://${far}:25`), { requireTLS: true }, far)
})

t.test('a line that is not encrypted is not used beyond this machine, whatever the server offers', async (t) => {
  const server = await startMailServer(t)
  const { createTransport } = await import('nodemailer')
  const transport = createTransport({ ...smtpOptions(server.url), requireTLS: true })
  t.teardown(() => transport.close())
  await t.rejects(transport.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'x' }), { code: 'ETLS' })
  t.same(server.received, [])
})

t.test('without a mail server', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const admin = await as.admin()
  const link = () => app.inject({ method: 'POST', url: '/api/v1/auth/password/forgot', payload: { email: 'admin@example.com' } })
  const outbox = (options: { headers?: object; remoteAddress?: string } = {}) => app.inject({ url: '/api/v1/dev/outbox', headers: { ...admin, ...options.headers }, remoteAddress: options.remoteAddress ?? '127.0.0.1' })

  t.test('mails are kept for who develops on this machine and may do everything', async (t) => {
    expectJson(await link(), 202)
    await app.jobs.run(QUEUED_WORK)
    await app.jobs.run(QUEUED_WORK)
    const answer = await outbox()
    t.match(expectJson(answer, 200), { data: [{ kind: 'password.reset_link', to: 'admin@example.com', text: /http:\/\/localhost:\d+\/ui\/reset\?token=gl_/ }] })
    t.match(answer.headers, { 'cache-control': /no-store/ })
    t.match(JSON.stringify(await database.prisma.queuedWork.findMany()), '[]')
  })

  t.test('404 or 403 for everybody else', async (t) => {
    const { headers } = await as.signUp('member@example.com')
    t.equal((await outbox({ headers })).statusCode, 403)
    t.equal((await app.inject({ url: '/api/v1/dev/outbox' })).statusCode, 401)
    t.equal((await outbox({ remoteAddress: '203.0.113.9' })).statusCode, 404)
    for (const name of ['x-forwarded-for', 'via', 'forwarded', 'x-real-ip']) t.equal((await outbox({ headers: { [name]: '127.0.0.1' } })).statusCode, 404, name)
    for (const config of [{ publicUrl: PUBLIC }, { databaseUrl: 'postgres://h/g' }]) {
      const other = await startApp(t, { database, clock, config })
      const { accessToken } = expectJson<{ accessToken: string }>(await other.app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD } }), 200)
      t.equal((await other.app.inject({ url: '/api/v1/dev/outbox', headers: as.bearer(accessToken), remoteAddress: '127.0.0.1' })).statusCode, 404, JSON.stringify(config))
    }
  })
})

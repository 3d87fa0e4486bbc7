// The address of one's own account: proven by POST /auth/email/verify, changed by POST /me/email and POST /auth/email/change. Whom it tells, what voids
// it, what it ends, and that it happens once.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, type SignedIn, startApp } from '../support/app.js'
import { workOff } from '../support/queued-work.js'
import { startMailServer } from '../support/smtp.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

t.test('the address of one\'s own account', async (t) => {
  const server = await startMailServer(t)
  const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com', accessTokenSeconds: 864_000 }
  const { app, as, clock, database } = await startApp(t, { config })
  const { app: second } = await startApp(t, { config, database, clock })
  const { prisma } = database
  const actors = await createActors(app, as)
  const post = (path: string, headers: Record<string, string> = {}, payload?: object, node = app) => node.inject({ method: 'POST', url: `/api/v1${path}`, headers, ...(payload ? { payload } : {}) })
  const ask = (headers: Record<string, string>, email: string) => post('/me/email', headers, { email })
  const confirm = (token: string, node = app) => post('/auth/email/change', {}, { token }, node)
  const prove = (token: string, node = app) => post('/auth/email/verify', {}, { token }, node)
  const me = async (headers: Record<string, string>) => expectJson<{ email: string; emailVerified: boolean; version: number }>(await app.inject({ url: '/api/v1/me', headers }), 200)
  const logIn = (email: string) => post('/auth/login', {}, { email, password: PASSWORD })
  const mailsTo = (to: string, subject: RegExp) => server.received.filter((one) => one.to.includes(to) && subject.test(one.headers['subject'] ?? ''))
  const work = async () => workOff(app)
  const tokenOf = (text: string): string => /\/ui\/confirm-address\?token=(gl_[\w-]{43})/.exec(text)?.[1] ?? ''
  let count = 0
  const someone = (): Promise<SignedIn> => as.signUp(`someone-${(count += 1)}@example.com`)
  async function linkFor(headers: Record<string, string>, email: string): Promise<string> {
    expectJson(await ask(headers, email), 202)
    await work()
    return tokenOf(server.last(email.trim().toLowerCase(), /Confirm your new address/).text)
  }

  t.test('204 changes it, once; both are told, and the new one is proven', async (t) => {
    const { user, headers } = await someone()
    const token = await linkFor(headers, ' Ada@New.example.com')
    t.match(mailsTo(user.email, /A new address was given/).length, 1, 'the old one hears of it')
    t.notMatch(server.last(user.email, /A new address/).raw, 'new.example', 'and not which')
    t.match(await me(headers), { email: user.email, emailVerified: false }, 'asking has changed nothing')
    t.notMatch(JSON.stringify(await prisma.mailedLink.findMany(), (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)), token)
    t.equal((await confirm(token)).statusCode, 204)
    t.match(await me(headers), { email: 'ada@new.example.com', emailVerified: true })
    t.equal((await logIn('ada@new.example.com')).statusCode, 200)
    t.equal((await logIn(user.email)).statusCode, 401)
    await work()
    t.equal(mailsTo(user.email, /address of your account was changed/).length, 1)
    t.match(expectJson(await confirm(token), 410), { code: 'confirmation.void' })
    const events = await prisma.auditEvent.findMany({ where: { targetId: user.id, action: { startsWith: 'email.' } }, orderBy: { id: 'asc' } })
    t.match(events.map(({ action, actorId }) => [action, actorId]), [['email.change_asked', user.id], ['email.changed', user.id]])
    t.notMatch(JSON.stringify(events, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)), token)
  })

  t.test('every session ends but the one that asked', async (t) => {
    const { user, headers } = await someone()
    const other = expectJson<{ accessToken: string; refreshToken: string }>(await logIn(user.email), 200)
    t.equal((await confirm(await linkFor(headers, 'moved@example.com'))).statusCode, 204)
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 200)
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(other.accessToken) })).statusCode, 401)
    t.equal((await post('/auth/refresh', {}, { refreshToken: other.refreshToken })).statusCode, 401)
  })

  t.test('202 for an address that is somebody\'s; 409 only to who can read its mail, and it uses nothing up', async (t) => {
    const [owner, asker] = [await someone(), await someone()]
    const [taken, free] = [await ask(asker.headers, owner.user.email), await ask((await someone()).headers, 'free@example.com')]
    t.same([taken.statusCode, taken.json(), Object.keys(taken.headers)], [free.statusCode, free.json(), Object.keys(free.headers)])
    await work()
    const token = tokenOf(server.last(owner.user.email, /Confirm your new address/).text)
    t.match(expectJson(await confirm(token), 409), { code: 'email.taken' })
    t.match(await me(asker.headers), { email: asker.user.email })
    t.match(await me(owner.headers), { email: owner.user.email })
    await prisma.user.delete({ where: { id: owner.user.id } })
    t.equal((await confirm(token)).statusCode, 204)
  })

  t.test('400, 401, 403 and 429', async (t) => {
    const { user, headers } = await someone()
    t.equal((await ask({}, 'x@example.com')).statusCode, 401)
    t.match((await ask(headers, 'no address')).json(), { code: 'request.invalid' })
    t.match((await ask(headers, user.email.toUpperCase())).json(), { code: 'request.invalid' }, 'the one it has')
    t.match((await ask(headers, 'me@account.invalid')).json(), { code: 'request.invalid' })
    const key = expectJson<{ key: string }>(await post('/keys', headers, { name: 'k' }), 201)
    t.equal((await ask(as.bearer(key.key), 'x@example.com')).statusCode, 403, 'a key is no person')
    for (let n = 0; n < 5; n += 1) expectJson(await ask(headers, `spam-${n}@example.com`), 202)
    t.match(expectJson(await ask(headers, 'spam-6@example.com'), 429), { code: 'rate.limited' })
    clock.advance(11 * MINUTE_MS)
    const { accessToken } = expectJson<{ accessToken: string }>(await logIn(user.email), 200)
    clock.advance(10 * MINUTE_MS + 1_000)
    t.match((await ask(as.bearer(accessToken), 'x@example.com')).json(), { code: 'login.stepup' }, 'who signed in a while ago proves it once more')
    t.match(expectJson(await confirm('gl_nothing'), 410), { code: 'confirmation.void' })
  })

  t.test('one waits at a time; a password, another address, a suspension, a deletion and the end of the session that asked void it; it ends after a day', async (t) => {
    const changes = {
      replaced: async ({ headers }: SignedIn) => void expectJson(await ask(headers, 'later@example.com'), 202),
      password: async ({ headers }: SignedIn) => t.equal((await post('/me/password', headers, { currentPassword: PASSWORD, newPassword: 'a quiet mountain of paper' })).statusCode, 204),
      suspended: async ({ user }: SignedIn) => t.equal((await actors.patch(`/users/${user.id}`, await as.admin(), { status: 'suspended' })).statusCode, 200),
      address: async ({ user }: SignedIn) => t.equal((await actors.patch(`/users/${user.id}`, await as.admin(), { email: `by-admin-${user.id}@example.com` })).statusCode, 200),
      'signed-out': async ({ headers }: SignedIn) => t.equal((await post('/auth/logout', headers)).statusCode, 204),
      'signed-out-elsewhere': async ({ user, headers }: SignedIn) => {
        const { accessToken } = expectJson<{ accessToken: string }>(await logIn(user.email), 200)
        const { data } = expectJson<{ data: { id: string; current: boolean }[] }>(await app.inject({ url: '/api/v1/sessions', headers }), 200)
        for (const { id } of data.filter(({ current }) => current)) t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/sessions/${id}`, headers: as.bearer(accessToken) })).statusCode, 204)
      },
      deleted: async ({ headers }: SignedIn) => t.equal((await app.inject({ method: 'DELETE', url: '/api/v1/me', headers })).statusCode, 204),
      late: async () => clock.advance(24 * HOUR_MS),
    }
    for (const [what, change] of Object.entries(changes)) {
      const one = await someone()
      const token = await linkFor(one.headers, `void-${what}@example.com`)
      await change(one)
      t.match(expectJson(await confirm(token), 410), { code: 'confirmation.void' }, what)
      t.equal(await prisma.user.count({ where: { email: `void-${what}@example.com` } }), 0, what)
    }
  })

  t.test('there is no other way to one\'s own address; an administrator\'s change of another\'s tells the old one, and proves nothing', async (t) => {
    const { headers, id } = await actors.person(['gatehouse:users.write'])
    t.match((await actors.patch(`/users/${id}`, headers, { email: 'mine@example.com' })).json(), { code: 'access.denied' })
    const admin = await as.adminUser()
    t.match((await actors.patch(`/users/${admin.user.id}`, admin.headers, { email: 'mine@example.com' })).json(), { code: 'access.denied' })
    t.equal((await actors.patch(`/users/${admin.user.id}`, (await as.key(['gatehouse:users.write'])).headers, { email: 'mine@example.com' })).statusCode, 403, 'nor by a key')
    const other = await someone()
    await prisma.user.update({ where: { id: other.user.id }, data: { emailVerifiedAt: new Date() } })
    t.match(expectJson(await actors.patch(`/users/${other.user.id}`, admin.headers, { email: 'given@example.com' }), 200), { email: 'given@example.com', emailVerified: false })
    await work()
    t.equal(mailsTo(other.user.email, /address of your account was changed/).length, 1)
  })

  t.test('50 uses at once on two nodes: one changes it', async (t) => {
    const { user, headers } = await someone()
    const token = await linkFor(headers, 'race@example.com')
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => confirm(token, at % 2 === 0 ? app : second)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 204).length, 1, answers.map(({ statusCode }) => statusCode).join())
    t.ok(answers.every(({ statusCode }) => [204, 410, 503].includes(statusCode)))
    t.equal(await prisma.auditEvent.count({ where: { action: 'email.changed', targetId: user.id } }), 1)
  })

  t.test('two accounts to one address at once: one has it', async (t) => {
    const both = [await someone(), await someone()]
    const tokens: string[] = []
    for (const { headers } of both) tokens.push(await linkFor(headers, 'both@example.com'))
    t.same((await Promise.all(tokens.map((token, at) => confirm(token, at === 0 ? app : second)))).map(({ statusCode }) => statusCode).toSorted((a, b) => a - b), [204, 409])
  })

  t.test('one\'s address is proven by a link that one asks for: once, and for no other address', async (t) => {
    const { user, headers } = await someone()
    const proof = async (): Promise<string> => {
      expectJson(await post('/me/email/verify', headers), 202)
      await work()
      return tokenOf(server.last(user.email, /Confirm your address/).text)
    }
    const [first, token] = [await proof(), await proof()]
    t.match(expectJson(await confirm(token), 410), { code: 'confirmation.void' }, 'it changes nothing')
    const before = await me(headers)
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => prove(token, at % 2 === 0 ? app : second)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 204).length, 1)
    const now = await me(headers)
    t.ok(now.emailVerified && now.version > before.version, 'a strong validator changes with it')
    t.match(expectJson(await prove(first), 410), { code: 'confirmation.void' }, 'with one proof the others are void')
    const mails = server.received.length
    expectJson(await post('/me/email/verify', headers), 202)
    await work()
    t.equal(server.received.length, mails, 'what is proven is not proven again')
  })

  t.test('PATCH /me: the language of mails', async (t) => {
    const { user, headers } = await someone()
    const patch = (payload: object) => actors.patch('/me', headers, payload)
    t.match(expectJson(await patch({ locale: 'DE-at' }), 200), { locale: 'de-AT', name: null })
    expectJson(await ask(headers, 'deutsch@example.com'), 202)
    await work()
    t.match(server.last('deutsch@example.com').headers['subject'], 'Neue Adresse bestätigen')
    for (const locale of ['', 'x', 'de_AT', 'de-AT"', 'a'.repeat(36), 'constructor', 7]) t.match((await patch({ locale })).json(), { code: 'request.invalid' }, String(locale))
    t.match(expectJson(await patch({ locale: null, name: 'Lea' }), 200), { locale: null, name: 'Lea' })
    t.equal((await patch({})).statusCode, 400)
    const list = expectJson<{ data: object[] }>(await app.inject({ url: `/api/v1/users?email[contains]=${user.email}`, headers: await as.admin() }), 200)
    t.match(list.data, [{ locale: null, emailVerified: false }])
  })
})

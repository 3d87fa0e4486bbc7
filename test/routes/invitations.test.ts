// Invitations: who may give which, what the mail's link opens, once, and what of their giver's rights it is worth by then.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { workOff } from '../support/queued-work.js'
import { startMailServer } from '../support/smtp.js'

const DAY_MS = 86_400_000
const TOKEN = /https:\/\/auth\.example\.com\/ui\/invitation\?token=(gl_[\w-]{43})/

interface View {
  id: string
  email: string
  roles: string[]
  givenBy: string
  givenWithKey: string | null
}

t.test('invitations', async (t) => {
  const server = await startMailServer(t)
  const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com', signUp: 'invited', accessTokenSeconds: 8_640_000, sessionIdleSeconds: 8_640_000 } as const
  const { app, as, clock, database } = await startApp(t, { config })
  const second = (await startApp(t, { config, database, clock })).app
  const { prisma } = database
  const admin = await as.admin()
  const actors = await createActors(app, as)
  let count = 0
  const post = (path: string, payload?: object, headers: Record<string, string> = {}, node = app) =>
    node.inject({ method: 'POST', url: `/api/v1${path}`, headers, ...(payload ? { payload } : {}), remoteAddress: `10.${(count += 1) >> 8}.${count & 255}.1` })
  const invite = (headers: Record<string, string>, email: string, more: object = {}) => post('/invitations', { email, ...more }, headers)
  const accept = (token: string, more: object = {}, node = app) => post('/auth/invitations/accept', { token, password: PASSWORD, ...more }, {}, node)
  const work = async () => workOff(app)
  const tokenFor = (email: string): string => TOKEN.exec(server.last(email).text)?.[1] ?? ''
  async function invited(headers: Record<string, string>, email: string, more: object = {}): Promise<View & { token: string }> {
    const view = expectJson<View>(await invite(headers, email, more), 201)
    await work()
    return { ...view, token: tokenFor(view.email) }
  }

  t.test('201 mails a link, which opens the account with those roles, once, and signs in', async (t) => {
    const { token, ...view } = await invited(admin, ' Ada@Example.com', { roles: ['member'], locale: 'de' })
    t.match(view, { email: 'ada@example.com', roles: ['member'], givenWithKey: null })
    t.equal(server.last('ada@example.com').headers['subject'], 'Sie sind eingeladen')
    t.notMatch(JSON.stringify(view), token)
    t.notMatch(JSON.stringify(await prisma.mailedLink.findMany(), (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)), token)
    t.match((await accept(token, { password: 'short' })).json(), { code: 'password.weak' }, 'a weak one uses nothing up')
    for (let n = 0; n < 3; n += 1) t.equal((await app.inject({ url: `/ui/invitation?token=${token}` })).statusCode, 303, 'nor does looking')
    const opened = expectJson<{ user: { id: string }; accessToken: string }>(await accept(token, { name: 'Ada' }), 201)
    t.match(opened, { status: 'signed_in', user: { email: 'ada@example.com', name: 'Ada', roles: ['member'], emailVerified: true, locale: 'de' } })
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(opened.accessToken) })).statusCode, 200)
    expectJson(await post('/auth/login', { email: 'ada@example.com', password: PASSWORD }), 200)
    t.match(expectJson(await accept(token), 410), { code: 'invitation.void' })
    t.match(await prisma.user.findUniqueOrThrow({ where: { id: opened.user.id } }), { issuedBy: view.givenBy }, 'put down to who invited')
    t.match(await prisma.userRole.findFirst({ where: { userId: opened.user.id } }), { issuedBy: view.givenBy })
    const events = await prisma.auditEvent.findMany({ where: { action: { startsWith: 'invitation.' } }, orderBy: { id: 'asc' } })
    t.match(events, [{ action: 'invitation.given', targetId: view.id }, { action: 'invitation.accepted', targetId: opened.user.id, actorId: opened.user.id, details: { invitation: view.id } }])
    t.match((await post('/auth/signup', { email: 'x@example.com', password: PASSWORD })).json(), { code: 'signup.closed' }, 'nobody else opens one')
  })

  t.test('201 and 403 by SIGN_UP', async (t) => {
    const { token } = await invited(admin, 'modes@example.com')
    const { app: closed } = await startApp(t, { config: { ...config, signUp: 'closed' }, database, clock })
    const { app: open } = await startApp(t, { config: { ...config, signUp: 'open' }, database, clock })
    t.match((await post('/invitations', { email: 'y@example.com' }, admin, closed)).json(), { status: 403, code: 'signup.closed' })
    t.match((await accept(token, {}, closed)).json(), { status: 403, code: 'signup.closed' })
    expectJson(await accept(token, {}, open), 201)
  })

  t.test('nobody invites to what they do not hold: strangers, members, who may open accounts, their keys', async (t) => {
    const strong = await actors.role(['gatehouse:keys.read', 'reports:read'])
    const weak = await actors.role(['gatehouse:users.write'])
    t.equal(await actors.outcome(invite({}, 'z@example.com')), '401 credentials.missing')
    t.equal(await actors.outcome(invite((await actors.person([])).headers, 'z@example.com')), '403 access.denied')
    const inviter = await actors.person(['gatehouse:users.write'])
    t.equal(await actors.outcome(invite(inviter.headers, 'z@example.com', { roles: [strong] })), '403 permission.not_held')
    t.equal(await actors.outcome(invite(inviter.headers, 'z@example.com', { roles: ['admin'] })), '403 permission.not_held')
    t.equal(await actors.outcome(invite(inviter.headers, 'z@example.com', { roles: ['nothing'] })), '400 role.unknown')
    for (const email of ['no address', 'me@service.invalid', 'me@account.invalid']) t.equal(await actors.outcome(invite(inviter.headers, email)), '400 request.invalid', email)
    t.equal(await actors.outcome(invite(inviter.headers, 'z@example.com', { locale: 'de_AT' })), '400 request.invalid')
    t.equal(await actors.outcome(invite(inviter.headers, 'z@example.com', { roles: [weak] })), '201', 'what they hold they may give')
    const machine = await actors.machine(['gatehouse:users.write'])
    t.equal(await actors.outcome(invite(machine.headers, 'z2@example.com', { roles: [strong] })), '403 permission.not_held')
    t.equal(await actors.outcome(invite(machine.headers, 'z2@example.com')), '201')
    const fenced = await actors.machine(['gatehouse:users.write'], { addresses: ['127.0.0.0/8', '10.0.0.0/8'] })
    t.equal(await actors.outcome(invite(fenced.headers, 'z3@example.com', { roles: [weak] })), '403 permission.not_held', 'a role is for ever and from anywhere')
    t.equal(await prisma.mailedLink.count({ where: { kind: 'invitation', email: 'z3@example.com' } }), 0)
    t.ok(await prisma.auditEvent.count({ where: { action: 'access.denied', targetType: 'invitation' } }))
  })

  t.test('whoever may not invite any more learns no role by trying and takes nothing back, also before this node has heard of it', async (t) => {
    const { role, headers } = await actors.person(['gatehouse:users.write'])
    t.match((await invite(headers, 'none@example.com', { roles: ['no-such-role'] })).json(), { code: 'role.unknown' })
    const { id } = expectJson<View>(await invite(headers, 'some@example.com'), 201)
    await prisma.role.update({ where: { name: role }, data: { permissions: [] } })
    t.match((await invite(headers, 'none@example.com', { roles: ['no-such-role'] })).json(), { code: 'access.denied' })
    t.match((await app.inject({ method: 'DELETE', url: `/api/v1/invitations/${id}`, headers })).json(), { code: 'access.denied' }, 'nor takes back what they gave')
  })

  t.test('410 when whoever gave it could not give it now: demoted, suspended, deleted, outgrown by the role, or without the key', async (t) => {
    const cases: Record<string, (giver: { id: string; role: string }, given: string) => Promise<unknown>> = {
      demoted: ({ id }) => actors.patch(`/users/${id}`, admin, { roles: [] }),
      narrowed: async ({ role }) => {
        const { id } = expectJson<{ id: string }>(await app.inject({ url: `/api/v1/roles/${role}`, headers: admin }), 200)
        return actors.patch(`/roles/${id}`, admin, { permissions: ['gatehouse:users.write'] })
      },
      suspended: ({ id }) => actors.patch(`/users/${id}`, admin, { status: 'suspended' }),
      deleted: ({ id }) => app.inject({ method: 'DELETE', url: `/api/v1/users/${id}`, headers: admin }),
      outgrown: async (_, given) => {
        const { id } = expectJson<{ id: string }>(await app.inject({ url: `/api/v1/roles/${given}`, headers: admin }), 200)
        return actors.patch(`/roles/${id}`, admin, { permissions: ['reports:read', 'reports:write'] })
      },
      remade: async (_, given) => {
        const { id } = expectJson<{ id: string }>(await app.inject({ url: `/api/v1/roles/${given}`, headers: admin }), 200)
        await app.inject({ method: 'DELETE', url: `/api/v1/roles/${id}`, headers: { ...admin, 'if-match': '*' } })
        return post('/roles', { name: given, permissions: ['reports:read'] }, admin)
      },
    }
    for (const [what, change] of Object.entries(cases)) {
      const giver = await actors.person(['gatehouse:users.write', 'reports:read'])
      const given = await actors.role(['reports:read'])
      const { id, token } = await invited(giver.headers, `${what}@example.com`, { roles: [given] })
      const answer = await change(giver, given) as { statusCode: number; body: string }
      t.ok(answer.statusCode < 300, `${what}: ${answer.body}`)
      t.match(expectJson(await accept(token), 410), { code: 'invitation.void' }, what)
      t.equal(await prisma.user.count({ where: { email: `${what}@example.com` } }), 0, what)
      t.equal(await prisma.auditEvent.count({ where: { action: 'invitation.refused', targetId: id } }), 1, what)
      if (what === 'demoted') {
        await actors.patch(`/users/${giver.id}`, admin, { roles: [giver.role] })
        t.match(expectJson(await accept(token), 410), { code: 'invitation.void' }, 'it is not judged a second time')
      }
    }
    const machine = await actors.machine(['gatehouse:users.write'])
    const { token } = await invited(machine.headers, 'by-key@example.com')
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/keys/${machine.keyId}`, headers: admin })).statusCode, 200)
    t.match(expectJson(await accept(token), 410), { code: 'invitation.void' }, 'its key was revoked')
    const nameless = await invited(admin, 'nameless@example.com')
    await prisma.mailedLink.update({ where: { id: nameless.id }, data: { givenBy: null } })
    t.match(expectJson(await accept(nameless.token), 410), { code: 'invitation.void' }, 'nobody gave it')
    const signedOut = await actors.person(['gatehouse:users.write'])
    const still = await invited(signedOut.headers, 'signed-out@example.com')
    await post('/auth/logout', undefined, signedOut.headers)
    expectJson(await accept(still.token), 201)
  })

  t.test('50 uses at once on two nodes: one opens it', async (t) => {
    const { token } = await invited(admin, 'race@example.com')
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => accept(token, { password: `${PASSWORD} ${at}` }, at % 2 === 0 ? app : second)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 201).length, 1, answers.map(({ statusCode }) => statusCode).join())
    t.ok(answers.every(({ statusCode }) => [201, 409, 410, 429, 503].includes(statusCode)))
    t.equal(await prisma.user.count({ where: { email: 'race@example.com' } }), 1)
    expectJson(await post('/auth/login', { email: 'race@example.com', password: `${PASSWORD} ${answers.findIndex(({ statusCode }) => statusCode === 201)}` }), 200)
  })

  t.test('demoting while it is accepted: an account that was there before, or none', async (t) => {
    for (let round = 0; round < 6; round += 1) {
      const giver = await actors.person(['gatehouse:users.write'])
      const email = `narrow-${round}@example.com`
      const { token } = await invited(giver.headers, email, { roles: [giver.role] })
      const both = [() => accept(token, {}, second), () => actors.patch(`/users/${giver.id}`, admin, { roles: [] })]
      const answers = await Promise.all((round % 2 === 0 ? both : both.toReversed()).map(async (one) => one()))
      t.ok(answers.every(({ statusCode }) => [200, 201, 410].includes(statusCode)), answers.map(({ body }) => body).join())
      const account = await prisma.user.findUnique({ where: { email } })
      const demoted = await prisma.auditEvent.findFirst({ where: { action: 'user.updated', targetId: giver.id } })
      const accepted = account && (await prisma.auditEvent.findFirst({ where: { action: 'invitation.accepted', targetId: account.id } }))
      // rows are written behind the gate of the giver: their order is that of the two acts
      t.ok(demoted && (account === null || (accepted && accepted.id < demoted.id)))
    }
  })

  t.test('an address that has an account: 409 to who invites, and to who accepts when it came meanwhile', async (t) => {
    const { token } = await invited(admin, 'meanwhile@example.com')
    expectJson(await post('/users', { email: 'meanwhile@example.com', password: PASSWORD }, admin), 201)
    t.match(expectJson(await accept(token, { password: 'a quiet mountain of paper' }), 409), { code: 'email.taken' })
    expectJson(await post('/auth/login', { email: 'meanwhile@example.com', password: PASSWORD }), 200)
    t.match(expectJson(await invite(admin, 'Meanwhile@example.com'), 409), { code: 'email.taken' })
  })

  t.test('listed and revoked: one\'s own, or what one reaches', async (t) => {
    const strong = await actors.role(['gatehouse:keys.read'])
    const giver = await actors.person(['gatehouse:users.write', 'gatehouse:users.read'])
    const [own, others] = [await invited(giver.headers, 'own@example.com'), await invited(admin, 'others@example.com', { roles: [strong] })]
    const list = async (query = '') => expectJson<{ data: View[] }>(await app.inject({ url: `/api/v1/invitations${query}`, headers: giver.headers }), 200).data
    t.match(await list(`?givenBy=${giver.id}`), [{ id: own.id, email: 'own@example.com', roles: ['member'], givenBy: giver.id, givenWithKey: null }])
    t.ok((await list('?sort=-createdAt&limit=200')).some(({ id }) => id === others.id))
    t.notMatch(JSON.stringify(await list()), own.token)
    const revoke = (headers: Record<string, string>, id: string) => actors.outcome(app.inject({ method: 'DELETE', url: `/api/v1/invitations/${id}`, headers }))
    t.equal(await revoke((await actors.person([])).headers, own.id), '403 access.denied')
    const lost = await actors.person(['gatehouse:users.write'])
    await prisma.role.update({ where: { name: lost.role }, data: { permissions: [] } })
    t.equal(await revoke(lost.headers, own.id), '403 access.denied', 'nor with what this node has not heard of yet')
    t.equal(await revoke(giver.headers, others.id), '403 permission.not_held')
    t.equal(await revoke(giver.headers, own.id), '204')
    t.equal(await revoke(giver.headers, own.id), '404 invitation.not_found')
    t.equal(await revoke((await actors.person(['gatehouse:brake'])).headers, others.id), '204')
    for (const { token } of [own, others]) t.match(expectJson(await accept(token), 410), { code: 'invitation.void' })
    t.equal((await list(`?givenBy=${giver.id}`)).length, 0)
    t.equal((await app.inject({ url: '/api/v1/invitations', headers: (await actors.person([])).headers })).statusCode, 403)
  })

  t.test('what waits is counted among what somebody has given, and ended with it', async (t) => {
    const giver = await actors.person(['gatehouse:users.write'])
    const { token } = await invited(giver.headers, 'granted@example.com')
    t.match(expectJson(await app.inject({ url: `/api/v1/users/${giver.id}/grants`, headers: admin }), 200), { accounts: 0, invitations: 1 })
    t.match(expectJson(await actors.patch(`/users/${giver.id}?grants=revoke`, admin, { roles: [] }), 200), { grants: { invitations: 0 } })
    await actors.patch(`/users/${giver.id}`, admin, { roles: [giver.role] })
    t.match(expectJson(await accept(token), 410), { code: 'invitation.void' })
  })

  t.test('a hundred of one giver wait at a time, also when they are given at once; three an hour go to an address', async (t) => {
    const giver = await actors.person(['gatehouse:users.write'])
    await prisma.mailedLink.createMany({
      data: Array.from({ length: 95 }, (_, at) => ({ id: `0198c0de-7d3a-7c1e-9a53-0d9a3c0b${7000 + at}`, kind: 'invitation', email: `many-${at}@example.com`, tokenHash: new Uint8Array(32).fill(at), details: { roles: [], via: '', locale: null }, givenBy: giver.id, createdAt: new Date(clock.now()), expiresAt: new Date(clock.now() + DAY_MS) })),
    })
    const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => post('/invitations', { email: `more-${at}@example.com` }, giver.headers, at % 2 === 0 ? app : second)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 201).length, 5)
    t.match(answers.find(({ statusCode }) => statusCode !== 201)?.json(), { status: 409, code: 'invitation.cap_reached' })
    for (let n = 0; n < 3; n += 1) {
      const { id } = expectJson<View>(await invite(admin, 'thrice@example.com'), 201)
      t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/invitations/${id}`, headers: admin })).statusCode, 204)
    }
    t.match(expectJson(await invite(admin, 'thrice@example.com'), 429), { code: 'rate.limited' })
    await work()
  })

  t.test('a repeated request with one Idempotency-Key invites once', async (t) => {
    const headers = { ...admin, 'idempotency-key': 'invite-1' }
    const [first, again] = [await invite(headers, 'idem@example.com'), await invite(headers, 'idem@example.com')]
    t.same(again.json(), first.json())
    t.equal(await prisma.mailedLink.count({ where: { email: 'idem@example.com' } }), 1)
  })

  t.test('it ends after seven days', async (t) => {
    const { token } = await invited(admin, 'late@example.com')
    clock.advance(7 * DAY_MS)
    t.match(expectJson(await accept(token), 410), { code: 'invitation.void' })
    t.match(expectJson(await accept('gl_nothing'), 410), { code: 'invitation.void' })
  })
})

// POST /users/:id/password-reset and POST /auth/password/reset: a link for somebody else's password, judged when given and when used.
import t from 'tap'
import { expectJson, PASSWORD, type SignedIn, startApp } from '../support/app.js'
import { EXPIRY } from '../../src/database/expiry.js'

const NEW = 'a quiet mountain of paper'
const HOUR_MS = 3_600_000

interface Link {
  token: string
  expiresAt: string
}

t.test('links that set a password', async (t) => {
  const one = await startApp(t)
  const { app, as, clock, database } = one
  const { prisma } = database
  const two = await startApp(t, { database, clock })
  const give = (id: string, headers: object) => app.inject({ method: 'POST', url: `/api/v1/users/${id}/password-reset`, headers: { ...headers } })
  const take = (token: string, newPassword = NEW, node = app) => node.inject({ method: 'POST', url: '/api/v1/auth/password/reset', payload: { token, newPassword } })
  const logIn = (email: string, password: string) => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password } })
  const links = () => prisma.passwordReset.count()
  const hashOf = async (id: string) => (await prisma.user.findUniqueOrThrow({ where: { id } })).passwordHash
  const setRoles = async (id: string, roles: string[]) => {
    await prisma.userRole.deleteMany({ where: { userId: id } })
    await prisma.userRole.createMany({ data: roles.map((roleName) => ({ userId: id, roleName })) })
  }
  const admin = await as.adminUser()
  // U of AUTHORITY: may write users, and little else
  await prisma.role.createMany({
    data: [{ name: 'helpdesk', description: '', permissions: ['gatehouse:users.write'] }, { name: 'secretary', description: '', permissions: ['gatehouse:audit.read'] },
      { name: 'auditor', description: '', permissions: ['gatehouse:audit.read'] }],
  })
  const helper = await as.signUp('helper@example.com')
  await setRoles(helper.user.id, ['member', 'helpdesk'])
  const member = await as.signUp('member@example.com')
  const linkFor = async (who: SignedIn, by = admin) => expectJson<Link>(await give(who.user.id, by.headers), 201)

  /** The link is refused and has set nothing. */
  async function isVoid(t: Tap, token: string, who: SignedIn, what = 'void'): Promise<void> {
    const before = await hashOf(who.user.id)
    t.match(expectJson(await take(token), 410), { code: 'reset.void' }, what)
    t.equal(await hashOf(who.user.id), before, what)
  }

  t.test('201 with a token that sets the password once, ends every session and is in the audit log without its secret', async (t) => {
    const answer = await give(member.user.id, helper.headers)
    const { token, expiresAt } = expectJson<Link>(answer, 201)
    t.match(answer.headers, { 'cache-control': /no-store/ })
    t.match(token, /^gp_[\w-]{43}$/)
    t.equal(Date.parse(expiresAt), clock.now() + HOUR_MS)
    t.notMatch(JSON.stringify(await prisma.passwordReset.findMany(), (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)), token)
    t.match(expectJson(await take(token, 'short'), 400), { code: 'password.weak' }, 'a weak password uses nothing up')
    t.equal((await take(token)).statusCode, 204)
    t.equal((await logIn('member@example.com', PASSWORD)).statusCode, 401)
    t.equal((await logIn('member@example.com', NEW)).statusCode, 200)
    t.equal((await app.inject({ url: '/api/v1/me', headers: member.headers })).statusCode, 401, 'whoever was signed in is out')
    await isVoid(t, token, member)
    const events = await prisma.auditEvent.findMany({ where: { targetId: member.user.id, action: { startsWith: 'password.' } }, orderBy: { id: 'asc' } })
    t.match(events, [
      { action: 'password.reset_given', actorId: helper.user.id }, { action: 'password.reset', actorId: member.user.id, details: { givenBy: helper.user.id } },
    ])
    t.notMatch(JSON.stringify(events), token)
  })

  t.test('204 for an account that was created without a password: its first one', async (t) => {
    const payload = { email: 'first@example.com' }
    const { id } = expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin.headers, payload }), 201)
    const { token } = expectJson<Link>(await give(id, admin.headers), 201)
    t.equal((await take(token)).statusCode, 204)
    t.equal((await logIn(payload.email, NEW)).statusCode, 200)
  })

  t.test('36: 403 for whoever may do less than the account, and nothing is given', async (t) => {
    const holder = await as.signUp()
    await setRoles(holder.user.id, ['member', 'secretary'])
    const before = await links()
    for (const target of [admin, holder]) t.match(expectJson(await give(target.user.id, helper.headers), 403), { code: 'permission.not_held' })
    const { headers } = await as.key(['gatehouse:users.write'])
    t.match(expectJson(await give(admin.user.id, headers), 403), { code: /permission.not_held|access.denied/ }, 'a key of an administrator that holds little, either')
    t.equal((await give(admin.user.id, member.headers)).statusCode, 401)
    t.equal((await give(admin.user.id, (await as.signUp()).headers)).statusCode, 403, 'nor a member')
    t.equal(await links(), before)
    t.match(await prisma.auditEvent.findFirst({ where: { targetId: admin.user.id, action: 'access.denied', actorId: helper.user.id } }), { details: { code: 'permission.not_held' } })
  })

  t.test('37: 403, too, where only a key sold to them may do more', async (t) => {
    const owner = await as.signUp()
    const payload = { name: 'sold', permissions: ['reports:read'], ownerUserId: owner.user.id }
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin.headers, payload }), 201)
    t.match(expectJson(await give(owner.user.id, helper.headers), 403), { code: 'permission.not_held' })
    t.equal((await give(owner.user.id, admin.headers)).statusCode, 201)
  })

  t.test('403 for one\'s own account: a stolen session would become a password', async (t) => {
    t.match(expectJson(await give(helper.user.id, helper.headers), 403), { code: 'access.denied', detail: /me\/password/ })
  })

  t.test('404 for nobody, 409 for who is suspended or a service', async (t) => {
    t.match(expectJson(await give('0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', admin.headers), 404), { code: 'user.not_found' })
    const { user } = await as.signUp()
    await prisma.user.update({ where: { id: user.id }, data: { status: 'suspended' } })
    t.match(expectJson(await give(user.id, admin.headers), 409), { code: 'reset.unavailable' })
    await prisma.user.update({ where: { id: user.id }, data: { status: 'active', kind: 'service', passwordHash: null } })
    t.match(expectJson(await give(user.id, admin.headers), 409), { code: 'reset.unavailable' })
  })

  t.test('410 alike for a wrong, a replaced, an expired and a used token, which cost no row', async (t) => {
    const who = await as.signUp()
    const replaced = await linkFor(who)
    const { token } = await linkFor(who)
    t.equal(await prisma.passwordReset.count({ where: { userId: who.user.id } }), 1, 'one live link a user')
    const events = await prisma.auditEvent.count()
    const bodies = []
    for (const wrong of [replaced.token, `gp_${'A'.repeat(43)}`, 'x', `${token}A`, token.toUpperCase(), ' ']) {
      const { requestId: _, ...body } = expectJson<{ requestId: string }>(await take(wrong), 410)
      bodies.push(JSON.stringify(body))
    }
    t.equal(new Set(bodies).size, 1)
    t.equal(await prisma.auditEvent.count(), events)
    clock.advance(HOUR_MS)
    await isVoid(t, token, who)
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.passwordReset.count({ where: { userId: who.user.id } }), 0, 'and the sweep takes it away')
  })

  t.test('44: 410 when the account has changed since: roles, status, e-mail, password, by any way', async (t) => {
    const fresh = await as.adminUser()
    const headers = { authorization: `Bearer ${expectJson<{ accessToken: string }>(await logIn(fresh.user.email, PASSWORD), 200).accessToken}` }
    const patch = async (id: string, payload: object) => expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${id}`, headers: { ...headers, 'if-match': '*' }, payload }), 200)
    const changes: [string, (who: SignedIn) => Promise<unknown>][] = [
      ['made an administrator', ({ user }) => patch(user.id, { roles: ['admin'] })],
      ['given a role and rid of it', async ({ user }) => { await patch(user.id, { roles: ['member', 'secretary'] }); await patch(user.id, { roles: ['member'] }) }],
      ['suspended', ({ user }) => patch(user.id, { status: 'suspended' })],
      ['suspended and active again', async ({ user }) => { await patch(user.id, { status: 'suspended' }); await patch(user.id, { status: 'active' }) }],
      ['of another e-mail', ({ user }) => patch(user.id, { email: `new-${user.email}` })],
      ['of another password', async (who) => t.equal((await app.inject({
        method: 'POST', url: '/api/v1/me/password', headers: (await refreshed(who)).headers, payload: { currentPassword: PASSWORD, newPassword: 'yet another long one' },
      })).statusCode, 204)],
      ['changed by hand in SQL', ({ user }) => database.pool.query('INSERT INTO user_roles (user_id, role_name) VALUES ($1, \'secretary\')', [user.id])],
    ]
    for (const [what, change] of changes) {
      const who = await as.signUp()
      const { token } = expectJson<Link>(await give(who.user.id, headers), 201)
      await change(who)
      await isVoid(t, token, who, what)
    }
    const who = await as.signUp()
    const { token } = expectJson<Link>(await give(who.user.id, headers), 201)
    await patch(who.user.id, { name: 'Another name' })
    expectJson(await logIn(who.user.email, PASSWORD), 200)
    t.equal((await take(token)).statusCode, 204, 'a new name and a sign-in void nothing')
  })

  t.test('410 when whoever gave it is suspended, demoted or outgrown, or their key has ended; the link is gone for good', async (t) => {
    const giverOf = async (roles: string[]): Promise<SignedIn> => {
      const giver = await as.signUp()
      await setRoles(giver.user.id, roles)
      return giver
    }
    const losses: [string, (giver: SignedIn) => Promise<unknown>, (giver: SignedIn) => Promise<unknown>][] = [
      ['suspended', ({ user }) => prisma.user.update({ where: { id: user.id }, data: { status: 'suspended' } }), ({ user }) => prisma.user.update({ where: { id: user.id }, data: { status: 'active' } })],
      ['deleted', ({ user }) => prisma.user.delete({ where: { id: user.id } }), async () => undefined],
      ['outgrown', () => prisma.role.update({ where: { name: 'secretary' }, data: { permissions: ['gatehouse:keys.read'] } }),
        () => prisma.role.update({ where: { name: 'secretary' }, data: { permissions: ['gatehouse:audit.read'] } })],
      ['demoted', ({ user }) => setRoles(user.id, ['member']), ({ user }) => setRoles(user.id, ['member', 'helpdesk', 'auditor'])],
      ['no longer allowed to change users, though they still reach the account', ({ user }) => setRoles(user.id, ['auditor']), ({ user }) => setRoles(user.id, ['member', 'helpdesk', 'auditor'])],
    ]
    for (const [what, lose, regain] of losses) {
      const giver = await giverOf(['member', 'helpdesk', 'auditor'])
      const who = await as.signUp()
      await setRoles(who.user.id, ['secretary'])
      const { token } = await linkFor(who, giver)
      await lose(giver)
      t.match(expectJson(await take(token, NEW, two.app), 410), { code: 'reset.void' }, what)
      await regain(giver)
      await isVoid(t, token, who)
      t.equal(await prisma.auditEvent.count({ where: { targetId: who.user.id, action: 'password.reset_refused' } }), 1)
    }
    const { id, headers } = await (async () => {
      const by = await refreshed(admin)
      const body = expectJson<{ id: string; key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: by.headers, payload: { name: 'k', permissions: ['gatehouse:users.write'] } }), 201)
      return { id: body.id, headers: as.bearer(body.key) }
    })()
    const [kept, lost] = [await as.signUp(), await as.signUp()]
    const links = { kept: expectJson<Link>(await give(kept.user.id, headers), 201), lost: expectJson<Link>(await give(lost.user.id, headers), 201) }
    t.equal((await take(links.kept.token)).statusCode, 204, 'a key gives links, too')
    await prisma.apiKey.update({ where: { id }, data: { revokedAt: new Date(clock.now()) } })
    await isVoid(t, links.lost.token, lost)
  })

  t.test('of many takers on two nodes one sets the password', async (t) => {
    const who = await as.signUp()
    const token = (await linkFor(who, await refreshed(admin))).token
    const passwords = Array.from({ length: 8 }, (_, at) => `taker number ${at} of the link`)
    const answers = await Promise.all(passwords.map((password, at) => take(token, password, at % 2 === 0 ? app : two.app)))
    const winners = answers.flatMap(({ statusCode }, at) => (statusCode === 204 ? [passwords[at] ?? ''] : []))
    t.equal(winners.length, 1)
    t.equal(answers.filter(({ statusCode }) => statusCode === 410).length, 7)
    t.equal((await logIn(who.user.email, winners[0] ?? '')).statusCode, 200)
    t.equal(await prisma.auditEvent.count({ where: { targetId: who.user.id, action: 'password.reset' } }), 1)
  })

  async function refreshed(who: SignedIn): Promise<SignedIn> {
    const { accessToken } = expectJson<{ accessToken: string }>(await logIn(who.user.email, PASSWORD), 200)
    return { ...who, accessToken, headers: as.bearer(accessToken) }
  }

  t.test('taking a link while its account changes ends in one of both, never in a deadlock', async (t) => {
    const by = await refreshed(admin)
    for (let round = 0; round < 4; round += 1) {
      const who = await as.signUp()
      const { token } = await linkFor(who, by)
      const answers = await Promise.all([
        take(token), take(token, NEW, two.app),
        app.inject({ method: 'PATCH', url: `/api/v1/users/${who.user.id}`, headers: { ...by.headers, 'if-match': '*' }, payload: { roles: ['admin'] } }),
        give(who.user.id, by.headers),
      ])
      t.ok(answers.every(({ statusCode }) => statusCode < 500), answers.map(({ statusCode }) => statusCode).join(' '))
      t.ok(answers.filter(({ statusCode }) => statusCode === 204).length <= 1)
    }
  })

  t.test('47: who has lost every role signs out all the same', async (t) => {
    const bare = await as.signUp()
    await setRoles(bare.user.id, [])
    const headers = as.bearer(expectJson<{ accessToken: string }>(await logIn(bare.user.email, PASSWORD), 200).accessToken)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers })).statusCode, 204)
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 401)
  })
})

type Tap = { match: typeof t.match; equal: typeof t.equal }

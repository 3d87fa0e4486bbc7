// /organizations: who opens one, what it is entitled to, who is in it and with which of its roles; nobody gives in one what they do not hold there.
import t from 'tap'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { createCustomers, type OrganizationRole } from '../support/organizations.js'
import { pagesOf } from '../support/pages.js'
import { startMailServer } from '../support/smtp.js'

interface Member { id: string; userId: string; owner: boolean; roles: string[]; version: number }
type Headers = Record<string, string>

const DAY_MS = 86_400_000

t.test('organizations', async (t) => {
  const server = await startMailServer(t)
  const { app, as, clock, database } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com', accessTokenSeconds: 8_640_000 } })
  const { prisma } = database
  const { send, patch, outcome, person, machine } = await createActors(app, as)
  const admin = await as.admin()
  const { someone, slug, open, role, house } = createCustomers(app, admin)
  const audited = async (id: string): Promise<string[]> => (await prisma.auditEvent.findMany({ where: { targetId: id }, orderBy: { id: 'asc' } })).map(({ action }) => action)
  const work = async (): Promise<void> => app.jobs.run(QUEUED_WORK)
  const tokenTo = (email: string): string => /\/ui\/join\?token=(gl_[\w-]{43})/.exec(server.last(email, /invited into/).text)?.[1] ?? ''

  t.test('201 for operators, with what they hold; for people only where they may, and then it is entitled to nothing', async (t) => {
    const made = await open({ entitlement: ['reports:*'], metadata: { plan: 'pro' }, limits: [{ name: 'calls', quota: 5, windowSeconds: 60 }] })
    t.match(made, { status: 'active', entitlement: ['reports:*'], metadata: { plan: 'pro' }, version: 1 })
    const read = await send('GET', `/organizations/${made.id}`, admin)
    t.equal(read.headers.etag, `"${made.id}.1"`)
    t.same(await audited(made.id), ['organization.created'])
    t.equal(await outcome(send('POST', '/organizations', admin, { slug: made.slug, name: 'x' })), '409 organization.taken')
    const ada = await someone()
    t.equal(await outcome(send('POST', '/organizations', ada.headers, { slug: slug(), name: 'x' })), '403 access.denied')
    const founder = await person(['gatehouse:own.organizations'])
    const own = await open({}, founder.headers)
    t.same(own.entitlement, [])
    t.same(expectJson<{ data: object[] }>(await send('GET', '/me/organizations', founder.headers), 200).data, [{ id: own.id, slug: own.slug, name: 'Acme', status: 'active', owner: true, roles: [] }])
    for (const more of [{ entitlement: ['reports:read'] }, { metadata: { plan: 'x' } }, { limits: [{ name: 'calls', quota: 9, windowSeconds: 60 }] }, { ownerUserId: ada.user.id }]) {
      t.equal(await outcome(send('POST', '/organizations', founder.headers, { slug: slug(), name: 'x', ...more })), '403 access.denied', JSON.stringify(more))
      if (!('ownerUserId' in more)) t.equal(await outcome(patch(`/organizations/${own.id}`, founder.headers, more)), '403 access.denied', JSON.stringify(more))
    }
    const seller = await person(['gatehouse:organizations.write', 'gatehouse:organizations.entitle', 'reports:read'])
    t.equal(await outcome(send('POST', '/organizations', seller.headers, { slug: slug(), name: 'x', entitlement: ['reports:*'] })), '403 permission.not_held')
    t.equal(await outcome(send('POST', '/organizations', seller.headers, { slug: slug(), name: 'x', entitlement: ['reports:read'] })), '201')
    for (const body of [{ slug: 'Ab', name: 'x' }, { slug: 'a', name: 'x' }, { slug: slug(), name: '' }, { slug: slug(), name: 'a\u202eb' }, { slug: slug(), name: 'x', entitlement: ['gatehouse:users.read'] }, { slug: slug(), name: 'x', entitlement: ['*'] }, { slug: slug(), name: 'x', owner: true },
      { slug: slug(), name: 'x', metadata: { a: 'x'.repeat(5_000) } }]) t.equal(await outcome(send('POST', '/organizations', admin, body)), '400 request.invalid', JSON.stringify(body).slice(0, 80))
    const robot = await machine(['reports:read'])
    t.equal(await outcome(send('POST', '/organizations', admin, { slug: slug(), name: 'x', ownerUserId: robot.id })), '400 owner.unknown')
  })

  t.test('its own hands change its name, its operator\'s the rest; a change of the version that was read, or none', async (t) => {
    const { path, id, owner, clerk, member } = await house()
    t.equal(await outcome(patch(path, owner.headers, { name: 'Acme & Co', slug: slug() })), '200')
    for (const { headers } of [clerk, member]) t.equal(await outcome(patch(path, headers, { name: 'Ours' })), '403 access.denied')
    for (const change of [{ entitlement: ['*:*'] }, { status: 'suspended' }, { metadata: {} }, { limits: [] }]) t.equal(await outcome(patch(path, owner.headers, change)), '403 access.denied', JSON.stringify(change))
    t.equal((await send('PATCH', path, owner.headers, { name: 'x' })).statusCode, 428)
    t.equal(await outcome(send('PATCH', path, { ...owner.headers, 'if-match': `"${id}.1"` }, { name: 'x' })), '412 precondition.failed')
    const clerkOfPlans = await person(['gatehouse:organizations.entitle', 'reports:*'])
    t.equal(await outcome(patch(path, clerkOfPlans.headers, { entitlement: ['reports:read'] })), '200', 'taking away needs no more than the right to')
    t.equal(await outcome(patch(path, clerkOfPlans.headers, { entitlement: ['reports:*', 'exports:read'] })), '403 permission.not_held', 'and giving back what is not held is giving')
    const guard = await person(['gatehouse:brake'])
    t.equal(await outcome(patch(path, guard.headers, { status: 'suspended' })), '200', 'whoever holds the brake stops it')
    t.equal(await outcome(patch(path, guard.headers, { status: 'active' })), '403 access.denied', 'and brings nothing back')
    const keeper = await person(['gatehouse:organizations.write'])
    t.equal(await outcome(patch(path, keeper.headers, { status: 'active' })), '403 permission.not_held', 'nor does who does not hold what comes back')
    t.equal(await outcome(patch(path, admin, { status: 'active' })), '200')
    t.ok((await prisma.revocationLog.count({ where: { tag: `org:${id}` } })) >= 3)
  })

  t.test('roles of an organization: within its entitlement and what their writer holds in it; nothing of Gatehouse\'s', async (t) => {
    const { path, id, owner, clerk, member, clerks } = await house()
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: 'r', permissions: ['gatehouse:users.read'] })), '403 permission.not_held')
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: 'r', permissions: ['billing:read'] })), '403 permission.not_held', 'beyond the entitlement')
    t.equal(await outcome(send('POST', `${path}/roles`, admin, { name: 'r', permissions: ['billing:read'] })), '403 permission.not_held', 'whoever asks')
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: 'r', permissions: ['reports:*:x'] })), '400 request.invalid')
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: 'r', permissions: [], rights: ['everything'] })), '400 request.invalid')
    t.equal(await outcome(send('POST', `${path}/roles`, clerk.headers, { name: 'r', permissions: ['reports:write'] })), '403 permission.not_held', 'more than the writer holds')
    t.equal(await outcome(send('POST', `${path}/roles`, clerk.headers, { name: 'r', permissions: [], rights: ['keys.write'] })), '403 permission.not_held', 'a right that the writer lacks')
    t.equal(await outcome(send('POST', `${path}/roles`, member.headers, { name: 'r', permissions: [] })), '403 access.denied')
    const wide = await role(id, owner.headers, ['reports:*'], ['keys.write'])
    t.equal(await outcome(patch(`${path}/roles/${wide.id}`, clerk.headers, { description: 'mine' })), '403 permission.not_held', 'who does not hold it does not touch it')
    t.equal(await outcome(patch(`${path}/roles/${clerks.id}`, clerk.headers, { permissions: ['reports:read', 'reports:write'] })), '403 permission.not_held', 'nor widens what they have')
    t.equal(await outcome(patch(`${path}/roles/${wide.id}`, owner.headers, { permissions: ['reports:read'] })), '200')
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: wide.name, permissions: [] })), '409 role.taken')
    t.equal(await outcome(send('DELETE', `${path}/roles/${clerks.id}`, owner.headers)), '409 role.held')
    t.equal(await outcome(send('DELETE', `${path}/roles/${wide.id}`, owner.headers)), '204')
    t.equal(expectJson<{ data: OrganizationRole[] }>(await send('GET', `${path}/roles`, member.headers), 200).data.length, 1, 'whoever is in it sees them')
    // what is left of an entitlement that was narrowed hinders nobody, and is worth nothing
    await patch(path, admin, { entitlement: ['exports:read'] })
    t.equal(await outcome(patch(`${path}/roles/${clerks.id}`, owner.headers, { description: 'left' })), '200')
  })

  t.test('members: what is given is held, owners are made and unmade by owners, the last one stays', async (t) => {
    const { path, id, owner, clerk, member, clerks } = await house()
    const wide = await role(id, owner.headers, ['reports:*'])
    t.equal(await outcome(patch(`${path}/members/${clerk.user.id}`, clerk.headers, { roles: [clerks.id, wide.id] })), '403 permission.not_held', 'nobody gives themselves more')
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, clerk.headers, { owner: true })), '403 access.denied')
    t.equal(await outcome(patch(`${path}/members/${owner.user.id}`, clerk.headers, { owner: false })), '403 access.denied')
    t.equal(await outcome(send('DELETE', `${path}/members/${owner.user.id}`, clerk.headers)), '403 permission.not_held')
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, member.headers, { roles: [clerks.id] })), '403 access.denied')
    t.equal(await outcome(send('GET', `${path}/members`, member.headers)), '403 access.denied', 'who else is in it is for who may see it')
    t.equal(await outcome(send('GET', `${path}/members/${member.user.id}`, member.headers)), '200', 'oneself one sees')
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, clerk.headers, { roles: [clerks.id] })), '200')
    const other = await house()
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, owner.headers, { roles: [other.clerks.id] })), '400 role.unknown', 'a role of another organization is none')
    t.equal(await outcome(send('POST', `${path}/members`, owner.headers, { userId: other.member.user.id })), '403 access.denied', 'members invite')
    const keeper = await person(['gatehouse:organizations.write'])
    t.equal(await outcome(send('POST', `${path}/members`, keeper.headers, { userId: keeper.id, owner: true })), '403 permission.not_held', 'an operator gives no more than they hold')
    t.equal(await outcome(send('POST', `${path}/members`, keeper.headers, { userId: keeper.id, roles: [wide.id] })), '403 permission.not_held')
    t.equal(await outcome(send('DELETE', `${path}/members/${owner.user.id}`, owner.headers)), '409 organization.last_owner')
    t.equal(await outcome(patch(`${path}/members/${owner.user.id}`, owner.headers, { owner: false })), '409 organization.last_owner')
    t.equal(await outcome(send('DELETE', `${path}/members/${owner.user.id}`, admin)), '409 organization.last_owner', 'whoever asks')
    t.equal(await outcome(send('DELETE', '/me', owner.headers)), '409 organization.last_owner')
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, owner.headers, { owner: true })), '200')
    await patch(`/users/${member.user.id}`, admin, { status: 'suspended' })
    t.equal(await outcome(send('DELETE', `${path}/members/${owner.user.id}`, owner.headers)), '409 organization.last_owner', 'who is suspended owns nothing')
    await patch(`/users/${member.user.id}`, admin, { status: 'active' })
    t.equal(await outcome(send('DELETE', `${path}/members/${owner.user.id}`, owner.headers)), '204', 'leaving needs nobody\'s leave')
    t.equal(await outcome(send('GET', path, owner.headers)), '404 organization.not_found', 'and is noticed at once')
    t.match(await audited(id), ['organization.created', 'organization_role.created'])
    t.ok((await prisma.revocationLog.count({ where: { tag: `user:${owner.user.id}` } })) >= 2)
  })

  t.test('an invitation is mailed, for one address, good once and for a week', async (t) => {
    const { path, id, owner, clerk, member, clerks } = await house()
    const [guest, thief] = [await someone(), await someone()]
    const join = (token: string, headers: Headers) => outcome(send('POST', '/organizations/join', headers, { token }))
    const invite = async (headers: Headers, body: object) => {
      const answer = await send('POST', `${path}/invitations`, headers, { email: guest.user.email, ...body })
      await work()
      return answer
    }
    const wide = await role(id, owner.headers, ['reports:*'])
    t.equal(await outcome(invite(member.headers, {})), '403 access.denied')
    t.equal(await outcome(invite(clerk.headers, { roles: [wide.id] })), '403 permission.not_held')
    t.equal(await outcome(invite(clerk.headers, { owner: true })), '403 access.denied')
    t.equal(await outcome(invite(clerk.headers, { email: member.user.email })), '409 organization.member_known')
    const made = expectJson<{ id: string; email: string }>(await invite(clerk.headers, { roles: [clerks.id] }), 201)
    t.match(server.last(guest.user.email, /invited into/).text, /acme-\d+/)
    const first = tokenTo(guest.user.email)
    t.equal(await join(first, thief.headers), '403 access.denied', 'for the account of that address')
    t.equal(await join(`gl_${'x'.repeat(43)}`, guest.headers), '410 organization.invitation_void')
    t.equal(await outcome(send('POST', '/organizations/join', {}, { token: first })), '401 credentials.missing')
    t.equal(expectJson<{ data: object[] }>(await send('GET', `${path}/invitations`, clerk.headers), 200).data.length, 1)
    expectJson(await invite(owner.headers, { roles: [wide.id] }), 201)
    t.equal(await join(first, guest.headers), '410 organization.invitation_void', 'a new one takes its place')
    const token = tokenTo(guest.user.email)
    t.equal(await join(token, guest.headers), '200')
    t.equal(await join(token, guest.headers), '410 organization.invitation_void', 'once')
    t.match(expectJson<Member>(await send('GET', `${path}/members/${guest.user.id}`, guest.headers), 200), { owner: false, roles: [wide.id], invitedBy: owner.user.id })
    t.equal(await outcome(send('DELETE', `${path}/invitations/${made.id}`, clerk.headers)), '404 organization.invitation_not_found')
    t.notMatch(JSON.stringify(await prisma.organizationInvitation.findMany()), token)
    clock.advance(DAY_MS)
    const late = expectJson<{ id: string }>(await invite(owner.headers, { email: thief.user.email }), 201)
    clock.advance(7 * DAY_MS)
    t.equal(await join(tokenTo(thief.user.email), thief.headers), '410 organization.invitation_void', 'for a week')
    t.equal(expectJson<{ data: object[] }>(await send('GET', `${path}/invitations`, clerk.headers), 200).data.length, 0)
    t.ok(late.id)
  })

  t.test('410 when whoever invited can no longer give it, the role has grown past them, or the organization is suspended', async (t) => {
    const { path, owner, clerk, clerks } = await house()
    const guest = await someone()
    const join = (token: string) => outcome(send('POST', '/organizations/join', guest.headers, { token }))
    expectJson(await send('POST', `${path}/invitations`, clerk.headers, { email: guest.user.email, roles: [clerks.id] }), 201)
    await work()
    const token = tokenTo(guest.user.email)
    const before = { roles: [clerks.id] }
    await patch(`${path}/members/${clerk.user.id}`, owner.headers, { roles: [] })
    t.equal(await join(token), '410 organization.invitation_void', 'the inviter was demoted')
    await patch(`${path}/members/${clerk.user.id}`, owner.headers, before)
    await patch(path, admin, { status: 'suspended' })
    t.equal(await join(token), '410 organization.invitation_void', 'suspended')
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: 'r', permissions: [] })), '403 access.denied', 'nobody in it does anything then')
    await patch(path, admin, { status: 'active' })
    await patch(`/users/${clerk.user.id}`, admin, { status: 'suspended' })
    t.equal(await join(token), '410 organization.invitation_void', 'the inviter is suspended')
    await patch(`/users/${clerk.user.id}`, admin, { status: 'active' })
    t.equal(await join(token), '200', 'judged when it is taken: all is as it was')
  })

  t.test('a page takes it, too, for who signs in meanwhile', { skip: app.pages === undefined }, async (t) => {
    const { path, owner } = await house()
    const guest = await as.signUp()
    const browser = pagesOf(app)
    expectJson(await send('POST', `${path}/invitations`, owner.headers, { email: guest.user.email }), 201)
    await work()
    const opened = await browser.open(`/ui/join?token=${tokenTo(guest.user.email)}`)
    t.same([opened.statusCode, opened.headers.location], [303, '/ui/join/confirm'], 'the token leaves the address')
    t.equal((await browser.open('/ui/join/confirm')).headers.location, '/ui/sign-in?return_to=%2Fui%2Fjoin%2Fconfirm')
    await browser.submit('/ui/sign-in', { email: guest.user.email, 'current-password': PASSWORD })
    t.match((await browser.open('/ui/join/confirm')).body, 'You are invited into Acme')
    t.equal((await browser.submit('/ui/join/confirm', {})).headers.location, '/ui/account/profile?done=joined')
    t.match((await browser.open('/ui/account/profile?done=joined')).body, 'You are in the organization')
    t.equal((await browser.open('/ui/join/confirm')).statusCode, 410)
  })

  t.test('deletion ends what it had; for owners and operators', async (t) => {
    const { path, id, owner, clerk } = await house()
    t.equal(await outcome(send('DELETE', path, clerk.headers)), '403 access.denied')
    t.equal(await outcome(send('DELETE', path, owner.headers)), '204')
    t.equal(await outcome(send('GET', path, owner.headers)), '404 organization.not_found')
    t.same(await Promise.all([prisma.organizationMember.count({ where: { organizationId: id } }), prisma.organizationRole.count({ where: { organizationId: id } })]), [0, 0])
    t.ok(await prisma.revocationLog.count({ where: { tag: `org:${id}` } }))
  })

  t.test('whoever takes over a member takes over what they may do in it', async (t) => {
    const { owner } = await house()
    const desk = await person(['gatehouse:users.write'])
    t.equal(await outcome(send('POST', `/users/${owner.user.id}/password-reset`, desk.headers)), '403 permission.not_held')
    const wide = await person(['gatehouse:users.write', 'reports:*', 'exports:*'])
    t.equal(await outcome(send('POST', `/users/${owner.user.id}/password-reset`, wide.headers)), '201')
    t.equal(await outcome(patch(`/users/${owner.user.id}`, desk.headers, { status: 'suspended' })), '200', 'ending takes nothing')
  })
})

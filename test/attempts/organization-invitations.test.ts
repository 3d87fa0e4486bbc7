// Attempts on invitations into organizations, one for each check: who gives, withdraws and takes them, when they are void, and how many there are.
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { meanwhile } from '../support/meanwhile.js'
import { createCustomers, type Customer } from '../support/organizations.js'
import { startMailServer } from '../support/smtp.js'

type Headers = Record<string, string>

const AD = '403 access.denied'
const VOID = '410 organization.invitation_void'
const FULL = '409 organization.invitations_full'
const HOST = { principal: null, host: true as const, address: '', userAgent: '', requestId: 'test' }

t.test('invitations into organizations', async (t) => {
  const server = await startMailServer(t)
  const { app, as, clock, database } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com', accessTokenSeconds: 8_640_000 } })
  const { prisma } = database
  const { send, patch, outcome, person } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone } = createCustomers(app, admin)
  const join = (token: string, { headers }: { headers: Headers }) => outcome(send('POST', '/organizations/join', headers, { token }))
  const invited = async (path: string, headers: Headers, { user: { email } }: Customer): Promise<{ id: string; token: string }> => {
    const { id } = expectJson<{ id: string }>(await send('POST', `${path}/invitations`, headers, { email }), 201)
    await app.jobs.run(QUEUED_WORK)
    return { id, token: /\/ui\/join\?token=(gl_[\w-]{43})/.exec(server.last(email, /invited into/).text)?.[1] ?? '' }
  }

  t.test('looked at and withdrawn by who may; withdrawn it is void, also while it is taken', async (t) => {
    const { id, path, owner, member } = await house()
    const [guest, reader] = [await someone(), await person(['gatehouse:organizations.read'])]
    const first = await invited(path, owner.headers, guest)
    t.equal(await outcome(send('GET', `${path}/invitations`, member.headers)), AD)
    t.equal(await outcome(send('GET', `${path}/invitations`, reader.headers)), '200')
    for (const { headers } of [member, reader]) t.equal(await outcome(send('DELETE', `${path}/invitations/${first.id}`, headers)), AD)
    t.match(await app.organizationInvitations.look(first.token), { email: guest.user.email })
    t.equal(await outcome(send('DELETE', `${path}/invitations/${first.id}`, owner.headers)), '204')
    t.equal(await app.organizationInvitations.look(first.token), null)
    t.equal(await app.organizationInvitations.look('gl_x'), null)
    t.equal(await join(first.token, guest), VOID)
    const second = await invited(path, owner.headers, guest)
    t.same(await meanwhile(database, async (tx) => {
      await app.standings.open(tx, HOST, id, { mode: 'alone' })
      await tx.organizationInvitation.delete({ where: { id: second.id } })
    }, () => join(second.token, guest)), { waited: true, answer: VOID })
  })

  t.test('void while the organization is suspended, whoever gave it', async (t) => {
    const { path } = await house()
    const guest = await someone()
    const { token } = await invited(path, admin, guest)
    await patch(path, admin, { status: 'suspended' })
    t.equal(await app.organizationInvitations.look(token), null)
    t.equal(await join(token, guest), VOID)
    await patch(path, admin, { status: 'active' })
    t.equal(await join(token, guest), '200')
  })

  t.test('taken by a person who is there: not by one whose end this node has not heard of, and not by what acts for them', async (t) => {
    const { path, owner } = await house()
    const guest = await someone()
    const { token } = await invited(path, owner.headers, guest)
    const session = await prisma.session.findFirstOrThrow({ where: { userId: guest.user.id } })
    const principal = { type: 'user' as const, id: guest.user.id, sessionId: session.id, permissions: [], authenticatedBy: 'token' as const }
    const take = (more: object = {}) => app.organizationInvitations.take({ principal: { ...principal, ...more }, address: '127.0.0.1', userAgent: '', requestId: 'test' }, token)
    await t.rejects(take({ audience: 'https://api.example.com' }), { code: 'access.denied' }, 'an application')
    await prisma.user.update({ where: { id: guest.user.id }, data: { status: 'suspended' } })
    await t.rejects(take(), { code: 'access.denied' })
    await prisma.user.update({ where: { id: guest.user.id }, data: { status: 'active' } })
    t.equal(await join(token, guest), '200')
  })

  t.test('somebody gives it', async (t) => {
    const { id } = await house()
    await t.rejects(app.organizationInvitations.invite(HOST, id, { email: 'x@example.com', owner: false, roles: [] }), { code: 'credentials.missing' })
  })

  t.test('three an hour to an address, a hundred that wait, two hundred by one giver', async (t) => {
    const { id, path, owner, clerk } = await house()
    const invite = (headers: Headers, email: string) => outcome(send('POST', `${path}/invitations`, headers, { email }))
    for (const expected of ['201', '201', '201', '429 rate.limited']) t.equal(await invite(owner.headers, 'box@example.com'), expected)
    const [createdAt, expiresAt] = [new Date(clock.now()), new Date(clock.now() + 86_400_000)]
    await prisma.mailedLink.createMany({ data: Array.from({ length: 200 }, (_, n) => ({ id: newId(), kind: 'organization.invitation', email: `box-${n}@example.com`, tokenHash: Buffer.from(`hash-${n}`), givenBy: clerk.user.id, createdAt, expiresAt })) })
    t.equal(await invite(clerk.headers, 'more@example.com'), FULL)
    t.equal(await invite(owner.headers, 'more@example.com'), '201')
    await prisma.organizationInvitation.createMany({ data: Array.from({ length: 98 }, (_, n) => ({ id: newId(), organizationId: id, email: `wait-${n}@example.com`, isOwner: false, roleIds: [], issuedBy: owner.user.id, issuedVia: '', createdAt, expiresAt })) })
    t.equal(await invite(owner.headers, 'even-more@example.com'), FULL)
  })
})

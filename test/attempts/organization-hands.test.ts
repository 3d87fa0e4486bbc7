// Attempts on the members and roles of an organization, one for each check: who gives, takes, names and looks without what it takes, and what is full.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers, type Customer } from '../support/organizations.js'

const NH = '403 permission.not_held'
const AD = '403 access.denied'
const STALE = '412 precondition.failed'
const ABSENT = '0198c0de-0000-7000-8000-000000000000'

t.test('hands in organizations', async (t) => {
  const { app, as, database } = await startApp(t, { config: { accessTokenSeconds: 8_640_000 } })
  const { prisma, pool } = database
  const { send, patch, outcome, person, machine } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, role, add, open } = createCustomers(app, admin)
  /** Somebody as the services are told of them. */
  const callerOf = async ({ user: { id } }: Customer) => {
    const session = await prisma.session.findFirstOrThrow({ where: { userId: id } })
    return { principal: { type: 'user' as const, id, sessionId: session.id, permissions: [], authenticatedBy: 'token' as const }, address: '127.0.0.1', userAgent: '', requestId: 'test' }
  }

  t.test('who may not see the members does not learn by a change who is one', async (t) => {
    const { id, member, owner } = await house()
    const caller = await callerOf(member)
    for (const userId of [ABSENT, owner.user.id]) {
      await t.rejects(app.organizationMembers.update(caller, id, userId, 99, {}), { code: 'access.denied' })
      await t.rejects(app.organizationMembers.remove(caller, id, userId, 99), { code: 'access.denied' })
    }
  })

  t.test('members are looked at by who may, and by themselves; who is none is not found', async (t) => {
    const { path, owner, member } = await house()
    const reader = await person(['gatehouse:organizations.read'])
    t.equal(await outcome(send('GET', `${path}/members/${owner.user.id}`, member.headers)), AD)
    t.equal(await outcome(send('GET', `${path}/members/${member.user.id}`, reader.headers)), '200')
    t.equal(await outcome(send('GET', `${path}/members`, reader.headers)), '200')
    t.equal(await outcome(send('GET', `${path}/members/${ABSENT}`, owner.headers)), '404 organization.member_not_found')
    for (const headers of [reader.headers, member.headers]) t.equal(await outcome(send('DELETE', `${path}/members/${owner.user.id}`, headers)), AD)
  })

  t.test('to see the members is not to change them', async (t) => {
    const { id, path, member, owner } = await house()
    const looking = await someone()
    await add(id, looking, { roles: [(await role(id, owner.headers, [], ['members.read'])).id] })
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, looking.headers, { roles: [] })), AD)
    t.equal(await outcome(send('DELETE', `${path}/members/${member.user.id}`, looking.headers)), AD)
  })

  t.test('a membership is changed as it was read', async (t) => {
    const { path, member, owner } = await house()
    const { id } = expectJson<{ id: string }>(await send('GET', `${path}/members/${member.user.id}`, owner.headers), 200)
    const of = (version: number) => ({ ...owner.headers, 'if-match': `"${id}.${version}"` })
    t.equal(await outcome(send('PATCH', `${path}/members/${member.user.id}`, of(1), { roles: [] })), '200')
    t.equal(await outcome(send('PATCH', `${path}/members/${member.user.id}`, of(1), { roles: [] })), STALE)
    t.equal(await outcome(send('DELETE', `${path}/members/${member.user.id}`, of(1))), STALE)
    t.equal(await outcome(send('DELETE', `${path}/members/${member.user.id}`, of(2))), '204')
  })

  t.test('who holds less takes nothing from who may do more; an owner is made by who holds all of it', async (t) => {
    const { id, path, clerk, member, owner } = await house()
    const wide = await role(id, owner.headers, [], ['keys.write'])
    await patch(`${path}/members/${member.user.id}`, owner.headers, { roles: [wide.id] })
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, clerk.headers, { roles: [] })), NH)
    t.equal(await outcome(send('DELETE', `${path}/members/${member.user.id}`, clerk.headers)), NH)
    const keeper = await person(['gatehouse:organizations.write'])
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, keeper.headers, { owner: true })), NH)
    t.equal(await outcome(patch(`${path}/members/${member.user.id}`, keeper.headers, { roles: [] })), '200')
    t.equal(await outcome(patch(`${path}/members/${owner.user.id}`, keeper.headers, { owner: true })), '200', 'who is one is made nothing')
    await patch(`/users/${owner.user.id}`, admin, { status: 'suspended' })
    t.equal(await outcome(send('DELETE', `${path}/members/${member.user.id}`, clerk.headers)), '204', 'who owns nothing leaves, whether or not an owner is there')
  })

  t.test('nobody who is not there, and no machine, is put in', async (t) => {
    const { path } = await house()
    for (const userId of [ABSENT, (await machine([])).id]) t.equal(await outcome(send('POST', `${path}/members`, admin, { userId })), '400 owner.unknown')
  })

  t.test('an organization, and somebody\'s organizations, are full', async (t) => {
    const { id, path } = await house()
    const [one, other] = [await someone(), await someone()]
    await pool.query("INSERT INTO organizations (id, slug, name, created_at, updated_at) SELECT gen_random_uuid(), 'many-' || n, 'x', now(), now() FROM generate_series(1, 200) n")
    await pool.query(`INSERT INTO organization_members (id, organization_id, user_id, is_owner, role_ids, created_at, updated_at) SELECT gen_random_uuid(), id, $1, false, '{}', now(), now() FROM organizations WHERE slug LIKE 'many-%'`, [one.user.id])
    t.equal(await outcome(send('POST', `${path}/members`, admin, { userId: one.user.id })), '409 organization.full')
    await pool.query("INSERT INTO users (id, email, created_at, updated_at) SELECT gen_random_uuid(), 'full-' || n || '@example.com', now(), now() FROM generate_series(1, 9997) n")
    await pool.query(`INSERT INTO organization_members (id, organization_id, user_id, is_owner, role_ids, created_at, updated_at) SELECT gen_random_uuid(), $1, id, false, '{}', now(), now() FROM users WHERE email LIKE 'full-%'`, [id])
    t.equal(await outcome(send('POST', `${path}/members`, admin, { userId: other.user.id })), '409 organization.full')
  })

  t.test('roles: found where they are, changed as they were read, named once', async (t) => {
    const { id, path, owner } = await house()
    const [a, b] = [await role(id, owner.headers, []), await role(id, owner.headers, [])]
    t.equal(await outcome(send('GET', `${path}/roles/${ABSENT}`, owner.headers)), '404 role.not_found')
    t.equal(await outcome(send('GET', `${path}/roles/${(await role((await open()).id, admin, [])).id}`, owner.headers)), '404 role.not_found', 'nor another organization\'s')
    const of = (version: number) => ({ ...owner.headers, 'if-match': `"${a.id}.${version}"` })
    t.equal(await outcome(send('PATCH', `${path}/roles/${a.id}`, of(1), { name: a.name, description: 'x' })), '200', 'its own name is not taken')
    t.equal(await outcome(send('PATCH', `${path}/roles/${a.id}`, of(1), { description: 'y' })), STALE)
    t.equal(await outcome(send('DELETE', `${path}/roles/${a.id}`, of(1))), STALE)
    t.equal(await outcome(patch(`${path}/roles/${a.id}`, owner.headers, { name: b.name })), '409 role.taken')
    const { organizationRole } = prisma
    const now = new Date()
    await organizationRole.createMany({ data: Array.from({ length: 50 - (await organizationRole.count({ where: { organizationId: id } })) }, (_, n) => ({ id: crypto.randomUUID(), organizationId: id, name: `full-${n}`, description: '', permissions: [], rights: [], createdAt: now, updatedAt: now })) })
    t.equal(await outcome(send('POST', `${path}/roles`, owner.headers, { name: 'one-more', permissions: [] })), '409 role.cap_reached')
  })

  t.test('a role is not touched by who lacks a permission of it, or a right', async (t) => {
    const { id, path, owner, clerk, member } = await house()
    const [opens, runs] = [await role(id, owner.headers, ['reports:*']), await role(id, owner.headers, [], ['keys.write'])]
    t.equal(await outcome(send('DELETE', `${path}/roles/${opens.id}`, member.headers)), AD)
    for (const one of [opens, runs]) t.equal(await outcome(send('DELETE', `${path}/roles/${one.id}`, clerk.headers)), NH)
    t.equal(await outcome(patch(`${path}/roles/${opens.id}`, clerk.headers, { permissions: [] })), NH, 'nor made less')
    t.equal(await outcome(patch(`${path}/roles/${runs.id}`, clerk.headers, { rights: [] })), NH)
  })
})

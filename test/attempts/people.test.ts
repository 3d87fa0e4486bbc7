// Attempts on roles and accounts: who may let whom do what, and who may not. The numbers are those of docs/security.md.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

const NH = '403 permission.not_held'
const AD = '403 access.denied'

t.test('attempts on roles and accounts', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { send, patch, outcome, person, machine, issue, verify, role } = await createActors(app, as)
  const { user: { id: adminId }, headers: admin } = await as.adminUser()
  const newUser = (headers: Record<string, string>, body: object) => outcome(send('POST', '/users', headers, body))
  const idOf = async (name: string) => expectJson<{ id: string }>(await send('GET', `/roles/${name}`, admin), 200).id

  t.test('26 to 30: roles are made and changed within what one holds', async (t) => {
    const r = await person(['gatehouse:roles.write', 'a:*'])
    t.equal(await outcome(send('POST', '/roles', r.headers, { name: 'r26', permissions: ['b:c'] })), NH, '26')
    t.equal(await outcome(send('POST', '/roles', r.headers, { name: 'r26', permissions: ['a:*', 'gatehouse:users.read'] })), NH, '26, of Gatehouse')
    t.equal(await outcome(patch(`/roles/${r.role}`, r.headers, { permissions: ['gatehouse:roles.write', 'a:*', 'b:c'] })), NH, '27')
    t.equal(await outcome(patch('/roles/member', admin, { permissions: ['gatehouse:own.keys', 'gatehouse:users.read'] })), '400 request.invalid', '28')
    t.equal(await outcome(patch('/roles/member', admin, { permissions: ['gatehouse:own.keys', 'gatehouse:own.profile', 'gatehouse:own.sessions', 'app:use'] })), '200', 'application permissions for everybody')
    const limits = [{ name: 'calls', quota: 5, windowSeconds: 60 }]
    t.equal(await outcome(send('POST', '/roles', r.headers, { name: 'r29', permissions: ['a:b'], limits })), NH, '29')
    t.equal(await outcome(send('POST', '/roles', admin, { name: 'r29', permissions: ['a:b'], limits })), '400 request.invalid', 'a name that the base plan does not limit')
    expectJson(await patch('/roles/member', admin, { limits: [{ name: 'calls', quota: 2, windowSeconds: 60 }] }), 200)
    const planned = await role(['a:b'], { limits })
    t.equal(await outcome(send('POST', '/roles', admin, { name: 'r72', permissions: [], limits: [{ name: 'calls', quota: 9, windowSeconds: 3600 }] })), '400 request.invalid', '72')
    t.equal(await outcome(patch(`/roles/${planned}`, r.headers, { limits: [] })), NH, '29, dropping one')
    t.equal(await outcome(send('DELETE', `/roles/${planned}`, r.headers)), NH, '29, with the role')
    t.equal(await outcome(patch('/roles/admin', admin, { permissions: [] })), '409 role.builtin', '30')
    t.equal(await outcome(send('DELETE', '/roles/member', admin)), '409 role.builtin', '30')
    t.equal(await outcome(send('DELETE', '/roles/admin', admin)), '409 role.builtin', '30')
    t.equal(await outcome(send('POST', '/roles', admin, { name: 'member', permissions: [] })), '409 role.taken')
  })

  t.test('31 to 33: a held role stays, a name used again is another role, and nobody takes away what they do not hold', async (t) => {
    const holder = await person(['a:b'])
    t.equal(await outcome(send('DELETE', `/roles/${holder.role}`, admin)), '409 role.held', '31')
    const name = await role(['a:b'])
    const before = await idOf(name)
    expectJson(await send('GET', `/roles/${before}`, admin), 200)
    t.equal((await send('DELETE', `/roles/${name}`, admin)).statusCode, 204)
    expectJson(await send('POST', '/roles', admin, { name, permissions: ['a:*'] }), 201)
    t.not(await idOf(name), before, '32')
    t.equal(await outcome(send('GET', `/roles/${before}`, admin)), '404 role.not_found', '32')
    const r = await person(['gatehouse:roles.write'])
    t.equal(await outcome(patch(`/roles/${holder.role}`, r.headers, { permissions: [] })), NH, '33')
    t.equal(await outcome(patch(`/roles/${holder.role}`, r.headers, { description: 'x' })), NH, 'a description is of the role, too')
    const [strong, weak] = [await role(['b:c']), await role([])]
    t.equal(await outcome(send('DELETE', `/roles/${strong}`, r.headers)), NH, 'nor by deleting it')
    const stale = { ...admin, 'if-match': `"${await idOf(weak)}.9"` }
    t.equal(await outcome(send('PATCH', `/roles/${weak}`, stale, { description: 'x' })), '412 precondition.failed')
    t.equal(await outcome(send('DELETE', `/roles/${weak}`, stale)), '412 precondition.failed')
    const calls = { name: 'calls', quota: 2, windowSeconds: 60 }
    t.equal(await outcome(patch(`/roles/${weak}`, admin, { limits: [{ ...calls, name: 'exports' }] })), '400 request.invalid', 'a change makes no plan that the base does not have, either')
    t.equal(await outcome(patch('/roles/member', admin, { limits: [calls, calls] })), '400 request.invalid', 'nor one of a name twice')
    const [{ n } = { n: 0 }] = (await database.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM roles')).rows
    await database.prisma.role.createMany({ data: Array.from({ length: 999 - n }, (_, at) => ({ name: `many-${at}`, description: '', permissions: [] })) })
    t.equal(await outcome(send('POST', '/roles', admin, { name: 'last', permissions: [] })), '201')
    t.equal(await outcome(send('POST', '/roles', admin, { name: 'too-many', permissions: [] })), '409 role.cap_reached')
    await database.prisma.role.deleteMany({ where: { OR: [{ name: { startsWith: 'many-' } }, { name: 'last' }] } })
  })

  t.test('34 and 35: roles are given within what one holds, by whatever way in', async (t) => {
    const u = await person(['gatehouse:users.write', 'a:b'])
    const [strong, weak] = [await role(['b:c']), await role(['a:b'])]
    const target = await person([])
    t.equal(await outcome(patch(`/users/${target.id}`, u.headers, { roles: [strong] })), NH, '34')
    t.equal(await outcome(patch(`/users/${u.id}`, u.headers, { roles: [u.role, strong] })), NH, '34, to oneself')
    t.equal(await outcome(patch(`/users/${u.id}`, u.headers, { roles: ['admin'] })), NH, '34, admin')
    t.equal(await outcome(patch(`/users/${target.id}`, u.headers, { roles: [weak] })), '200')
    t.equal(await newUser(u.headers, { email: 'x35@example.com', roles: [strong] }), NH, '35')
    t.equal(await newUser(u.headers, { kind: 'service', name: 'x35', roles: [strong] }), NH, '35, a machine')
    const importer = await person(['gatehouse:users.write', 'gatehouse:users.import'])
    const passwordHash = { scheme: 'bcrypt', hash: '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' }
    t.equal(await newUser(importer.headers, { email: 'i35@example.com', passwordHash, roles: [strong] }), NH, '35, by import')
    t.equal(await newUser(u.headers, { email: 'i35@example.com', passwordHash }), AD, '49: a hash is taken from who may import')
    t.equal(await newUser(importer.headers, { email: 'admin@example.com', passwordHash }), '409 email.taken', '49')
    t.equal(await newUser(importer.headers, { email: 'i49@example.com', id: adminId, passwordHash }), '400 request.invalid', '49: nobody names an id')
    t.equal(await outcome(send('POST', '/auth/login', {}, { email: 'admin@example.com', password: 'abc' })), '401 credentials.invalid', '49')
    const r49 = await person(['gatehouse:roles.write', 'gatehouse:users.import'])
    t.equal(await outcome(send('POST', '/roles', r49.headers, { name: 'r49', permissions: ['gatehouse:users.import'] })), NH, 'and is given by who holds all of Gatehouse')
    t.equal(await newUser(u.headers, { email: 'y35@example.com', roles: [weak] }), '201')
    const key = await machine(['gatehouse:users.write', 'a:b'], { expiresAt: new Date(clock.now() + 60_000).toISOString() })
    t.equal(await outcome(patch(`/users/${target.id}`, key.headers, { roles: [target.role, weak] })), '200', 'weak is held by the target already')
    t.equal(await newUser(key.headers, { email: 'z35@example.com', roles: [weak] }), NH, 'a role has no end: a key that has one does not give it')
  })

  t.test('36 to 38: gaining over somebody takes all that they may do, their sold keys included', async (t) => {
    const u = await person(['gatehouse:users.write'])
    const strong = await person(['b:c'])
    t.equal(await outcome(patch(`/users/${strong.id}`, u.headers, { email: 'mine36@example.com' })), NH, '36')
    const sold = await person([])
    await issue(admin, { ownerUserId: sold.id, permissions: ['b:c'] })
    t.equal(await outcome(patch(`/users/${sold.id}`, u.headers, { email: 'mine37@example.com' })), NH, '37')
    t.equal(await outcome(patch(`/users/${sold.id}`, u.headers, { name: 'A name' })), '200', 'a name gains nothing')
    expectJson(await patch(`/users/${strong.id}`, admin, { status: 'suspended' }), 200)
    t.equal(await outcome(patch(`/users/${strong.id}`, u.headers, { status: 'active' })), NH, 'bringing back is gaining')
    t.equal(await outcome(patch(`/users/${strong.id}`, u.headers, { name: 'A name' })), '200', 'a name is not, whoever was stopped')
    expectJson(await patch(`/users/${strong.id}`, admin, { status: 'active' }), 200)
    t.equal(await outcome(patch(`/users/${strong.id}`, u.headers, { status: 'active' })), '200', 'nor is what is so already')
    for (const body of [{ name: 'x' }, { roles: [] }]) t.equal(await outcome(patch('/users/no-id', admin, body)), '400 request.invalid')
    t.equal(await outcome(send('DELETE', '/users/no-id', admin)), '400 request.invalid')
    t.equal(await outcome(patch(`/users/${adminId}`, u.headers, { email: 'mine38@example.com' })), NH, '38')
  })

  t.test('39 and 41: ending takes the Gatehouse part, or the brake, which gains nothing', async (t) => {
    const u = await person(['gatehouse:users.write'])
    const [application, gatehouse] = [await person(['b:c']), await person(['gatehouse:audit.read'])]
    t.equal(await outcome(patch(`/users/${application.id}`, u.headers, { status: 'suspended' })), '200', '39')
    t.equal(await outcome(patch(`/users/${gatehouse.id}`, u.headers, { status: 'suspended' })), NH, '39')
    t.equal(await outcome(send('DELETE', `/users/${gatehouse.id}`, u.headers)), NH, '39, deleting')
    t.equal(await outcome(patch(`/users/${gatehouse.id}`, u.headers, { roles: [] })), NH, '39, taking roles')
    const brake = await person(['gatehouse:brake'])
    const key = await issue(admin, { permissions: ['gatehouse:users.write'] })
    t.equal(await outcome(send('DELETE', `/keys/${key.id}`, brake.headers)), '200', '41')
    t.equal(await outcome(patch(`/users/${gatehouse.id}`, brake.headers, { status: 'suspended' })), '200', '41')
    t.equal(await outcome(patch(`/users/${adminId}`, brake.headers, { status: 'suspended' })), '409 admin.last', '41')
    t.equal(await outcome(patch(`/users/${gatehouse.id}`, brake.headers, { status: 'active' })), AD)
    t.equal(await outcome(patch(`/users/${gatehouse.id}`, brake.headers, { status: 'suspended', roles: [] })), AD)
    t.equal(await outcome(send('DELETE', `/users/${gatehouse.id}`, brake.headers)), AD)
    t.equal(await outcome(send('POST', `/keys/${key.id}/rotate`, brake.headers, { graceSeconds: 0 })), '404 key.not_found')
  })

  t.test('43, 47 and 48: somebody is always left, one\'s own things end without a permission, and a machine is no person', async (t) => {
    expectJson(await send('POST', '/users', admin, { kind: 'service', name: 'V', roles: ['admin'] }), 201)
    expectJson(await send('POST', '/users', admin, { email: 'no-password@example.com', roles: ['admin'] }), 201)
    t.equal(await outcome(patch(`/users/${adminId}`, admin, { roles: ['member'] })), '409 admin.last', '43')
    t.equal(await outcome(send('DELETE', `/users/${adminId}`, admin)), '409 admin.last', '43, deleting')
    const member = await person(['a:b'])
    const own = await issue(member.headers)
    const rights = expectJson<{ permissions: string[] }>(await send('GET', '/roles/member', admin), 200).permissions
    expectJson(await patch('/roles/member', admin, { permissions: [] }), 200)
    t.equal(await outcome(send('POST', '/keys', member.headers, { name: 'k' })), AD)
    t.equal(await outcome(send('POST', `/keys/${own.id}/rotate`, member.headers, { graceSeconds: 0 })), AD)
    for (const body of [{ name: 'x' }, { permissions: ['a:b'] }]) t.equal(await outcome(patch(`/keys/${own.id}`, member.headers, body)), AD, 'renaming and widening are what the right is for')
    t.equal(await outcome(patch(`/keys/${own.id}`, member.headers, { expiresAt: new Date(clock.now() + 60_000).toISOString() })), '200', 'narrowing is free')
    t.equal(await outcome(patch('/me', member.headers, { name: 'x' })), AD)
    t.equal(await outcome(send('DELETE', `/keys/${own.id}`, member.headers)), '200', '47')
    t.equal((await send('POST', '/auth/logout', member.headers)).statusCode, 204, '47')
    expectJson(await patch('/roles/member', admin, { permissions: rights }), 200)
    const v = expectJson<{ id: string; email: null }>(await send('POST', '/users', admin, { kind: 'service', name: 'V' }), 201)
    t.equal(v.email, null)
    t.equal(await outcome(send('POST', '/auth/login', {}, { email: `${v.id}@service.invalid`, password: PASSWORD })), '401 credentials.invalid', '48')
    for (const body of [{ kind: 'service', name: 'V', email: 'v@example.com' }, { kind: 'service', name: 'V', password: PASSWORD }, { kind: 'service' }, { email: `x@service.invalid` }]) {
      t.equal(await newUser(admin, body), '400 request.invalid', JSON.stringify(body))
    }
    t.equal(await outcome(patch(`/users/${v.id}`, admin, { email: 'v@example.com' })), '400 request.invalid')
  })

  t.test('56 to 58: what is remembered of a credential leaves no lasting effect, and stored answers are nobody else\'s', async (t) => {
    const d = await person(['gatehouse:users.write', 'gatehouse:roles.write', 'gatehouse:keys.write', 'gatehouse:gate.write', '*:*'])
    const target = await person([])
    const once = { ...d.headers, 'idempotency-key': 'once-57' }
    const made = expectJson<{ id: string; key: string }>(await send('POST', '/keys', once, { name: 'k', ownerUserId: target.id, permissions: ['a:b'] }), 201)
    t.equal(await outcome(send('POST', '/keys', { ...d.headers, 'idempotency-key': 'once-57' }, { name: 'k', ownerUserId: target.id, permissions: ['a:b'] })), '201')
    // the demotion as another node would make it: this node has not heard of it yet
    await database.prisma.userRole.deleteMany({ where: { userId: d.id } })
    t.equal(await outcome(send('POST', '/roles', d.headers, { name: 'r56', permissions: [] })), AD, '56')
    t.equal(await outcome(patch(`/users/${target.id}`, d.headers, { name: 'x' })), AD, '56')
    t.equal(await outcome(send('POST', '/keys', d.headers, { name: 'k', ownerUserId: target.id })), AD, '56')
    await app.revocations.restore()
    t.equal(await outcome(send('POST', '/keys', once, { name: 'k', ownerUserId: target.id, permissions: ['a:b'] })), AD, '57')
    expectJson(await patch(`/users/${d.id}`, admin, { roles: [d.role] }), 200)
    await app.revocations.restore()
    await send('DELETE', `/keys/${made.id}`, admin)
    t.equal(await outcome(send('POST', '/keys', once, { name: 'k', ownerUserId: target.id, permissions: ['a:b'] })), '409 key.revoked', 'a secret is not given again once its key has ended')
    const { accessToken } = expectJson<{ accessToken: string }>(await send('POST', '/auth/login', {}, { email: d.email, password: PASSWORD }), 200)
    const other = expectJson<{ id: string }>(await send('POST', '/keys', { ...as.bearer(accessToken), 'idempotency-key': 'once-57' }, { name: 'other' }), 201)
    t.not(other.id, made.id, '58: another session has a scope of its own')
  })

  t.test('56: what a request began with is asked again at the commit, by every act', async (t) => {
    const d = await person(['gatehouse:users.write', 'gatehouse:keys.write', 'gatehouse:limits.write', '*:*'])
    const [target, customer] = [await person([]), await person([])]
    const { id: sold } = await issue(admin, { ownerUserId: customer.id })
    const { id: sessionId } = await database.prisma.session.findFirstOrThrow({ where: { userId: d.id } })
    const permissions = expectJson<{ permissions: string[] }>(await send('GET', '/whoami', d.headers), 200).permissions
    const caller = { principal: { type: 'user', id: d.id, sessionId, permissions, authenticatedBy: 'token' }, address: '', userAgent: '', requestId: '' } as const
    const { id: mine } = await app.keys.issue(caller, { name: 'k', ownerUserId: target.id })
    await database.prisma.userRole.deleteMany({ where: { userId: d.id } })
    await t.rejects(app.keys.issue(caller, { name: 'k', ownerUserId: target.id }), { code: 'access.denied' })
    for (const id of [sold, mine]) await t.rejects(app.keys.revoke(caller, id), { code: 'access.denied' })
    await t.rejects(app.accountChanges.update(caller, target.id, '*', { name: 'x' }), { code: 'access.denied' })
    await t.rejects(app.accountChanges.remove(caller, target.id), { code: 'access.denied' })
    t.equal(await database.prisma.user.count({ where: { id: target.id, name: '' } }), 1, 'and nothing of it is left')
  })

  t.test('67: a power is given by who holds what it amounts to', async (t) => {
    const a = await person(['gatehouse:users.write', 'gatehouse:gate.write', 'gatehouse:roles.write'])
    const gate = await role(['gatehouse:gate.write'])
    t.equal(await outcome(patch(`/users/${(await person([])).id}`, a.headers, { roles: [gate] })), NH, '67')
    t.equal(await outcome(send('POST', '/roles', a.headers, { name: 'r67', permissions: ['gatehouse:gate.write'] })), NH, '67, in a role')
    const b = await person(['gatehouse:users.write', 'gatehouse:gate.write', '*:*'])
    t.equal(await outcome(patch(`/users/${(await person([])).id}`, b.headers, { roles: [gate] })), '200')
    t.equal(await verify('gk_none'), 'not_found')
  })

  t.test('a request without a credential holds nothing, and the host everything', async (t) => {
    const nobody = { principal: null, address: '', userAgent: '', requestId: '' }
    await t.rejects(app.keys.issue(nobody, { name: 'k' }), { code: 'credentials.missing' })
    await database.prisma.$transaction(async (tx) => {
      t.same((await app.authority.hold(tx, nobody)).permissions, [])
      await t.rejects(app.authority.require(tx, nobody, 'gatehouse:roles.write'), { code: 'access.denied' })
      t.same((await app.authority.hold(tx, { ...nobody, host: true })).permissions, ['gatehouse:*', '*:*'])
      await t.rejects(app.authority.target(tx, '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44'), { code: 'user.not_found' })
    })
  })
})

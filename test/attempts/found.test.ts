// Attempts that once succeeded: what somebody gained, multiplied, froze or broke before the mending, each in the words of what holds now.
import t from 'tap'
import { createActors, type KeyBody } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

const NH = '403 permission.not_held'
const AD = '403 access.denied'

interface Link { token: string }

t.test('attempts that once succeeded', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { keysPerOwner: 2 } })
  const { send, patch, outcome, person, machine, issue, verify, role } = await createActors(app, as)
  const { headers: admin } = await as.adminUser()
  const soon = new Date(clock.now() + 3_600_000).toISOString()
  const link = async (headers: Record<string, string>, id: string) => send('POST', `/users/${id}/password-reset`, headers)

  t.test('gaining over somebody reaches no further than the key it is done with', async (t) => {
    const target = await person(['a:b'])
    const fences = [{ expiresAt: soon }, { addresses: ['127.0.0.0/8'] }]
    for (const fence of fences) {
      const u = await machine(['gatehouse:users.write', 'gatehouse:keys.write', 'a:b'], fence)
      t.equal(await outcome(link(u.headers, target.id)), NH, `a link: ${JSON.stringify(fence)}`)
      t.equal(await outcome(patch(`/users/${target.id}`, u.headers, { email: 'mine@example.com' })), NH, 'an e-mail')
      t.equal(await outcome(send('POST', '/keys', u.headers, { name: 'k', ownerUserId: target.id })), NH, 'a key with nothing on it in their name')
      const customer = await person([])
      t.equal(await outcome(send('POST', '/keys', u.headers, { name: 'k', ownerUserId: customer.id })), NH, 'a key with nothing on it at all')
      t.equal(await outcome(send('POST', '/keys', u.headers, { name: 'k', ownerUserId: customer.id, ...fence })), '201')
      t.equal(await outcome(link(u.headers, customer.id)), '201', 'a plain member is within reach: a back end serves them')
      const empty = await issue(admin, { ownerUserId: customer.id, ...fence })
      t.equal(await outcome(patch(`/keys/${empty.id}`, u.headers, { expiresAt: null, addresses: [] })), NH, 'widening a key with nothing on it')
    }
  })

  t.test('whoever was demoted ends what is theirs, and nobody\'s customers with it', async (t) => {
    const d = await person(['gatehouse:keys.write', 'a:*'])
    const own = await issue(d.headers, { permissions: ['gatehouse:keys.write', 'a:*'] })
    const customer = await person([])
    const sold = await issue(as.bearer(own.key), { ownerUserId: customer.id, permissions: ['a:b'] })
    expectJson(await patch(`/users/${d.id}`, admin, { roles: [] }), 200)
    t.equal(await outcome(send('DELETE', `/keys/${own.id}?grants=revoke`, d.headers)), AD)
    t.equal(await verify(sold.key), 'valid')
    t.equal(await outcome(send('DELETE', `/keys/${own.id}`, d.headers)), '200')
    t.equal(await outcome(send('DELETE', `/keys/${own.id}?grants=revoke`, d.headers)), AD, 'also once it has ended')
    t.equal(await verify(sold.key), 'valid')
    expectJson(await send('DELETE', `/keys/${own.id}?grants=revoke`, admin), 200)
    await app.keySweeps.runPending()
    t.equal(await verify(sold.key), 'revoked')
  })

  t.test('ending what somebody gave takes the power to end it: keys.write or the brake for keys, users.write for roles', async (t) => {
    const [giver, customer] = [await person(['gatehouse:keys.write', 'gatehouse:users.write', 'a:*']), await person([])]
    const sold = await issue(giver.headers, { ownerUserId: customer.id, permissions: ['a:b'] })
    const given = await role(['a:c'])
    expectJson(await patch(`/users/${customer.id}`, giver.headers, { roles: [given] }), 200)
    expectJson(await patch(`/users/${giver.id}`, admin, { roles: [] }), 200)
    const u = await person(['gatehouse:users.write'])
    t.equal(await outcome(patch(`/users/${giver.id}?grants=revoke`, u.headers, { status: 'suspended' })), AD)
    t.equal(await outcome(send('DELETE', `/users/${giver.id}?grants=revoke`, u.headers)), AD)
    t.equal(await verify(sold.key), 'valid')
    const brake = await person(['gatehouse:brake'])
    t.match(expectJson(await patch(`/users/${giver.id}?grants=revoke`, brake.headers, { status: 'suspended' }), 200), { grants: { assignments: 1, revoked: { assignments: 0 } } })
    await app.keySweeps.runPending()
    t.equal(await verify(sold.key), 'revoked')
    const before = expectJson<{ version: number }>(await send('GET', `/users/${customer.id}`, admin), 200).version
    t.match(expectJson(await patch(`/users/${giver.id}?grants=revoke`, admin, { status: 'suspended' }), 200), { grants: { assignments: 0, revoked: { assignments: 1 } } })
    t.equal(expectJson<{ version: number }>(await send('GET', `/users/${customer.id}`, admin), 200).version, before + 1, 'their account is another than the one that was read')
  })

  t.test('a role that may do more within Gatehouse than who takes back what was given stays, and so does role admin', async (t) => {
    const [giver, customer] = [await person(['gatehouse:users.write', 'gatehouse:audit.read']), await person([])]
    const [strong, weak] = [await role(['gatehouse:audit.read']), await role(['gatehouse:users.write'])]
    expectJson(await patch(`/users/${customer.id}`, giver.headers, { roles: [strong, weak] }), 200)
    await database.prisma.userRole.create({ data: { userId: customer.id, roleName: 'admin', issuedBy: giver.id, issuedVia: '' } })
    expectJson(await patch(`/users/${giver.id}`, admin, { roles: [] }), 200)
    const u = await person(['gatehouse:users.write', 'gatehouse:keys.write'])
    const rolesOf = async () => expectJson<{ roles: string[] }>(await send('GET', `/users/${customer.id}`, admin), 200).roles
    t.match(expectJson(await patch(`/users/${giver.id}?grants=revoke`, u.headers, { status: 'suspended' }), 200), { grants: { assignments: 2, revoked: { assignments: 1 } } })
    t.same((await rolesOf()).toSorted(), ['admin', strong])
    t.match(expectJson(await patch(`/users/${giver.id}?grants=revoke`, admin, { status: 'suspended' }), 200), { grants: { assignments: 1, revoked: { assignments: 1 } } })
    t.same(await rolesOf(), ['admin'], 'somebody has to be left')
    expectJson(await send('DELETE', `/users/${customer.id}`, admin), 200)
  })

  t.test('keys that vouch for one another are swept once', async (t) => {
    const powers = ['gatehouse:keys.write', 'a:*']
    const [a, b] = [await machine(powers), await machine(powers)]
    const first = expectJson<KeyBody>(await send('POST', `/keys/${a.keyId}/rotate`, b.headers, { graceSeconds: 0 }), 201)
    expectJson(await patch(`/keys/${b.keyId}`, admin, { permissions: ['gatehouse:keys.write'] }), 200)
    expectJson(await patch(`/keys/${b.keyId}`, as.bearer(first.key), { permissions: powers }), 200)
    await send('DELETE', `/keys/${b.keyId}?grants=revoke`, admin)
    for (let turn = 0; turn < 3; turn += 1) await app.keySweeps.runPending()
    t.equal(await database.prisma.keySweep.count({ where: { finishedAt: null } }), 0)
    t.equal(await verify(first.key), 'revoked')
    await database.prisma.keySweep.updateMany({ data: { finishedAt: new Date() } })
  })

  t.test('a sweep that cannot go on keeps no other from it', async (t) => {
    const customer = await person([])
    const sold = await issue(admin, { ownerUserId: customer.id, permissions: ['a:b'] })
    const row = { reach: ['gatehouse:*'], requestedBy: '', requestedVia: 'host', before: new Date('9999-01-01'), frontier: ['*'] }
    await database.prisma.keySweep.create({ data: { ...row, id: '00000000-0000-7000-8000-000000000001', filter: {}, createdAt: new Date(0) } })
    await database.prisma.keySweep.create({ data: { ...row, id: '00000000-0000-7000-8000-000000000002', filter: { ownerUserId: customer.id }, createdAt: new Date() } })
    await t.rejects(app.keySweeps.runPending())
    t.equal(await verify(sold.key), 'revoked')
    await database.prisma.keySweep.deleteMany({ where: { finishedAt: null } })
  })

  t.test('an end that is put off brings back no more keys than an owner may have', async (t) => {
    const m = await person([])
    const at = new Date(clock.now() + 1_000).toISOString()
    const old = [await issue(m.headers, { expiresAt: at }), await issue(m.headers, { expiresAt: at })]
    clock.advance(2_000)
    for (const _ of old) await issue(m.headers)
    for (const { id } of old) t.equal(await outcome(patch(`/keys/${id}`, m.headers, { expiresAt: null })), '409 key.cap_reached')
    t.equal(await outcome(patch(`/keys/${old[0]?.id ?? ''}`, m.headers, { name: 'old' })), '200', 'what stays ended may be changed')
  })

  t.test('a role has no name that is an id, and is found by the one it has', async (t) => {
    const { id } = expectJson<{ id: string }>(await send('GET', '/roles/member', admin), 200)
    for (const name of [id, '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44', '.', '..', '-']) {
      t.equal(await outcome(send('POST', '/roles', admin, { name, permissions: [] })), '400 request.invalid', name)
    }
  })

  t.test('a stored answer to a rotation is for who may still rotate', async (t) => {
    const k = await person(['gatehouse:keys.write', 'a:*'])
    const customer = await person([])
    const sold = await issue(admin, { ownerUserId: customer.id, permissions: ['a:b'] })
    const once = { ...k.headers, 'idempotency-key': 'rotate-1' }
    const again = async () => outcome(send('POST', `/keys/${sold.id}/rotate`, once, { graceSeconds: 0 }))
    t.equal(await again(), '201')
    t.equal(await again(), '201')
    expectJson(await patch(`/users/${k.id}`, admin, { roles: [] }), 200)
    t.equal(await again(), AD)
  })

  t.test('odd input is refused, and never a failure', async (t) => {
    const customer = await person([])
    for (const expiresAt of ['9999-12-31T23:59:59-12:00', '9999-12-31T23:59:59-23:59']) {
      t.match(await outcome(send('POST', '/keys', admin, { name: 'k', expiresAt })), /^(201|400)/, expiresAt)
    }
    const deep = `{"name":"k","ownerUserId":"${customer.id}","metadata":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`
    t.match(await outcome(app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...admin, 'content-type': 'application/json' }, payload: deep })), /^4/, 'depth')
    for (const createdBefore of ['2027-02-30T00:00:00Z', '2027-01-01T23:59:60Z', '9999-12-31T23:59:60Z', '2027-01-01 00:00:00Z', '2027-01-01T24:00:00Z', '2027-01-01T00:00:00.123456789012345Z']) {
      t.match(await outcome(send('POST', '/keys/revoke', admin, { filter: { createdBefore, ownerUserId: customer.id }, dryRun: true })), /^[24]/, createdBefore)
    }
    for (const issuedVia of ['key:------------------------------------', 'key:00000000-0000-0000-0000-000000000000']) {
      t.match(await outcome(send('POST', '/keys/revoke', admin, { filter: { issuedVia } })), /^200/, issuedVia)
    }
    t.match(await outcome(patch(`/users/${customer.id}`, admin, { email: 'x@service.invalid' })), '400 request.invalid', 'the address of machines')
  })

  t.test('an address is read by one rule, whoever asks', async (t) => {
    const customer = await person([])
    const sold = await issue(admin, { ownerUserId: customer.id, addresses: ['10.0.0.0/8', '2001:db8::/32'] })
    const from = async (address: string) => verify(sold.key, [], { address })
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '010.001.002.003', '10.1.2.3:4711', '[2001:db8::1]:443', '2001:DB8::1', '2001:db8::1%eth0', '::ffff:a01:203']) t.equal(await from(address), 'valid', address)
    for (const address of ['10.1', '167837955', '0xa.1.2.3', '012.1.2.3', '11.1.2.3', '10.1.2.3/8', '10.1.2.3, 1.1.1.1', 'unknown']) t.equal(await from(address), 'forbidden', address)
  })

  t.test('what everybody has keeps nobody from opening accounts, nor from selling to members', async (t) => {
    const rights = expectJson<{ permissions: string[] }>(await send('GET', '/roles/member', admin), 200).permissions
    expectJson(await patch('/roles/member', admin, { permissions: [...rights, 'app:use'] }), 200)
    const u = await machine(['gatehouse:users.write', 'gatehouse:keys.write', 'a:*'])
    const made = expectJson<{ id: string }>(await send('POST', '/users', u.headers, { email: 'base@example.com', password: PASSWORD }), 201)
    t.equal(await outcome(send('POST', '/keys', u.headers, { name: 'k', ownerUserId: made.id, permissions: ['a:b'] })), '201')
    const { accessToken } = expectJson<{ accessToken: string }>(await send('POST', '/auth/login', {}, { email: 'base@example.com', password: PASSWORD }), 200)
    await issue(as.bearer(accessToken), { permissions: ['app:use'] })
    t.equal(await outcome(send('POST', '/keys', u.headers, { name: 'k', ownerUserId: made.id, permissions: ['a:b'] })), '201', 'nor does a key of their own that carries it')
    t.equal(expectJson<Link>(await link(u.headers, made.id), 201).token.slice(0, 3), 'gp_')
    t.equal(await outcome(send('POST', '/keys', u.headers, { name: 'k', ownerUserId: made.id, permissions: ['app:use'] })), NH, 'the permission itself is not theirs to give')
    expectJson(await patch('/roles/member', admin, { permissions: rights }), 200)
  })
})

// By which hand a key is touched, and what each takes: what is one's own, what was sold, what an organization has; what is lost meanwhile counts no more.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { meanwhile } from '../support/meanwhile.js'
import { createCustomers } from '../support/organizations.js'

const NH = '403 permission.not_held'
const AD = '403 access.denied'
const GONE = '404 key.not_found'
const LATER = '2033-01-01T00:00:00.000Z'
const NOBODY = { principal: null, address: '127.0.0.1', userAgent: '', requestId: 'test' }
const HOST = { ...NOBODY, host: true as const }

t.test('hands on keys', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { soldKeysPerOwner: 10, keysPerOwner: 2, accessTokenSeconds: 8_640_000 } })
  const { prisma } = database
  const { send, patch, outcome, person, machine, issue } = await createActors(app, as)
  const { user: { id: adminId }, headers: admin } = await as.adminUser()
  const { house } = createCustomers(app, admin)
  const post = (headers: Record<string, string>, body: object) => outcome(send('POST', '/keys', headers, { name: 'k', ...body }))
  const rotate = (id: string, headers: Record<string, string>) => outcome(send('POST', `/keys/${id}/rotate`, headers, { graceSeconds: 0 }))
  const end = (id: string, headers: Record<string, string>) => outcome(send('DELETE', `/keys/${id}`, headers))
  const soon = () => new Date(clock.now() + 5).toISOString()

  t.test('nobody has no keys', async (t) => {
    await t.rejects(app.keys.list(NOBODY, {}), { code: 'credentials.missing' })
  })

  t.test('who may see every key touches none: not a person\'s, and not an organization\'s', async (t) => {
    const { id } = await house()
    const [plain, theirs] = [await issue(admin, { ownerUserId: (await person([])).id }), await issue(admin, { organizationId: id })]
    const reader = await person(['gatehouse:keys.read'])
    for (const key of [plain, theirs]) {
      t.equal(await outcome(send('GET', `/keys/${key.id}`, reader.headers)), '200')
      t.equal(await outcome(patch(`/keys/${key.id}`, reader.headers, { name: 'x' })), GONE)
      t.equal(await rotate(key.id, reader.headers), GONE)
    }
    t.equal(await end(theirs.id, reader.headers), GONE)
    const looker = await person(['gatehouse:keys.read', 'gatehouse:organizations.read'])
    t.equal(await outcome(patch(`/keys/${theirs.id}`, looker.headers, { name: 'x' })), GONE, 'nor who may see every organization, too')
    t.equal(await end(theirs.id, looker.headers), AD)
  })

  t.test('sold to an organization by who holds what it may do, and what is written; widened by its own within theirs', async (t) => {
    const { id, owner, clerk } = await house(['reports:*'], ['keys.write'])
    const seller = await machine(['gatehouse:keys.write', 'reports:*'])
    t.equal(await post(seller.headers, { organizationId: id, permissions: ['reports:read'] }), '201')
    t.equal(await post(seller.headers, { organizationId: id, permissions: ['billing:read'] }), NH, 'also what it is not entitled to yet')
    const made = await issue(clerk.headers, { organizationId: id, permissions: ['reports:read'] })
    t.match(expectJson(await patch(`/keys/${made.id}`, owner.headers, { permissions: ['reports:*'] }), 200), { permissions: ['reports:*'], issuedBy: owner.user.id })
    t.equal(await end(made.id, as.bearer(made.key)), '200', 'a key ends itself, whoever owns it')
  })

  t.test('what its answer was stored for is asked again: the right, the power, and that the key lives', async (t) => {
    const { id, path, owner, clerk, clerks } = await house(['reports:*'], ['keys.write'])
    const [customer, seller] = [await person([]), await person(['gatehouse:keys.write'])]
    const again = (headers: Record<string, string>, key: string, body: object) => post({ ...headers, 'idempotency-key': key }, body)
    t.equal(await again(clerk.headers, 'of-theirs', { organizationId: id }), '201')
    t.equal(await again(clerk.headers, 'of-theirs', { organizationId: id }), '201')
    await patch(`${path}/roles/${clerks.id}`, owner.headers, { rights: [] })
    t.equal(await again(clerk.headers, 'of-theirs', { organizationId: id }), AD)
    t.equal(await again(seller.headers, 'sold', { ownerUserId: customer.id }), '201')
    await patch(`/roles/${seller.role}`, admin, { permissions: [] })
    t.equal(await again(seller.headers, 'sold', { ownerUserId: customer.id }), AD)
    t.equal(await again(admin, 'ended', { ownerUserId: customer.id }), '201')
    const { data: [{ id: keyId }] } = expectJson<{ data: [{ id: string }] }>(await send('GET', `/keys?ownerUserId=${customer.id}&issuedBy=${adminId}`, admin), 200)
    await end(keyId, admin)
    t.equal(await again(admin, 'ended', { ownerUserId: customer.id }), '409 key.revoked')
    await send('DELETE', `/users/${customer.id}`, admin)
    t.equal(await again(admin, 'ended', { ownerUserId: customer.id }), '409 key.revoked', 'nor one that is gone with its owner')
  })

  t.test('a power that this node has not heard the loss of sells nothing; a right that is lost meanwhile issues nothing', async (t) => {
    const [customer, seller] = [await person([]), await person(['gatehouse:keys.write'])]
    t.equal(await post(seller.headers, { ownerUserId: customer.id }), '201')
    await prisma.role.update({ where: { name: seller.role }, data: { permissions: [] } })
    t.equal(await post(seller.headers, { ownerUserId: customer.id }), AD)
    const { id, clerk, clerks } = await house(['reports:*'], ['keys.write'])
    const { waited, answer } = await meanwhile(database, async (tx) => {
      await app.standings.open(tx, HOST, id, { mode: 'alone' })
      await tx.organizationRole.update({ where: { id: clerks.id }, data: { rights: [] } })
    }, () => post(clerk.headers, { organizationId: id }))
    t.same([waited, answer], [true, AD])
  })

  t.test('a key that goes while it is changed, or ended, is not found', async (t) => {
    const owner = await person([])
    for (const ask of [(id: string) => outcome(patch(`/keys/${id}`, owner.headers, { name: 'x' })), (id: string) => end(id, owner.headers)]) {
      const { id } = await issue(owner.headers)
      t.same(await meanwhile(database, (tx) => tx.apiKey.delete({ where: { id } }), () => ask(id)), { waited: true, answer: GONE })
    }
  })

  t.test('a key is no person, also not to itself; one that may sell makes its owner\'s within their reach', async (t) => {
    const owner = await person(['gatehouse:keys.write', 'a:b'])
    const narrow = await issue(owner.headers, { permissions: ['gatehouse:keys.write'] })
    t.equal(await rotate(narrow.id, as.bearer(narrow.key)), NH, 'its owner may do what it may not')
    const seller = await person(['gatehouse:keys.write'])
    const [own, other] = [await issue(seller.headers, { permissions: ['gatehouse:keys.write'] }), await machine(['gatehouse:keys.write'])]
    t.match(await issue(as.bearer(own.key)), { ownerUserId: seller.id, kind: 'bound' })
    t.match(await issue(other.headers, { ownerUserId: seller.id, permissions: ['gatehouse:keys.write'] }), { kind: 'standing' })
  })

  t.test('what was sold to somebody hinders nobody from their own; the brake ends whatever it is', async (t) => {
    const [owner, brake] = [await person(['a:b']), await person(['gatehouse:brake'])]
    const strong = await issue(admin, { ownerUserId: owner.id, permissions: ['billing:write', 'gatehouse:users.write'] })
    t.equal(await post(owner.headers, { permissions: ['a:b'] }), '201')
    t.equal(await end(strong.id, brake.headers), '200')
  })

  t.test('at the cap: what lives and what has ended is changed, nothing is brought back, also not at once', async (t) => {
    const owner = await person([])
    const ended = [await issue(owner.headers, { expiresAt: soon() }), await issue(owner.headers, { expiresAt: soon() })] as const
    clock.advance(10)
    const live = await issue(owner.headers)
    const { answer } = await meanwhile(database, async (tx) => {
      await app.authority.guardCap(tx, `keys:${owner.id}`)
      await tx.apiKey.update({ where: { id: ended[1].id }, data: { expiresAt: null } })
    }, () => outcome(patch(`/keys/${ended[0].id}`, owner.headers, { expiresAt: null })))
    t.equal(answer, '409 key.cap_reached', 'as many as it waited for')
    t.equal(await outcome(patch(`/keys/${ended[0].id}`, owner.headers, { expiresAt: LATER })), '409 key.cap_reached')
    for (const { id } of [ended[0], live]) t.equal(await outcome(patch(`/keys/${id}`, owner.headers, { name: 'x' })), '200')
  })

  t.test('without the right to keys of one\'s own they are narrowed and ended, and no more; who sells, and an organization\'s, need it not', async (t) => {
    const [plain, seller, customer, sells] = [await person(['a:b']), await person(['gatehouse:keys.write']), await person([]), await machine(['gatehouse:keys.write'])]
    const own = await issue(plain.headers, { permissions: ['a:b'], expiresAt: LATER })
    const sellers = await issue(seller.headers)
    const sold = await issue(sells.headers, { ownerUserId: customer.id })
    const { id, clerk } = await house(['reports:*'], ['keys.write'])
    const theirs = await issue(clerk.headers, { organizationId: id })
    t.equal(await outcome(patch('/roles/member', admin, { permissions: ['gatehouse:own.profile', 'gatehouse:own.sessions'] })), '200')
    t.equal(await outcome(patch(`/keys/${own.id}`, plain.headers, { name: 'x' })), AD)
    t.equal(await outcome(patch(`/keys/${own.id}`, plain.headers, { expiresAt: null })), AD)
    t.equal(await rotate(own.id, plain.headers), AD)
    t.equal(await outcome(patch(`/keys/${own.id}`, plain.headers, { permissions: [] })), '200')
    t.equal(await outcome(patch(`/keys/${sellers.id}`, seller.headers, { name: 'x' })), '200')
    t.equal(await outcome(patch(`/keys/${sold.id}`, sells.headers, { name: 'x' })), '200')
    t.equal(await outcome(patch(`/keys/${theirs.id}`, clerk.headers, { name: 'x' })), '200')
    t.equal(await end(own.id, plain.headers), '200')
  })
})

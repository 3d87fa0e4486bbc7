// Keys that an organization owns: who issues them, what they are worth, what they are counted by, and what ends them, on two nodes.
import t from 'tap'
import { createActors, type KeyBody } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers } from '../support/organizations.js'

type Headers = Record<string, string>
interface Verified { valid: boolean; code: string; owner?: { type: string; id: string }; permissions?: string[]; limits?: { name: string; remaining: number }[] }

t.test('keys of an organization', async (t) => {
  const config = { accessTokenSeconds: 8_640_000, keysPerOwner: 4 }
  const { app, as, clock, database } = await startApp(t, { config })
  const { app: second } = await startApp(t, { config, database, clock })
  const { send, patch, outcome, person, machine } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, role, add } = createCustomers(app, admin)
  const issue = async (headers: Headers, body: object): Promise<KeyBody & { ownerUserId: null; organizationId: string; dormant: string[] }> => expectJson(await send('POST', '/keys', headers, { name: 'k', ...body }), 201)
  const verify = async (key: string, permissions: string[] = [], node = app): Promise<Verified> => expectJson(await node.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: admin, payload: { key, permissions } }), 200)
  /** What both nodes say, once each has heard. */
  const both = async (key: string, permissions: string[] = []): Promise<string[]> => {
    await Promise.all([app.revocations.restore(), second.revocations.restore()])
    return Promise.all([app, second].map(async (node) => (await verify(key, permissions, node)).code))
  }
  const clerks = ['members.write', 'roles.write', 'keys.write']

  t.test('201 for who has the right, within what they hold in it; verified as the organization\'s', async (t) => {
    const { id, owner, clerk, member } = await house(['reports:*'], clerks)
    const made = await issue(clerk.headers, { organizationId: id, permissions: ['reports:read'] })
    t.match(made, { ownerUserId: null, organizationId: id, kind: 'bound', issuedBy: clerk.user.id })
    t.match(await verify(made.key, ['reports:read']), { valid: true, owner: { type: 'organization', id }, permissions: ['reports:read'] })
    t.match(expectJson(await app.inject({ url: '/api/v1/whoami', headers: as.bearer(made.key) }), 200), { type: 'key', id, keyId: made.id })
    const refused: [Headers, object, string][] = [
      [clerk.headers, { permissions: ['reports:write'] }, '403 permission.not_held'], [owner.headers, { permissions: ['billing:read'] }, '403 permission.not_held'],
      [owner.headers, { permissions: ['gatehouse:keys.read'] }, '403 permission.not_held'], [owner.headers, { metadata: { plan: 'all' } }, '400 request.invalid'],
      [owner.headers, { limits: [{ name: 'calls', quota: 9, windowSeconds: 60 }] }, '403 permission.not_held'], [owner.headers, { ownerUserId: owner.user.id }, '400 request.invalid'],
      [member.headers, {}, '403 access.denied'], [(await someone()).headers, {}, '404 organization.not_found'], [as.bearer(made.key), {}, '403 access.denied'],
    ]
    for (const [headers, body, expected] of refused) t.equal(await outcome(send('POST', '/keys', headers, { name: 'k', organizationId: id, ...body })), expected, `${JSON.stringify(body)} ${expected}`)
    for (let n = 0; n < 3; n += 1) await issue(owner.headers, { organizationId: id })
    t.equal(await outcome(send('POST', '/keys', owner.headers, { name: 'k', organizationId: id })), '409 key.cap_reached')
    t.equal(await outcome(send('POST', '/keys', owner.headers, { name: 'k' })), '201', 'one\'s own are counted apart')
  })

  t.test('seen, changed, rotated and ended by who has the right; nobody else finds it', async (t) => {
    const { id, owner, clerk, member } = await house(['reports:*'], clerks)
    const { id: keyId } = await issue(clerk.headers, { organizationId: id, permissions: ['reports:read'] })
    const wide = await issue(owner.headers, { organizationId: id, permissions: ['reports:*'] })
    const list = async (headers: Headers) => expectJson<{ data: { id: string }[] }>(await send('GET', `/keys?organizationId=${id}`, headers), 200).data.length
    t.same(await Promise.all([list(owner.headers), list(clerk.headers), list(member.headers), list((await someone()).headers), list(admin)]), [2, 2, 0, 0, 2])
    for (const headers of [member.headers, (await someone()).headers]) {
      for (const [method, path] of [['GET', `/keys/${keyId}`], ['PATCH', `/keys/${keyId}`], ['DELETE', `/keys/${keyId}`], ['POST', `/keys/${keyId}/rotate`]] as const) {
        t.equal(await outcome(send(method, path, { ...headers, 'if-match': '*' }, method === 'PATCH' ? { name: 'x' } : method === 'POST' ? { graceSeconds: 0 } : undefined)), '404 key.not_found', method)
      }
    }
    t.equal(await outcome(patch(`/keys/${keyId}`, clerk.headers, { name: 'renamed' })), '200')
    t.equal(await outcome(patch(`/keys/${keyId}`, clerk.headers, { permissions: ['reports:read', 'reports:write'] })), '403 permission.not_held')
    t.equal(await outcome(patch(`/keys/${wide.id}`, clerk.headers, { permissions: ['reports:read'] })), '200', 'narrowing gains nothing')
    const again = await issue(owner.headers, { organizationId: id, permissions: ['reports:*'] })
    t.equal(await outcome(send('POST', `/keys/${again.id}/rotate`, clerk.headers, { graceSeconds: 0 })), '403 permission.not_held', 'nobody gets a secret that opens more than they hold')
    t.equal(await outcome(send('POST', `/keys/${keyId}/rotate`, clerk.headers, { graceSeconds: 0 })), '201')
    t.equal(await outcome(send('DELETE', `/keys/${again.id}`, clerk.headers)), '200', 'ending takes no more than the right')
  })

  t.test('sold to an organization: its seller\'s fields are the seller\'s, and it is worth no more than the entitlement', async (t) => {
    const { id, path, owner } = await house(['reports:*'], clerks)
    const seller = await machine(['gatehouse:keys.write', 'reports:read'])
    t.equal(await outcome(send('POST', '/keys', seller.headers, { name: 'k', organizationId: id, permissions: ['reports:read'] })), '403 permission.not_held', 'whoever acts as it holds what it may do')
    const sold = await issue(admin, { organizationId: id, permissions: ['reports:read', 'billing:read'], metadata: { plan: 'pro' } })
    t.match(sold, { kind: 'standing', dormant: ['billing:read'] })
    t.same([(await verify(sold.key, ['reports:read'])).code, (await verify(sold.key, ['billing:read'])).code], ['valid', 'forbidden'])
    t.equal(await outcome(patch(`/keys/${sold.id}`, owner.headers, { metadata: { plan: 'all' } })), '403 access.denied')
    t.equal(await outcome(patch(`/keys/${sold.id}`, owner.headers, { ownerAddresses: ['10.0.0.0/8'] })), '200')
    await patch(path, admin, { entitlement: ['reports:*', 'billing:*'] })
    t.equal((await verify(sold.key, ['billing:read'])).code, 'forbidden', 'not from there')
  })

  t.test('what is taken from the organization is taken from its keys, on two nodes; deletion ends them', async (t) => {
    const { id, path, owner, clerk } = await house(['reports:*'], clerks)
    const { key, id: keyId } = await issue(clerk.headers, { organizationId: id, permissions: ['reports:read'] })
    t.same(await both(key, ['reports:read']), ['valid', 'valid'])
    await patch(path, admin, { entitlement: ['exports:read'] })
    t.same(await both(key, ['reports:read']), ['forbidden', 'forbidden'], 'narrowed')
    await patch(path, admin, { entitlement: ['reports:*'] })
    t.same(await both(key, ['reports:read']), ['valid', 'valid'])
    await patch(path, admin, { status: 'suspended' })
    t.same(await both(key), ['owner_suspended', 'owner_suspended'], 'suspended')
    t.equal(await outcome(send('POST', '/keys', owner.headers, { name: 'k', organizationId: id })), '403 access.denied', 'and nobody issues another')
    await patch(path, admin, { status: 'active' })
    t.same(await both(key), ['valid', 'valid'])
    await send('DELETE', `/users/${clerk.user.id}`, admin)
    t.same(await both(key), ['valid', 'valid'], 'it outlives who issued it')
    t.equal(expectJson<{ matched: number }>(await send('POST', '/keys/revoke', admin, { filter: { issuedBy: clerk.user.id }, dryRun: true }), 200).matched, 1, 'and can be found by them')
    t.equal(expectJson<{ matched: number }>(await send('POST', '/keys/revoke', admin, { filter: { organizationId: id }, dryRun: true }), 200).matched, 1)
    await send('DELETE', path, owner.headers)
    t.same(await both(key), ['not_found', 'not_found'])
    t.equal(await outcome(send('GET', `/keys/${keyId}`, admin)), '404 key.not_found')
  })

  t.test('limits and usage are the organization\'s, over all its keys', async (t) => {
    const { id, path, owner, member, clerk } = await house(['reports:*'], clerks)
    await patch(path, admin, { limits: [{ name: 'calls', quota: 2, windowSeconds: 60 }] })
    const [one, other] = [await issue(owner.headers, { organizationId: id }), await issue(clerk.headers, { organizationId: id })]
    t.match((await verify(one.key)).limits, [{ name: 'owner:calls', remaining: 1 }])
    t.equal((await verify(other.key)).code, 'valid')
    t.equal((await verify(one.key)).code, 'rate_limited')
    const accountants = await role(id, owner.headers, [], ['usage.read'])
    const accountant = await someone()
    await add(id, accountant, { roles: [accountants.id] })
    await app.usageLedger.flush()
    const usage = async (headers: Headers, query: string) => send('GET', `/usage?${query}`, headers)
    t.match(expectJson<{ total: object }>(await usage(accountant.headers, `ownerId=${id}`), 200).total, { allowed: 2, rateLimited: 1 })
    t.match(expectJson<{ total: object }>(await usage(accountant.headers, `keyId=${one.id}`), 200).total, { allowed: 1, rateLimited: 1 })
    t.equal(await outcome(usage(member.headers, `ownerId=${id}`)), '403 access.denied')
    t.equal(await outcome(usage(member.headers, `keyId=${one.id}`)), '404 key.not_found')
    t.equal(await outcome(usage((await person([])).headers, `keyId=${one.id}`)), '404 key.not_found')
  })
})

// POST /auth/organization: a session acts in an organization, is worth there what its user's roles there are, and ceases to be as soon as they are not in it any more.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { type Customer, createCustomers } from '../support/organizations.js'

type Headers = Record<string, string>
interface Whoami { id: string; organizationId?: string; permissions: string[] }

t.test('acting in an organization', async (t) => {
  const config = { accessTokenSeconds: 8_640_000 }
  const { app, as, clock, database } = await startApp(t, { config })
  const { app: second } = await startApp(t, { config, database, clock })
  const { send, patch, outcome } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, add, role } = createCustomers(app, admin)
  const whoami = async (headers: Headers, node = app): Promise<string | Whoami> => {
    const answer = await node.inject({ url: '/api/v1/whoami', headers })
    return answer.statusCode === 200 ? answer.json<Whoami>() : `${answer.statusCode} ${answer.json<{ code: string }>().code}`
  }
  const both = async (headers: Headers): Promise<(string | Whoami)[]> => {
    await Promise.all([app.revocations.restore(), second.revocations.restore()])
    return Promise.all([whoami(headers), whoami(headers, second)])
  }
  const actIn = async ({ headers }: Pick<Customer, 'headers'>, organizationId: string | null): Promise<Headers> =>
    as.bearer(expectJson<{ accessToken: string }>(await send('POST', '/auth/organization', headers, { organizationId }), 200).accessToken)
  const refresh = async ({ refreshToken }: Customer): Promise<{ headers: Headers; refreshToken: string }> => {
    const pair = expectJson<{ accessToken: string; refreshToken: string }>(await send('POST', '/auth/refresh', {}, { refreshToken }), 200)
    return { headers: as.bearer(pair.accessToken), refreshToken: pair.refreshToken }
  }
  const claims = ({ authorization = '' }: Headers): { org?: string; sub: string } => JSON.parse(Buffer.from(authorization.split('.')[1] ?? '', 'base64url').toString()) as { org?: string; sub: string }

  t.test('200 with a token that says so: of the application what the organization gives, of Gatehouse what one has', async (t) => {
    const { id, owner, clerk, member } = await house()
    const personal = expectJson<{ name: string }>(await send('POST', '/roles', admin, { name: 'personal', permissions: ['diary:write', 'reports:write', 'gatehouse:users.read'] }), 201).name
    await patch(`/users/${clerk.user.id}`, admin, { roles: ['member', personal] })
    const within = await actIn(clerk, id)
    t.equal(claims(within).org, id)
    const who = await whoami(within) as Whoami
    t.equal(who.organizationId, id)
    t.ok(who.permissions.includes('reports:read') && who.permissions.includes('gatehouse:users.read'))
    t.notOk(who.permissions.some((one) => one === 'diary:write' || one === 'reports:write'), 'what is one\'s own is not the organization\'s')
    t.notOk((await whoami(clerk.headers) as Whoami).organizationId, 'the token before is good where it was')
    t.ok((await whoami(await actIn(owner, id)) as Whoami).permissions.includes('reports:*'), 'an owner may all of the entitlement')
    t.same((await whoami(await actIn(member, id)) as Whoami).permissions.filter((one) => !one.startsWith('gatehouse:')), [], 'who was given nothing may nothing')
    t.equal(claims((await refresh(owner)).headers).org, id, 'a refresh stays there')
    t.equal(claims(await actIn(owner, null)).org, undefined)
  })

  t.test('404 for one that they are not in, as for one that there is not; a key acts in none', async (t) => {
    const [one, other] = [await house(), await house()]
    for (const id of [other.id, '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11']) t.equal(await outcome(send('POST', '/auth/organization', one.owner.headers, { organizationId: id })), '404 organization.not_found')
    const key = expectJson<{ key: string }>(await send('POST', '/keys', one.owner.headers, { name: 'k' }), 201).key
    t.equal(await outcome(send('POST', '/auth/organization', as.bearer(key), { organizationId: one.id })), '403 access.denied')
    await patch(one.path, admin, { status: 'suspended' })
    t.equal(await outcome(send('POST', '/auth/organization', one.owner.headers, { organizationId: one.id })), '404 organization.not_found', 'suspended')
  })

  t.test('in two organizations, acting in one: things of the other are not there', async (t) => {
    const [a, b] = [await house(), await house()]
    await add(b.id, a.owner, { owner: true })
    const within = await actIn(a.owner, a.id)
    const keyOfB = expectJson<{ id: string }>(await send('POST', '/keys', b.owner.headers, { name: 'k', organizationId: b.id }), 201).id
    for (const [method, path] of [['GET', b.path], ['GET', `${b.path}/members`], ['DELETE', b.path], ['POST', `${b.path}/invitations`], ['GET', `${b.path}/roles/${b.clerks.id}`]] as const) {
      t.equal(await outcome(send(method, path, within, method === 'POST' ? { email: 'x@example.com' } : undefined)), '404 organization.not_found', `${method} ${path}`)
    }
    for (const method of ['GET', 'DELETE'] as const) t.equal(await outcome(send(method, `/keys/${keyOfB}`, within)), '404 key.not_found', method)
    t.same(expectJson<{ data: { id: string }[] }>(await send('GET', `/keys?organizationId=${b.id}`, within), 200).data, [])
    t.same(expectJson<{ data: { id: string }[] }>(await send('GET', '/organizations', within), 200).data.map(({ id }) => id), [a.id])
    t.equal(expectJson<{ data: object[] }>(await send('GET', '/me/organizations', within), 200).data.length, 2, 'to choose from all of one\'s own')
    t.equal(await outcome(send('GET', b.path, a.owner.headers)), '200', 'acting in none one sees both')
  })

  t.test('who is taken out, demoted, or whose organization is narrowed, suspended or deleted loses it on both nodes', async (t) => {
    const { id, path, owner, clerk, clerks } = await house()
    const within = await actIn(clerk, id)
    const may = async (): Promise<boolean[]> => (await both(within)).map((one) => typeof one !== 'string' && one.permissions.includes('reports:read'))
    t.same(await may(), [true, true])
    await patch(`${path}/roles/${clerks.id}`, owner.headers, { permissions: [] })
    t.same(await may(), [false, false], 'a role was narrowed')
    await patch(`${path}/roles/${clerks.id}`, owner.headers, { permissions: ['reports:read'] })
    t.same(await may(), [true, true])
    await patch(path, admin, { entitlement: ['exports:read'] })
    t.same(await may(), [false, false], 'the entitlement was narrowed')
    await patch(path, admin, { entitlement: ['reports:*', 'exports:read'] })
    await patch(`${path}/members/${clerk.user.id}`, owner.headers, { roles: [] })
    t.same(await may(), [false, false], 'the role was taken away')
    await patch(`${path}/members/${clerk.user.id}`, owner.headers, { roles: [clerks.id] })
    await patch(path, admin, { status: 'suspended' })
    t.same(await both(within), ['401 session.invalid', '401 session.invalid'], 'suspended: the token says what is not so')
    await patch(path, admin, { status: 'active' })
    t.same(await may(), [true, true])
    await send('DELETE', `${path}/members/${clerk.user.id}`, owner.headers)
    t.same(await both(within), ['401 session.invalid', '401 session.invalid'], 'taken out')
    const renewed = await refresh(clerk)
    t.equal(claims(renewed.headers).org, undefined, 'a refresh gives one without')
    t.match(await whoami(renewed.headers), { id: clerk.user.id })
    const deleted = await actIn(owner, id)
    await send('DELETE', path, owner.headers)
    t.same(await both(deleted), ['401 session.invalid', '401 session.invalid'], 'deleted')
  })

  t.test('its limits are charged where one acts in it, and one\'s own where not', async (t) => {
    const { id, path, owner, member } = await house()
    await patch(path, admin, { limits: [{ name: 'calls', quota: 2, windowSeconds: 60 }] })
    const [one, other] = [await actIn(owner, id), await actIn(member, id)]
    const tokenOf = ({ authorization = '' }: Headers): string => authorization.slice(7)
    const check = async (headers: Headers) => app.authorizer.check({ kind: 'token', value: tokenOf(headers) }, {}, '127.0.0.1')
    t.match(await check(one), { allowed: true, limits: [{ name: 'owner:calls', remaining: 1 }] })
    t.match(await check(other), { allowed: true, limits: [{ remaining: 0 }] })
    t.match(await check(one), { allowed: false, code: 'rate_limited' })
    t.match(await check(owner.headers), { allowed: true, limits: [] })
    const guest = await someone()
    t.equal(await outcome(send('GET', path, guest.headers)), '404 organization.not_found')
    t.ok((await role(id, owner.headers, ['reports:read'])).id)
  })
})

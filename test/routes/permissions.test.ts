// GET /me/permissions and POST /permissions/check: what somebody may do, from memory, and no longer than the lease after it changed.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers } from '../support/organizations.js'
import { watchStatements } from '../support/statements.js'

interface Checked { allowed: boolean; missing: string[] }
type Headers = Record<string, string>

t.test('what somebody may do', async (t) => {
  const config = { accessTokenSeconds: 8_640_000 }
  const { app, as, clock, database } = await startApp(t, { config })
  const { app: second } = await startApp(t, { config, database, clock })
  const { send, patch, outcome, machine, person } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone } = createCustomers(app, admin)
  const check = async (headers: Headers, body: object, node = app): Promise<Checked> => expectJson(await node.inject({ method: 'POST', url: '/api/v1/permissions/check', headers, payload: body }), 200)

  t.test('one\'s own, with what one comes with and where one acts', async (t) => {
    const { id, clerk } = await house()
    const within = as.bearer(expectJson<{ accessToken: string }>(await send('POST', '/auth/organization', clerk.headers, { organizationId: id }), 200).accessToken)
    t.match(expectJson(await send('GET', '/me/permissions', clerk.headers), 200), { organizationId: null })
    const own = expectJson<{ organizationId: string; permissions: string[] }>(await send('GET', '/me/permissions', within), 200)
    t.equal(own.organizationId, id)
    t.ok(own.permissions.includes('reports:read'))
    t.same(await check(within, { permissions: ['reports:read', 'reports:write'] }), { allowed: false, missing: ['reports:write'] })
    t.same(await check(clerk.headers, { permissions: ['reports:read'] }), { allowed: false, missing: ['reports:read'] })
    const reader = await machine(['reports:*'])
    t.same(await check(reader.headers, { permissions: ['reports:read'] }), { allowed: true, missing: [] })
  })

  t.test('another\'s for who may ask: in an organization, in none, and nothing of who there is not', async (t) => {
    const { id, path, owner, clerk, member } = await house()
    const asker = await machine(['gatehouse:permissions.check'])
    const may = (userId: string, organizationId?: string, node = app) => check(asker.headers, { userId, permissions: ['reports:read'], ...(organizationId === undefined ? {} : { organizationId }) }, node).then(({ allowed }) => allowed)
    t.same(await Promise.all([may(owner.user.id, id), may(clerk.user.id, id), may(member.user.id, id), may(clerk.user.id), may((await someone()).user.id, id), may(id), may(owner.user.id, owner.user.id)]), [true, true, false, false, false, false, false])
    const rich = await person(['reports:*'])
    t.same([await may(rich.id), await may(rich.id, id)], [true, false], 'one\'s own is not the organization\'s')
    for (const body of [{ userId: owner.user.id }, { organizationId: id }, { userId: clerk.user.id, organizationId: id }]) t.equal(await outcome(send('POST', '/permissions/check', clerk.headers, { permissions: ['reports:read'], ...body })), '403 access.denied', JSON.stringify(body))
    t.equal(await may(clerk.user.id, id, second), true)
    const sent = await watchStatements(database.pool).during(async () => {
      for (let n = 0; n < 5; n += 1) await may(clerk.user.id, id, second)
    })
    t.same(sent, [], 'known ones cost no statement')
    await send('DELETE', `${path}/members/${clerk.user.id}`, owner.headers)
    await Promise.all([app.revocations.restore(), second.revocations.restore()])
    t.same([await may(clerk.user.id, id), await may(clerk.user.id, id, second)], [false, false], 'taken out')
    await patch(path, admin, { status: 'suspended' })
    t.equal(await may(owner.user.id, id), false)
    await patch(path, admin, { status: 'active' })
    t.equal(await may(owner.user.id, id), true)
    await patch(`/users/${owner.user.id}`, admin, { status: 'suspended' })
    t.equal(await may(owner.user.id, id), false)
  })

  t.test('a thousand at once, in their order', async (t) => {
    const { id, owner, member } = await house()
    const asker = await machine(['gatehouse:permissions.check'])
    const checks = Array.from({ length: 1_000 }, (_, at) => ({ userId: at % 2 === 0 ? owner.user.id : member.user.id, organizationId: id, permissions: ['reports:read'] }))
    const { data } = expectJson<{ data: Checked[] }>(await send('POST', '/permissions/check/batch', asker.headers, { checks }), 200)
    t.equal(data.length, 1_000)
    t.ok(data.every(({ allowed }, at) => allowed === (at % 2 === 0)))
    t.equal(await outcome(send('POST', '/permissions/check/batch', asker.headers, { checks: [...checks, checks[0]] })), '400 request.invalid')
    t.equal(await outcome(send('POST', '/permissions/check/batch', owner.headers, { checks: [{ permissions: ['a:b'] }, checks[1]] })), '403 access.denied', 'all of them, or none')
  })
})

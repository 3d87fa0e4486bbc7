// Attempts around what somebody has given away: revoking many keys by a filter, and what stands when their issuer is gone.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'

interface Swept {
  matched: number
  revoked: number
  left: number
  pending: boolean
}

t.test('attempts around grants', async (t) => {
  const { app, as, database } = await startApp(t)
  const { send, patch, outcome, person, machine, issue, verify } = await createActors(app, as)
  const { headers: admin } = await as.adminUser()
  const sweep = (headers: Record<string, string>, filter: object, more: object = {}) => send('POST', '/keys/revoke', headers, { filter, ...more })
  const swept = async (headers: Record<string, string>, filter: object, more: object = {}) => expectJson<Swept>(await sweep(headers, filter, more), 200)

  t.test('52: what a swept key has issued ends with it, level by level', async (t) => {
    const k = await machine(['gatehouse:keys.write', 'reports:*'])
    const child = await machine(['gatehouse:keys.write', 'reports:*'])
    const childKey = await issue(k.headers, { ownerUserId: child.id, permissions: ['gatehouse:keys.write', 'reports:*'] })
    const ada = await person([])
    const grandchild = await issue(as.bearer(childKey.key), { ownerUserId: ada.id, permissions: ['reports:read'] })
    const rotated = await issue(admin, { ownerUserId: ada.id, permissions: ['reports:read'] })
    const taken = expectJson<{ id: string; key: string }>(await send('POST', `/keys/${rotated.id}/rotate`, as.bearer(childKey.key), { graceSeconds: 0 }), 201)
    const bystander = await issue(admin, { ownerUserId: ada.id, permissions: ['reports:read'] })
    const answer = expectJson<{ grants: Swept }>(await send('DELETE', `/keys/${k.keyId}?grants=revoke`, admin), 200)
    // the job that goes on with sweeps may have taken it over
    if (answer.grants.pending) while (await database.prisma.keySweep.count({ where: { finishedAt: null } }) > 0) await app.keySweeps.runPending()
    else t.match(answer.grants, { revoked: 3, left: 0 })
    t.same(await Promise.all([k.key, childKey.key, grandchild.key, taken.key].map((key) => verify(key))), ['revoked', 'revoked', 'revoked', 'revoked'], '52')
    t.equal(await verify(bystander.key), 'valid')
    t.equal(await verify(child.key), 'valid', 'another key of the same owner')
  })

  t.test('59 to 63: a filter names something, reaches no further than its caller, finds who is gone, and means the number it was given', async (t) => {
    const seller = await person(['gatehouse:keys.write', 'gatehouse:users.read', 'reports:*'])
    const ada = await person([])
    const sold = [await issue(seller.headers, { ownerUserId: ada.id, permissions: ['reports:read'] }), await issue(seller.headers, { ownerUserId: ada.id })]
    for (const filter of [{}, { surprise: 1 }, null]) t.equal((await sweep(admin, filter as object)).statusCode, 400, `59 ${JSON.stringify(filter)}`)
    t.match(await swept(admin, { issuedBy: seller.id }, { dryRun: true }), { matched: 2, revoked: 0, left: 0 })
    t.equal(await verify(sold[0]?.key ?? ''), 'valid', 'a dry run ends nothing')
    const strong = await issue(admin, { ownerUserId: ada.id, permissions: ['gatehouse:users.write'] })
    t.match(await swept(seller.headers, { ownerUserId: ada.id }, { dryRun: true }), { matched: 2, left: 1 }, '60')
    t.equal(await outcome(sweep(admin, { issuedBy: seller.id }, { expect: 3 })), '409 keys.unexpected_count', '63')
    t.equal(await verify(sold[0]?.key ?? ''), 'valid', '63: and nothing was ended')
    const { id: thief, headers } = await person(['gatehouse:keys.write', 'reports:*'])
    const stolen = expectJson<{ key: string }>(await send('POST', `/keys/${sold[1]?.id ?? ''}/rotate`, admin, { graceSeconds: 0 }), 201)
    t.equal(await verify(stolen.key), 'valid')
    const bob = await person([])
    const first = await issue(admin, { ownerUserId: bob.id, permissions: ['reports:read'] })
    const rotated = expectJson<{ key: string }>(await send('POST', `/keys/${first.id}/rotate`, headers, { graceSeconds: 0 }), 201)
    t.match(await swept(admin, { secretTo: thief }), { matched: 1, revoked: 1 }, '62')
    t.equal(await verify(rotated.key), 'revoked', '62')
    t.match(expectJson<{ grants: object }>(await send('DELETE', `/users/${seller.id}`, admin), 200), { grants: { keys: 2, assignments: 0, accounts: 0 } })
    t.match(await swept(admin, { issuedBy: seller.id }, { expect: 2 }), { matched: 2, revoked: 2, pending: false }, '61')
    t.equal(await verify(strong.key), 'valid')
    const member = await person(['a:b'])
    t.equal(await outcome(sweep(member.headers, { ownerUserId: member.id })), '403 access.denied')
    const brake = await person(['gatehouse:brake'])
    t.match(await swept(brake.headers, { permission: 'gatehouse:users.write' }), { matched: 1, revoked: 1, left: 0 }, 'the brake reaches everything')
  })

  t.test('suspending, demoting and deleting somebody counts what stands, and ends it when asked', async (t) => {
    const giver = await person(['gatehouse:keys.write', 'gatehouse:users.write', 'a:*'])
    const ada = await person([])
    const sold = await issue(giver.headers, { ownerUserId: ada.id, permissions: ['a:b'] })
    expectJson(await patch(`/users/${ada.id}`, giver.headers, { roles: [ada.role, 'member'] }), 200)
    expectJson(await send('POST', '/users', giver.headers, { email: 'made@example.com' }), 201)
    t.match(expectJson(await send('GET', `/users/${giver.id}/grants`, admin), 200), { keys: 1, assignments: 2, accounts: 1 })
    const kept = expectJson<{ grants: object }>(await patch(`/users/${giver.id}`, admin, { status: 'suspended' }), 200)
    t.match(kept.grants, { keys: 1, assignments: 2, accounts: 1 })
    t.equal(await verify(sold.key), 'valid', 'customers do not fall over')
    expectJson(await patch(`/users/${giver.id}`, admin, { status: 'active' }), 200)
    const ended = expectJson<{ grants: object }>(await patch(`/users/${giver.id}?grants=revoke`, admin, { roles: [] }), 200)
    t.match(ended.grants, { keys: 0, assignments: 0, revoked: { keys: 1, assignments: 2 }, left: 0, pending: false })
    t.equal(await verify(sold.key), 'revoked')
    t.notOk('grants' in expectJson<object>(await patch(`/users/${ada.id}`, admin, { name: 'x' }), 200), 'a change that takes nothing says nothing of it')
  })

  t.test('a sweep of many goes on after its answer, on any node, and is told of', async (t) => {
    const ada = await person([])
    const now = new Date()
    await database.pool.query(`
      INSERT INTO api_keys (id, owner_user_id, name, start, key_hash, permissions, limit_group_id, created_at, updated_at, kind, issued_by, issued_via, issued_at)
      SELECT gen_random_uuid(), $1, 'many', 'gk_', sha256(('many' || n)::bytea), '{}', gen_random_uuid(), '2020-01-01', '2020-01-01', 'standing', $1, 'host', $2
      FROM generate_series(1, 1600) n`, [ada.id, now])
    const answer = await swept(admin, { ownerUserId: ada.id }, { expect: 1600 })
    t.match(answer, { matched: 1600, revoked: 1000, pending: true })
    const other = await issue(admin)
    const sweeping = app.keySweeps.runPending()
    t.equal(await outcome(send('DELETE', `/keys/${other.id}`, admin)), '200', '55: another revocation does not wait for the sweep')
    t.equal(await verify(other.key), 'revoked', '55')
    await sweeping
    // the app's own job may be at a step of it: then runPending has left it to that
    while (await database.prisma.keySweep.count({ where: { finishedAt: null } }) > 0) await app.keySweeps.runPending()
    t.equal(await database.prisma.apiKey.count({ where: { ownerUserId: ada.id, revokedAt: null } }), 0)
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'key.revoked', details: { path: ['ownerUserId'], equals: ada.id } } }), 1600)
  })
})

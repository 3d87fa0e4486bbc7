// Each check of who may change and delete accounts, by itself (src/accounts/account-change-service.ts): beside every act that is refused stands one that differs from it by just what the
// check asks for, and is done.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { meanwhile } from '../support/meanwhile.js'

const WRITE = 'gatehouse:users.write'
const NH = '403 permission.not_held'
const AD = '403 access.denied'
const BAD = '400 request.invalid'

t.test('changing and deleting accounts', async (t) => {
  const { app, as, database } = await startApp(t, { config: { anonymousUsers: true } })
  const { prisma } = database
  const { send, patch, outcome, person, machine, issue, role, verify } = await createActors(app, as)
  const { user: { id: adminId }, headers: admin } = await as.adminUser()
  const change = (headers: Record<string, string>, id: string, body: object, query = '') => outcome(patch(`/users/${id}${query}`, headers, body))
  const remove = (headers: Record<string, string>, id: string) => outcome(send('DELETE', `/users/${id}`, headers))
  const told = (kind: string) => prisma.queuedWork.count({ where: { about: { path: ['kind'], equals: kind } } })

  t.test('the brake suspends, and does nothing else', async (t) => {
    const brake = await person(['gatehouse:brake'])
    const [strong, weak] = [await person([WRITE, 'reports:read']), await person([])]
    t.equal(await change(brake.headers, weak.id, { status: 'suspended', name: 'x' }), AD)
    t.equal(await change(brake.headers, weak.id, { name: 'x' }), AD)
    t.equal(await change(brake.headers, strong.id, { status: 'suspended' }), '200', 'whoever it is')
    t.equal(await change(brake.headers, strong.id, { status: 'active' }), AD)
    t.equal(await change(brake.headers, weak.id, { status: 'active' }), AD, 'though it is active')
    const writer = await person([WRITE])
    t.equal(await change(writer.headers, adminId, { status: 'suspended' }), NH, 'without it, whom one reaches')
  })

  t.test('whom one changes is within what one holds within Gatehouse', async (t) => {
    const writer = await person([WRITE])
    const target = await person(['reports:read'])
    t.equal(await change(writer.headers, adminId, { name: 'x' }), NH)
    t.equal(await change(writer.headers, target.id, { name: 'x' }), '200', 'what others do with it is no part of that')
    t.equal(await remove(writer.headers, adminId), NH)
    // one each: by the refusal the node hears of it
    const acts: ((headers: Record<string, string>) => Promise<string>)[] = [
      (headers) => change(headers, target.id, { name: 'y' }), (headers) => remove(headers, target.id), (headers) => outcome(send('POST', `/users/${target.id}/factors/reset`, headers)),
      (headers) => outcome(send('DELETE', `/users/${target.id}/factors/reset`, headers)),
    ]
    for (const act of acts) {
      const lost = await person([WRITE])
      expectJson(await send('GET', '/whoami', lost.headers), 200)
      await prisma.role.update({ where: { name: lost.role }, data: { permissions: [] } })
      t.equal(await act(lost.headers), AD, 'this node has not heard of it yet')
    }
    t.equal(await remove(writer.headers, target.id), '200')
    t.equal(await change(writer.headers, target.id, { name: 'x' }), '404 user.not_found')
  })

  t.test('where the mail goes, and bringing back, takes all of what one brings', async (t) => {
    const writer = await person([WRITE])
    const target = await person(['reports:read'])
    t.equal(await change(writer.headers, target.id, { email: 'mine@example.com' }), NH)
    t.equal(await change(writer.headers, target.id, { status: 'active' }), '200', 'who is active already is not brought back')
    t.equal(await change(admin, target.id, { status: 'suspended' }), '200')
    t.equal(await change(writer.headers, target.id, { name: 'x' }), '200')
    t.equal(await change(writer.headers, target.id, { status: 'active' }), NH)
    t.equal(await change(admin, target.id, { status: 'active', email: 'theirs@example.com' }), '200')
  })

  t.test('one\'s own address, a machine\'s and an anonymous account\'s are no administrator\'s to set', async (t) => {
    t.equal(await change(admin, adminId, { email: 'admin2@example.com' }), AD)
    t.equal(await change(admin, adminId, { name: 'Admin' }), '200')
    const { id: machineId } = await machine([])
    t.equal(await change(admin, machineId, { email: 'machine@example.com' }), BAD)
    t.equal(await change(admin, machineId, { name: 'press' }), '200')
    const { user: anonymous } = expectJson<{ user: { id: string } }>(await send('POST', '/auth/anonymous', {}), 201)
    t.equal(await change(admin, anonymous.id, { email: 'somebody@example.com' }), BAD)
    t.equal(await change(admin, anonymous.id, { name: 'Nobody' }), '200')
    const target = await person([])
    t.equal(await change(admin, target.id, { email: 'x@service.invalid' }), BAD, 'nor looks anybody\'s like a machine\'s')
  })

  t.test('the old address is told of a new one, and of nothing else', async (t) => {
    const target = await person([])
    const before = await told('email.changed')
    t.equal(await change(admin, target.id, { name: 'x' }), '200')
    t.equal(await change(admin, target.id, { email: target.email }), '200')
    t.equal(await told('email.changed'), before)
    t.equal(await change(admin, target.id, { email: 'new-one@example.com' }), '200')
    t.equal(await told('email.changed'), before + 1)
  })

  t.test('roles are given by whoever holds what they permit', async (t) => {
    const writer = await person([WRITE, 'a:b'])
    const [held, other] = [await role(['a:b']), await role(['c:d'])]
    const target = await person([])
    t.equal(await change(writer.headers, target.id, { roles: [target.role, other] }), NH)
    t.equal(await change(writer.headers, target.id, { roles: ['nothing'] }), '400 role.unknown')
    t.equal(await change(writer.headers, target.id, { roles: [target.role, held] }), '200')
    t.same((await prisma.userRole.findMany({ where: { userId: target.id } })).map(({ roleName }) => roleName).toSorted(), [target.role, held].toSorted())
    t.equal(await change(admin, target.id, { roles: [target.role, held, other] }), '200')
    t.equal(await change(writer.headers, target.id, { roles: [held, other] }), '200', 'what they have had stays theirs, whoever writes it down')
  })

  t.test('an end is at once, in the node that makes it', async (t) => {
    const target = await person(['a:b', 'gatehouse:own.keys'])
    const { key } = await issue(target.headers, { permissions: ['a:b'] })
    t.equal(await verify(key, ['a:b']), 'valid')
    t.equal(await change(admin, target.id, { roles: [] }), '200')
    t.equal(await verify(key, ['a:b']), 'forbidden')
    const sold = await issue(admin, { ownerUserId: target.id })
    t.equal(await verify(sold.key), 'valid')
    t.equal((await send('GET', '/me', target.headers)).statusCode, 200)
    t.equal(await change(admin, target.id, { status: 'suspended' }), '200')
    t.equal(await verify(sold.key), 'owner_suspended')
    t.equal(await prisma.session.count({ where: { userId: target.id, endedAt: null } }), 0, 'a suspension ends the sessions')
    t.equal(await change(admin, target.id, { status: 'active' }), '200')
    t.equal(await verify(sold.key), 'valid')
    const { id } = expectJson<{ id: string }>(await send('POST', '/users', admin, { email: 'nowhere@example.com' }), 201)
    const theirs = await issue(admin, { ownerUserId: id })
    t.equal(await verify(theirs.key), 'valid')
    t.equal(await change(admin, id, { status: 'suspended' }), '200')
    t.equal(await verify(theirs.key), 'owner_suspended', 'of who is signed in nowhere, too')
  })

  t.test('what a person gave away is counted where something is taken from them, and ended where that is asked for', async (t) => {
    const giver = await person(['gatehouse:keys.write', 'a:b'])
    const other = await person([])
    const given = await issue(giver.headers, { ownerUserId: other.id, permissions: ['a:b'] })
    const counted = async (body: object, query = '') => expectJson<{ grants?: { keys: number; revoked?: object } }>(await patch(`/users/${giver.id}${query}`, admin, body), 200).grants
    const more = await role(['e:f'])
    t.equal(await counted({ name: 'x' }), undefined)
    t.equal(await counted({ name: 'y' }, '?grants=revoke'), undefined)
    t.equal(await counted({ roles: [giver.role, more] }), undefined, 'a role more takes nothing')
    t.equal(await verify(given.key), 'valid', 'nor is anything ended where nothing is taken')
    const kept = await counted({ roles: [giver.role] })
    t.match(kept, { keys: 1 })
    t.notOk(kept?.revoked)
    t.match(await counted({ status: 'suspended' }), { keys: 1 })
    t.equal(await verify(given.key), 'valid', 'it stands until somebody ends it')
    t.match(await counted({ status: 'suspended' }, '?grants=revoke'), { keys: 0, revoked: { keys: 1 } })
    t.equal(await verify(given.key), 'revoked')
  })

  t.test('of the version that was read', async (t) => {
    const target = await person([])
    const stale = { ...admin, 'if-match': `"${target.id}.9"` }
    t.equal(await outcome(send('PATCH', `/users/${target.id}`, stale, { name: 'x' })), '412 precondition.failed')
    t.equal(await outcome(send('DELETE', `/users/${target.id}`, stale)), '412 precondition.failed')
  })

  t.test('one\'s own account is deleted by a session, and not while an organization would be nobody\'s', async (t) => {
    const target = await person(['gatehouse:own.keys', 'gatehouse:own.organizations'])
    const { key } = await issue(target.headers)
    t.equal(await outcome(send('DELETE', '/me', as.bearer(key))), AD, 'never by a key')
    const { id } = expectJson<{ id: string }>(await send('POST', '/organizations', target.headers, { slug: 'acme', name: 'Acme' }), 201)
    t.equal(await outcome(send('DELETE', '/me', target.headers)), '409 organization.last_owner')
    t.equal((await send('DELETE', `/organizations/${id}`, { ...target.headers, 'if-match': '*' })).statusCode, 204)
    t.equal((await send('DELETE', '/me', target.headers)).statusCode, 204)
  })

  // the last of all: nobody is an administrator behind it
  t.test('the last administrator stays, and nobody else is kept by that', async (t) => {
    const last = '409 admin.last'
    t.equal(await change(admin, adminId, { roles: [] }), last)
    t.equal(await change(admin, adminId, { status: 'suspended' }), last)
    t.equal(await remove(admin, adminId), last)
    t.equal(await outcome(send('DELETE', '/me', admin)), last)
    t.equal(await change(admin, adminId, { name: 'still here', roles: ['admin'] }), '200')
    const second = await person([])
    t.equal(await change(admin, second.id, { roles: ['admin'] }), '200')
    // two who stop each other at the same moment
    const { answer, waited } = await meanwhile(database, async (tx) => {
      await app.authority.guardAdmins(tx)
      await tx.user.update({ where: { id: second.id }, data: { status: 'suspended' } })
    }, () => change(admin, adminId, { status: 'suspended' }))
    t.same([answer, waited], [last, true])
    t.equal(await change(admin, second.id, { status: 'active' }), '200')
    const third = await person([])
    t.equal(await change(admin, third.id, { roles: ['admin'] }), '200')
    t.equal(await change(admin, third.id, { status: 'suspended' }), '200')
    t.equal(await change(admin, second.id, { status: 'suspended' }), '200', 'one is left')
    t.equal(await change(admin, adminId, { status: 'suspended' }), last, 'those who are suspended do not count')
    // as it may be where somebody wrote in the tables: whom nobody would miss is still stopped and deleted
    const writer = await person([WRITE, 'gatehouse:brake'])
    const member = await person([])
    await prisma.user.update({ where: { id: adminId }, data: { status: 'suspended' } })
    await app.revocations.pollNow()
    t.equal(await change(writer.headers, member.id, { status: 'suspended' }), '200')
    t.equal(await remove(writer.headers, member.id), '200')
    t.equal(await change(writer.headers, second.id, { status: 'suspended' }), '200', 'who counts no more is stopped once more')
  })
})

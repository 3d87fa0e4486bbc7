// Attempts by somebody who acts for another: what they may not gain by it, leave behind, or go on with. The numbers are those of docs/security.md.
import t from 'tap'
import { createActors, type Person } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

const NH = '403 permission.not_held'
const AD = '403 access.denied'
const ENDED = '401 session.invalid'

interface Started {
  accessToken: string
  expiresIn: number
  sessionId: string
}

t.test('attempts while acting for somebody', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { send, patch, outcome, person, machine, issue, role } = await createActors(app, as)
  const { user: { id: adminId }, headers: admin } = await as.adminUser()
  const reason = 'Ticket 4711'
  const start = (headers: Record<string, string>, id: string) => send('POST', `/users/${id}/impersonate`, headers, { reason })
  const acting = async (who: Pick<Person, 'headers'>, id: string) => {
    const started = expectJson<Started>(await start(who.headers, id), 201)
    return { ...started, headers: as.bearer(started.accessToken) }
  }
  const impersonator = (permissions: string[] = []) => person(['gatehouse:users.impersonate', 'gatehouse:users.read', ...permissions])
  const who = (headers: Record<string, string>) => send('GET', '/whoami', headers)
  const permissionsOf = async (headers: Record<string, string>) => expectJson<{ permissions: string[] }>(await who(headers), 200).permissions
  const again = async (person: Person) => ({ ...person, headers: as.bearer(expectJson<{ accessToken: string }>(await send('POST', '/auth/login', {}, { email: person.email, password: PASSWORD }), 200).accessToken) })

  t.test('nobody acts for who may do more, for themselves, for a machine, or by a key', async (t) => {
    const i = await impersonator(['a:*'])
    const strong = await person(['a:*', 'b:c'])
    t.equal(await outcome(start(i.headers, strong.id)), NH)
    t.equal(await outcome(start(i.headers, adminId)), NH)
    const customer = await person([])
    await issue(admin, { ownerUserId: customer.id, permissions: ['b:c'] })
    t.equal(await outcome(start(i.headers, customer.id)), NH, 'by a key that was sold to them, too')
    t.equal(await outcome(start(i.headers, i.id)), '409 impersonation.unavailable', 'oneself')
    const v = await machine([])
    t.equal(await outcome(start(i.headers, v.id)), '409 impersonation.unavailable', '48')
    const gone = await person([])
    expectJson(await patch(`/users/${gone.id}`, admin, { status: 'suspended' }), 200)
    t.equal(await outcome(start(i.headers, gone.id)), '409 impersonation.unavailable', 'somebody suspended')
    t.equal(await outcome(start(i.headers, '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44')), '404 user.not_found')
    const key = await machine(['gatehouse:users.impersonate', '*:*'])
    t.equal(await outcome(start(key.headers, gone.id)), AD, 'a key is nobody who could be asked')
    const member = await person([])
    t.equal(await outcome(start(member.headers, gone.id)), AD)
    for (const body of [{}, { reason: '' }, { reason: 'x' }, { reason: 'a\u0000b c' }, { reason: 'x'.repeat(501) }]) {
      t.equal(await outcome(send('POST', `/users/${customer.id}/impersonate`, admin, body)), '400 request.invalid', 'a reason is needed')
    }
    const lost = await impersonator()
    expectJson(await send('GET', '/users', lost.headers), 200)
    await database.prisma.role.update({ where: { name: lost.role }, data: { permissions: ['gatehouse:users.read'] } })
    t.equal(await outcome(start(lost.headers, member.id)), AD, 'this node has not heard of it yet')
    t.equal(await database.prisma.session.count({ where: { kind: 'impersonation' } }), 0)
  })

  t.test('64: no grant, consent, factor, invitation, password, address or key', async (t) => {
    const i = await impersonator(['gatehouse:users.write', 'gatehouse:keys.write', 'gatehouse:roles.write', '*:*'])
    const target = await person(['gatehouse:users.write', 'gatehouse:keys.write', 'gatehouse:roles.write', 'gatehouse:users.read', 'a:b'])
    const { headers } = await acting(i, target.id)
    const own = await issue(target.headers)
    const me = expectJson<{ version: number }>(await send('GET', '/me', headers), 200)
    const tried: [string, Promise<Awaited<ReturnType<typeof send>>>][] = [
      ['a key of theirs', send('POST', '/keys', headers, { name: 'k' })],
      ['a key for another', send('POST', '/keys', headers, { name: 'k', ownerUserId: i.id })],
      ['rotating their key', send('POST', `/keys/${own.id}/rotate`, headers, {})],
      ['changing their key', send('PATCH', `/keys/${own.id}`, { ...headers, 'if-match': '*' }, { name: 'x' })],
      ['revoking their key', send('DELETE', `/keys/${own.id}`, headers)],
      ['an account', send('POST', '/users', headers, { email: 'made@example.com' })],
      ['a role', send('POST', '/roles', headers, { name: 'made', permissions: [] })],
      ['their password', send('POST', '/me/password', headers, { currentPassword: PASSWORD, newPassword: 'a quiet mountain of paper' })],
      ['a link that sets a password', send('POST', `/users/${i.id}/password-reset`, headers)],
      ['another\'s address', patch(`/users/${i.id}`, headers, { email: 'other@example.com' })],
      ['nesting', start(headers, (await person([])).id)],
      ['a known device', send('DELETE', '/me/devices/0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f66', headers)],
    ]
    for (const [what, answer] of tried) t.equal(await outcome(answer), AD, what)
    t.equal(await database.prisma.user.count({ where: { email: 'made@example.com' } }), 0)
    t.same(await permissionsOf(headers), ['a:b', 'gatehouse:own.profile', 'gatehouse:own.sessions', 'gatehouse:users.read'], 'of Gatehouse what looks and repairs')
    t.equal(await outcome(send('PATCH', '/me', { ...headers, 'if-match': `"${target.id}.${me.version}"` }, { name: 'Repaired' })), '200', 'a repair')
    t.match(await database.prisma.auditEvent.findFirst({ where: { action: 'user.updated', targetId: target.id } }), { actorId: i.id, details: { actingFor: target.id } }, 'in both names')
    // whatever route somebody adds: the services themselves give nothing
    const principal = expectJson<{ type: 'user'; id: string; sessionId: string; permissions: string[]; authenticatedBy: 'token'; act: { sub: string; sid: string } }>(await who(headers), 200)
    const caller = { principal: { ...principal, permissions: ['gatehouse:*', '*:*'] }, address: '', userAgent: '', requestId: '' }
    await t.rejects(app.keys.issue(caller, { name: 'k' }), { code: 'access.denied' })
    await t.rejects(app.accountChanges.update(caller, i.id, '*', { name: 'x' }), { code: 'access.denied' })
    await t.rejects(app.impersonation.start(caller, i.id, 'nested'), { code: 'access.denied' })
  })

  t.test('66: what only one of the two may do, neither does', async (t) => {
    const i = await impersonator(['a:b', 'b:*', 'c:d'])
    const target = await person(['b:c'])
    const { headers } = await acting(i, target.id)
    t.ok((await permissionsOf(headers)).includes('b:c'))
    t.notOk((await permissionsOf(headers)).some((one) => one === 'a:b' || one === 'c:d' || one === 'gatehouse:users.read'), 'not what is the impersonator\'s')
    const more = await role(['x:y'])
    expectJson(await patch(`/users/${target.id}`, admin, { roles: [target.role, more] }), 200)
    await app.revocations.restore()
    t.equal(await outcome(who(headers)), ENDED, 'the target may do more now: it is over')
    const narrowed = await person(['b:c', 'a:b'])
    const next = await acting(i, narrowed.id)
    expectJson(await patch(`/roles/${i.role}`, admin, { permissions: ['gatehouse:users.impersonate', 'a:b'] }), 200)
    await app.revocations.restore()
    t.equal(await outcome(who(next.headers)), ENDED, 'or the impersonator less')
  })

  t.test('65: it ends with the impersonator, in whatever way they end, and with the target', async (t) => {
    const target = await person(['a:b'])
    const ways: [string, (i: Person, acting: Started & { headers: Record<string, string> }) => Promise<unknown>][] = [
      ['demoted', async (i) => expectJson(await patch(`/users/${i.id}`, admin, { roles: [] }), 200)],
      ['their role narrowed', async (i) => expectJson(await patch(`/roles/${i.role}`, admin, { permissions: ['*:*'] }), 200)],
      ['suspended', async (i) => expectJson(await patch(`/users/${i.id}`, admin, { status: 'suspended' }), 200)],
      ['deleted', async (i) => expectJson(await send('DELETE', `/users/${i.id}`, admin), 200)],
      ['signed out', async (i) => t.equal((await send('POST', '/auth/logout', i.headers)).statusCode, 204)],
      ['a new password', async (i) => t.equal((await send('POST', '/me/password', (await again(i)).headers, { currentPassword: PASSWORD, newPassword: 'a quiet mountain of paper' })).statusCode, 204)],
      ['their session deleted by hand', async (i) => database.pool.query("DELETE FROM sessions WHERE user_id = $1 AND kind = 'token'", [i.id])],
      ['by itself', async (_i, { headers }) => t.equal((await send('POST', '/auth/logout', headers)).statusCode, 204)],
      ['by the target', async (_i, { sessionId }) => t.equal((await send('DELETE', `/sessions/${sessionId}`, target.headers)).statusCode, 204)],
      ['the next one', async (i) => expectJson(await start(i.headers, (await person([])).id), 201)],
    ]
    for (const [way, end] of ways) {
      const i = await impersonator(['a:b'])
      const started = await acting(i, target.id)
      t.equal(await outcome(who(started.headers)), '200')
      await end(i, started)
      await app.revocations.restore()
      t.equal(await outcome(who(started.headers)), ENDED, way)
    }
    const i = await impersonator(['a:b'])
    const started = await acting(i, target.id)
    expectJson(await patch(`/users/${target.id}`, admin, { status: 'suspended' }), 200)
    await app.revocations.restore()
    t.equal(await outcome(who(started.headers)), ENDED, 'the target suspended')
  })

  t.test('58: an answer that was stored for the user is none of the impersonator\'s', async (t) => {
    const [i, target] = [await impersonator(['*:*']), await person(['a:b'])]
    const [fresh, theirs] = [await again(i), await again(target)]
    const once = { 'idempotency-key': 'once-58' }
    expectJson(await send('POST', '/keys', { ...theirs.headers, ...once }, { name: 'mine' }), 201)
    const { headers } = await acting(fresh, target.id)
    const replay = await send('POST', '/keys', { ...headers, ...once }, { name: 'mine' })
    t.equal(replay.statusCode, 403)
    t.notMatch(replay.body, /gk_/)
  })

  t.test('it is told: in the token, by /whoami, to the application, in the target\'s sessions and the audit log', async (t) => {
    const [i, target] = [await again(await impersonator(['a:b'])), await again(await person(['a:b']))]
    const before = await permissionsOf(target.headers)
    const started = await acting(i, target.id)
    const { sub, act, sid } = JSON.parse(Buffer.from(started.accessToken.split('.')[1] ?? '', 'base64url').toString()) as { sub: string; sid: string; act: { sub: string } }
    t.match({ sub, act, sid }, { sub: target.id, act: { sub: i.id }, sid: started.sessionId })
    t.match(expectJson(await who(started.headers), 200), { id: target.id, act: { sub: i.id }, sessionId: started.sessionId })
    const { data } = expectJson<{ data: { id: string; kind: string; current: boolean }[] }>(await send('GET', '/sessions', target.headers), 200)
    t.match(data.find(({ id }) => id === started.sessionId), { kind: 'impersonation', current: false })
    t.equal((await send('GET', '/sessions', started.headers)).statusCode, 200)
    t.same(await permissionsOf(target.headers), before, 'the user\'s own session is what it was')
    await app.audit.writeCounted(true)
    t.match(await database.prisma.auditEvent.findFirst({ where: { action: 'impersonation.started', targetId: target.id } }), { actorId: i.id, details: { reason, session: started.sessionId } })
    const reads = await database.prisma.auditEvent.findMany({ where: { action: 'impersonation.request', credential: `token:${started.sessionId}` } })
    t.match(reads.find(({ targetId }) => targetId === '/api/v1/sessions'), { actorId: i.id, details: { actingFor: target.id, method: 'GET' } }, 'what was read, too')
    expectJson(await send('POST', '/gate-rules', admin, { host: '*', path: '/app/*', permissions: ['a:b'] }), 201)
    const gate = await app.inside.inject({ url: '/gate/caddy', headers: { 'x-forwarded-method': 'POST', 'x-forwarded-host': 'app.example.com', 'x-forwarded-uri': '/app/x', 'x-forwarded-proto': 'https', ...started.headers } })
    t.match(gate.headers, { 'x-auth-subject': target.id, 'x-auth-actor': i.id, 'x-auth-type': 'user' })
    t.equal(await outcome(send('POST', '/keys', started.headers, { name: 'k' })), AD)
    t.ok(await database.prisma.auditEvent.findFirst({ where: { action: 'access.denied', actorId: i.id, targetId: '/api/v1/keys' } }), 'and what was refused')
  })
  t.test('a quarter of an hour, and no longer than one\'s own session', async (t) => {
    const [i, target] = [await impersonator(), await person([])]
    const started = await acting(i, target.id)
    t.equal(started.expiresIn, 900)
    t.notOk('refreshToken' in started, 'it cannot be prolonged')
    clock.advance(899_000)
    t.equal(await outcome(who(started.headers)), '200')
    clock.advance(1_000)
    t.equal(await outcome(who(started.headers)), '401 token.expired')
    const fresh = await again(i)
    const short = await acting(fresh, target.id)
    const { act } = expectJson<{ act: { sid: string } }>(await who(short.headers), 200)
    await database.prisma.session.update({ where: { id: act.sid }, data: { expiresAt: new Date(clock.now() + 60_000) } })
    await app.revocations.restore()
    t.equal(await outcome(who(short.headers)), '200')
    clock.advance(60_000)
    t.equal(await outcome(who(short.headers)), ENDED)
  })
})

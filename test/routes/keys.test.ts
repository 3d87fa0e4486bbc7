// /keys: issue, list, read, change, revoke, rotate; by route and status, with what each leaves behind.
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { sha256 } from '../../src/kernel/secrets.js'
import { type AuthorizationHeaders, expectJson, startApp } from '../support/app.js'

interface View {
  id: string
  ownerUserId: string
  name: string
  start: string
  permissions: string[]
  limits: { name: string; quota: number; windowSeconds: number }[]
  metadata: Record<string, unknown>
  status: string
  version: number
  createdAt: string
  lastUsedAt: string | null
  expiresAt: string | null
  revokedAt: string | null
  rotatedToId?: string
  kind: string
  key?: string
}
interface Problem {
  code: string
  errors?: { path: string }[]
}
interface List {
  data: View[]
  page: { nextCursor: string | null; total?: number }
}

t.test('keys', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { prisma } = database
  const alice = await as.signUp()
  const bob = await as.signUp()
  const { user: { id: adminId }, headers: admin } = await as.adminUser()

  const send = (method: NonNullable<InjectOptions['method']>, path: string, headers: Record<string, string>, payload?: object) =>
    app.inject({ method, url: `/api/v1/keys${path}`, headers, ...(payload ? { payload } : {}) })
  const issue = async (headers: AuthorizationHeaders, body: object = {}) =>
    expectJson<View & { key: string }>(await send('POST', '', headers, { name: 'k', ...body }), 201)
  const codeOf = async (status: number, ...request: Parameters<typeof send>) => expectJson<Problem>(await send(...request), status).code
  // what a member may pass on comes from their roles
  expectJson(await app.inject({ method: 'POST', url: '/api/v1/roles', headers: admin, payload: { name: 'apps', permissions: ['a:*', 'reports:*'] } }), 201)
  const setRoles = async (id: string, roles: string[]) =>
    expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { roles } }), 200)
  await setRoles(alice.user.id, ['member', 'apps'])
  const audited = (targetId: string) => prisma.auditEvent.findMany({ where: { targetId }, orderBy: [{ at: 'asc' }, { id: 'asc' }] })
  const isoAt = (ms: number): string => new Date(clock.now() + ms).toISOString()
  const whoami = async (key: string) => (await app.inject({ url: '/api/v1/whoami', headers: as.bearer(key) })).statusCode

  t.test('POST /keys 201 shows the key once and keeps only its hash', async (t) => {
    const limits = [{ name: 'calls', quota: 5, windowSeconds: 60 }]
    const body = { name: 'Reports', permissions: ['reports:read'], limits, metadata: { plan: 'free' }, expiresAt: isoAt(1000) }
    const response = await send('POST', '', admin, { ...body, ownerUserId: alice.user.id })
    const made = expectJson<View & { key: string }>(response, 201)
    t.match(made, { ...body, ownerUserId: alice.user.id, kind: 'standing', issuedBy: adminId, secretTo: adminId, status: 'active', version: 1, lastUsedAt: null, revokedAt: null })
    t.match(made.key, /^gk_[0-9A-Za-z]{36}$/)
    t.ok(made.key.startsWith(made.start))
    t.equal(response.headers.etag, `"${made.id}.1"`)
    const row = await prisma.apiKey.findUniqueOrThrow({ where: { id: made.id } })
    t.ok(Buffer.from(row.keyHash).equals(sha256(made.key)))
    t.notMatch(JSON.stringify(row), made.key)
    const rows = await audited(made.id)
    t.match(rows, [{ action: 'key.issued', actorId: adminId, targetType: 'key', credential: /^token:/ }])
    t.equal(rows.length, 1)
    t.notMatch(JSON.stringify(rows), made.key)
    t.notOk((await send('GET', `/${made.id}`, alice.headers)).body.includes(made.key))
    t.equal(await whoami(made.key), 200)
  })

  t.test('POST /keys 201 issues for another user by gatehouse:keys.write, also held by a key', async (t) => {
    t.equal((await issue(admin, { ownerUserId: bob.user.id })).ownerUserId, bob.user.id)
    const manager = await as.key(['gatehouse:keys.write'])
    t.equal((await issue(manager.headers, { ownerUserId: bob.user.id })).ownerUserId, bob.user.id)
    t.equal(await codeOf(403, 'POST', '', manager.headers, { name: 'k' }), 'permission.not_held', 'a key issues for its owner unless told otherwise, and needs to reach them')
    t.equal((await issue(admin)).kind, 'bound')
  })

  t.test('POST /keys with an Idempotency-Key issues once', async (t) => {
    const headers = { ...alice.headers, 'idempotency-key': 'keys-1' }
    const before = await prisma.apiKey.count()
    const first = expectJson<View>(await send('POST', '', headers, { name: 'once' }), 201)
    t.same(expectJson<View>(await send('POST', '', headers, { name: 'once' }), 201), first)
    t.equal(await prisma.apiKey.count(), before + 1)
    t.equal(await codeOf(422, 'POST', '', headers, { name: 'other' }), 'idempotency.mismatch')
  })

  t.test('POST /keys 400 names what is wrong, and leaves nothing', async (t) => {
    const before = await prisma.apiKey.count()
    const limit = { name: 'a', quota: 1, windowSeconds: 1 }
    const wrong: [object, string][] = [
      [{ name: '' }, '/name'], [{ name: ' ' }, '/name'], [{ name: 'a\0' }, '/name'], [{ name: 'x'.repeat(201) }, '/name'], [{ name: 3 }, '/name'],
      [{ permissions: ['reports'] }, '/permissions/0'], [{ permissions: ['*'] }, '/permissions/0'], [{ permissions: ['Reports:read'] }, '/permissions/0'], 
      [{ permissions: ['a:b', 'a:b'] }, '/permissions'], [{ limits: [limit, limit] }, '/limits'],
      [{ limits: [{ ...limit, quota: 0 }] }, '/limits/0/quota'], [{ limits: [{ ...limit, quota: 1.5 }] }, '/limits/0/quota'],
      [{ limits: [{ ...limit, windowSeconds: 2_592_001 }] }, '/limits/0/windowSeconds'],
      [{ limits: Array.from({ length: 11 }, (_, n) => ({ ...limit, name: `l${n}` })) }, '/limits'],
      [{ expiresAt: isoAt(0) }, '/expiresAt'], [{ expiresAt: 'tomorrow' }, '/expiresAt'],
      [{ metadata: { a: 'x'.repeat(4096) } }, '/metadata'], [{ metadata: [] }, '/metadata'],
      [{ metadata: { a: '\0' } }, '/metadata/a'], [{ metadata: { plan: 'free' } }, '/metadata'], [{ permissions: ['gatehouse:*'] }, '/permissions/0'],
      [{ permissions: ['gatehouse:keys.wirte'] }, '/permissions/0'], [{ permissions: ['gatehouse:own.keys'] }, '/permissions/0'], [{ addresses: ['10.0.0.0/33'] }, '/addresses/0'],
      [{ surprise: 1 }, '/surprise'], [{ ownerUserId: 'me' }, '/ownerUserId'],
    ]
    for (const [body, path] of wrong) {
      const { code, errors } = expectJson<Problem>(await send('POST', '', alice.headers, { name: 'k', ...body }), 400)
      t.equal(code, 'request.invalid')
      t.ok(errors?.some((error) => error.path === path), `${JSON.stringify(body).slice(0, 80)} -> ${JSON.stringify(errors)}`)
    }
    t.equal(await codeOf(400, 'POST', '', admin, { name: 'k', ownerUserId: '0198c0de-0000-7000-8000-000000000000' }), 'owner.unknown')
    t.equal(await prisma.apiKey.count(), before)
  })

  t.test('POST /keys 401 without a credential, 403 for others and for what is not held', async (t) => {
    t.equal(await codeOf(401, 'POST', '', {}, { name: 'k' }), 'credentials.missing')
    const before = await prisma.apiKey.count()
    t.equal(await codeOf(403, 'POST', '', alice.headers, { name: 'k', ownerUserId: bob.user.id }), 'access.denied')
    for (const permission of ['gatehouse:keys.verify', 'b:c']) {
      const headers = { ...alice.headers, 'idempotency-key': permission }
      t.equal(await codeOf(403, 'POST', '', headers, { name: 'k', permissions: ['a:b', permission] }), 'permission.not_held')
    }
    t.equal(await prisma.apiKey.count(), before)
    await app.audit.writeCounted(true)
    const denials = await prisma.auditEvent.findMany({ where: { actorId: alice.user.id, action: 'access.denied', targetType: 'key' } })
    t.same(denials.map(({ details }) => details), [{ code: 'access.denied' }, { code: 'permission.not_held' }, { code: 'permission.not_held', count: 1 }])
    const plain = await issue(alice.headers, { permissions: ['reports:*'] })
    t.equal(await codeOf(403, 'POST', '', as.bearer(plain.key), { name: 'k' }), 'access.denied', 'a key is not its owner')
    const manager = await as.key(['gatehouse:keys.write'])
    t.equal(await codeOf(403, 'POST', '', manager.headers, { name: 'k', permissions: ['gatehouse:users.read'] }), 'permission.not_held')
    t.same((await issue(manager.headers, { ownerUserId: bob.user.id, permissions: ['gatehouse:keys.write'] })).permissions, ['gatehouse:keys.write'])
  })

  t.test('GET /keys shows own keys; all of them by gatehouse:keys.read', async (t) => {
    const carol = await as.signUp()
    clock.advance(1000)
    const [b, a] = [await issue(carol.headers, { name: 'b' }), await issue(carol.headers, { name: 'a' })]
    const [dead, gone] = [await issue(carol.headers, { name: 'c', expiresAt: isoAt(1) }), await issue(carol.headers, { name: 'd' })]
    await send('DELETE', `/${gone.id}`, carol.headers)
    const since = isoAt(0)
    clock.advance(1)
    const list = async (query: string, headers: AuthorizationHeaders = carol.headers) => expectJson<List>(await send('GET', query, headers), 200)
    const ids = async (query: string, headers?: AuthorizationHeaders) => (await list(query, headers)).data.map(({ id }) => id)
    t.same(await ids('?sort=name'), [a.id, b.id, dead.id, gone.id])
    t.same(await ids(''), [gone.id, dead.id, a.id, b.id], 'newest first')
    t.same(await ids('?status=active&sort=name'), [a.id, b.id])
    t.same(await ids('?status=expired'), [dead.id])
    t.same(await ids('?status=revoked'), [gone.id])
    t.same((await list('?sort=-name')).data.map(({ status }) => status), ['revoked', 'expired', 'active', 'active'])
    t.same(await ids(`?createdAt[gte]=${since}&createdAt[lte]=${since}&sort=name`), [a.id, b.id, dead.id, gone.id])
    t.same(await ids(`?createdAt[gte]=${isoAt(0)}`), [])
    t.same(await ids(`?ownerUserId=${alice.user.id}`), [], 'another\'s keys are not there')
    const first = await list('?sort=name&limit=3&count=exact')
    t.equal(first.page.total, 4)
    t.same(await ids(`?sort=name&limit=3&cursor=${first.page.nextCursor}`), [gone.id])
    t.equal(await codeOf(400, 'GET', `?sort=-name&cursor=${first.page.nextCursor}`, carol.headers), 'cursor.invalid')
    t.equal(await codeOf(400, 'GET', `?sort=name&cursor=${first.page.nextCursor}`, admin), 'cursor.invalid', 'a cursor is of one list only')
    const reader = await as.key(['gatehouse:keys.read'])
    t.same((await ids(`?ownerUserId=${carol.user.id}&sort=name`, reader.headers)), [a.id, b.id, dead.id, gone.id])
    t.ok((await list('?limit=200', admin)).data.some(({ ownerUserId }) => ownerUserId === alice.user.id))
    t.notMatch(JSON.stringify(await list('')), /keyHash|key_hash|limitGroup/)
  })

  t.test('GET /keys 400 for a query it does not know, 401, 403', async (t) => {
    const times = ['?createdAt[gte]=0000-01-01T00:00:00Z', '?createdAt[gte]=2031-01-01T00:00:00%2B16:00']
    for (const query of ['?sort=start', '?status=dead', '?name=x', '?limit=0', ...times, '?cursor=x.y']) {
      t.match(await codeOf(400, 'GET', query, alice.headers), /^(request|cursor)\.invalid$/, query)
    }
    t.equal(await codeOf(401, 'GET', '', as.bearer('gk_x')), 'key.invalid')
    t.equal(await codeOf(403, 'GET', '', (await as.key(['reports:read'])).headers), 'access.denied')
  })

  t.test('GET /keys/:id 200 with its ETag, 304 for who has it, 404 for who may not see it', async (t) => {
    const made = await issue(alice.headers)
    const response = await send('GET', `/${made.id}`, alice.headers)
    const { key, ...view } = made
    t.same(expectJson(response, 200), view)
    t.ok(key)
    const { etag = '' } = response.headers
    t.equal((await send('GET', `/${made.id}`, { ...alice.headers, 'if-none-match': etag })).statusCode, 304)
    t.equal(expectJson<View>(await send('GET', `/${made.id}`, admin), 200).id, made.id)
    t.equal(await codeOf(404, 'GET', `/${made.id}`, bob.headers), 'key.not_found')
    t.equal(await codeOf(404, 'GET', '/0198c0de-0000-7000-8000-000000000000', alice.headers), 'key.not_found')
    t.equal(await codeOf(400, 'GET', '/x', alice.headers), 'request.invalid')
  })

  t.test('PATCH /keys/:id changes what is named, once a version', async (t) => {
    const made = await issue(admin, { ownerUserId: alice.user.id, permissions: ['a:b'], metadata: { a: 1 }, expiresAt: isoAt(1000) })
    const ifMatch = { ...admin, 'if-match': `"${made.id}.1"` }
    clock.advance(5)
    const response = await send('PATCH', `/${made.id}`, ifMatch, { name: 'new', expiresAt: null })
    const { createdAt } = made
    t.match(expectJson<View>(response, 200), { name: 'new', expiresAt: null, permissions: ['a:b'], version: 2, createdAt, updatedAt: isoAt(0) })
    t.same(response.json<View>().metadata, { a: 1 })
    t.equal(response.headers.etag, `"${made.id}.2"`)
    t.equal(await codeOf(412, 'PATCH', `/${made.id}`, ifMatch, { name: 'stale' }), 'precondition.failed')
    t.equal(await codeOf(428, 'PATCH', `/${made.id}`, admin, { name: 'blind' }), 'precondition.required')
    const any = { ...admin, 'if-match': '*' }
    const limits = [{ name: 'calls', quota: 1, windowSeconds: 60 }]
    const change = { permissions: [], metadata: {}, limits }
    t.match(expectJson<View>(await send('PATCH', `/${made.id}`, any, change), 200), { ...change, version: 3 })
    t.match(await audited(made.id), [
      { action: 'key.issued' }, { action: 'key.updated', details: { fields: ['expiresAt', 'name'] } },
      { details: { fields: ['limits', 'metadata', 'permissions'] } },
    ])
    t.equal((await audited(made.id)).length, 3)
  })

  t.test('PATCH /keys/:id 400, 403, 404, 409 change nothing', async (t) => {
    const made = await issue(alice.headers)
    const any = { ...alice.headers, 'if-match': '*' }
    for (const body of [{}, { ownerUserId: bob.user.id }, { version: 9 }, { expiresAt: isoAt(0) }, { name: null }]) {
      t.equal(await codeOf(400, 'PATCH', `/${made.id}`, any, body), 'request.invalid')
    }
    t.equal(await codeOf(403, 'PATCH', `/${made.id}`, any, { permissions: ['gatehouse:keys.verify'] }), 'permission.not_held')
    t.equal(await codeOf(404, 'PATCH', `/${made.id}`, { ...bob.headers, 'if-match': '*' }, { name: 'mine' }), 'key.not_found')
    t.equal(expectJson<View>(await send('GET', `/${made.id}`, alice.headers), 200).version, 1)
    await app.audit.writeCounted(true)
    t.match(await audited(made.id), [{ action: 'key.issued' }, { action: 'access.denied' }])
    await send('DELETE', `/${made.id}`, alice.headers)
    t.equal(await codeOf(409, 'PATCH', `/${made.id}`, any, { expiresAt: null }), 'key.revoked')
  })

  t.test('PATCH /keys/:id: a sold key is named and narrowed by its owner, and nothing else', async (t) => {
    const { id } = await issue(admin, { ownerUserId: alice.user.id, permissions: ['gatehouse:keys.verify'], expiresAt: isoAt(100_000) })
    const any = { ...alice.headers, 'if-match': '*' }
    for (const body of [{ permissions: ['a:b'] }, { permissions: [] }, { metadata: { a: 1 } }, { expiresAt: null }, { expiresAt: isoAt(1000) }, { addresses: [] }]) {
      t.equal(await codeOf(403, 'PATCH', `/${id}`, any, body), 'access.denied', JSON.stringify(body))
    }
    t.equal(await codeOf(403, 'PATCH', `/${id}`, any, { limits: [{ name: 'calls', quota: 1, windowSeconds: 1 }] }), 'access.denied')
    const narrower = { name: 'mine', ownerExpiresAt: isoAt(5_000), ownerAddresses: ['192.0.2.0/24'] }
    t.match(expectJson<View>(await send('PATCH', `/${id}`, any, narrower), 200), { ...narrower, endsAt: isoAt(5_000), permissions: ['gatehouse:keys.verify'] })
    const seller = { ...admin, 'if-match': '*' }
    t.equal(await codeOf(403, 'PATCH', `/${id}`, seller, { ownerAddresses: [] }), 'access.denied', 'the owner\'s hand is the owner\'s')
    t.match(expectJson<View>(await send('PATCH', `/${id}`, seller, { addresses: ['192.0.0.0/8'], expiresAt: null }), 200), { ...narrower, endsAt: isoAt(5_000) })
  })

  t.test('DELETE /keys/:id revokes at once and for ever; a second time changes nothing', async (t) => {
    const made = await issue(alice.headers)
    t.equal(await whoami(made.key), 200)
    const first = expectJson<{ revokedAt: string; effectiveWithinMs: number }>(await send('DELETE', `/${made.id}`, alice.headers), 200)
    t.same(first, { revokedAt: isoAt(0), effectiveWithinMs: 1_500 })
    t.equal(await whoami(made.key), 401)
    clock.advance(10)
    t.same(expectJson(await send('DELETE', `/${made.id}`, alice.headers), 200), first)
    t.match(expectJson<View>(await send('GET', `/${made.id}`, alice.headers), 200), { status: 'revoked', revokedAt: first.revokedAt, version: 2 })
    t.match(await audited(made.id), [{ action: 'key.issued' }, { action: 'key.revoked' }])
    t.equal((await audited(made.id)).length, 2)
  })

  t.test('DELETE /keys/:id honours If-Match when given; 404 for strangers', async (t) => {
    const made = await issue(alice.headers)
    t.equal(await codeOf(412, 'DELETE', `/${made.id}`, { ...alice.headers, 'if-match': `"${made.id}.7"` }), 'precondition.failed')
    t.equal(await codeOf(404, 'DELETE', `/${made.id}`, bob.headers), 'key.not_found')
    for (const headers of [admin, (await as.key(['gatehouse:keys.write'])).headers]) {
      t.equal(await codeOf(404, 'DELETE', '/0198c0de-0000-7000-8000-000000000000', headers), 'key.not_found')
    }
    t.equal(await whoami(made.key), 200)
    t.equal((await send('DELETE', `/${made.id}`, { ...admin, 'if-match': `"${made.id}.1"` })).statusCode, 200)
    t.equal(await whoami(made.key), 401)
  })

  t.test('POST /keys/:id/rotate 201: the successor works, the old key until its grace is over', async (t) => {
    const end = isoAt(60_000)
    const limits = [{ name: 'calls', quota: 5, windowSeconds: 60 }]
    const old = await issue(admin, { ownerUserId: alice.user.id, name: 'r', permissions: ['a:b'], limits, metadata: { a: 1 }, expiresAt: end })
    const next = expectJson<View & { key: string }>(await send('POST', `/${old.id}/rotate`, alice.headers, { graceSeconds: 10 }), 201)
    t.match(next, { name: 'r', permissions: ['a:b'], limits, metadata: { a: 1 }, ownerUserId: alice.user.id, expiresAt: end, version: 1, status: 'active' })
    t.not(next.key, old.key)
    const replaced = expectJson<View>(await send('GET', `/${old.id}`, alice.headers), 200)
    t.match(replaced, { rotatedToId: next.id, expiresAt: isoAt(10_000), status: 'active', version: 2 })
    clock.advance(9_999)
    t.same([await whoami(old.key), await whoami(next.key)], [200, 200])
    clock.advance(1)
    t.same([await whoami(old.key), await whoami(next.key)], [401, 200])
    t.match(await audited(old.id), [{ action: 'key.issued' }, { action: 'key.rotated', details: { rotatedToId: next.id, graceSeconds: 10 } }])
    const groups = await prisma.apiKey.findMany({ where: { id: { in: [old.id, next.id] } }, select: { limitGroupId: true } })
    t.equal(new Set(groups.map(({ limitGroupId }) => limitGroupId)).size, 1)
  })

  t.test('POST /keys/:id/rotate never lengthens the life of the old key; without grace it dies at once', async (t) => {
    const soon = await issue(alice.headers, { expiresAt: isoAt(5) })
    expectJson(await send('POST', `/${soon.id}/rotate`, alice.headers, { graceSeconds: 60 }), 201)
    t.equal(expectJson<View>(await send('GET', `/${soon.id}`, alice.headers), 200).expiresAt, soon.expiresAt)
    const now = await issue(alice.headers)
    expectJson(await send('POST', `/${now.id}/rotate`, alice.headers, { graceSeconds: 0 }), 201)
    t.equal(await whoami(now.key), 401)
    t.equal(await codeOf(409, 'PATCH', `/${now.id}`, { ...alice.headers, 'if-match': '*' }, { expiresAt: null }), 'key.rotated', 'nor does a change afterwards')
  })

  t.test('POST /keys/:id/rotate 400, 403, 404, 409', async (t) => {
    const made = await issue(alice.headers)
    for (const body of [{}, { graceSeconds: -1 }, { graceSeconds: '1' }, { graceSeconds: 2_592_001 }]) {
      t.equal(await codeOf(400, 'POST', `/${made.id}/rotate`, alice.headers, body), 'request.invalid')
    }
    t.equal(await codeOf(404, 'POST', `/${made.id}/rotate`, bob.headers, { graceSeconds: 0 }), 'key.not_found')
    expectJson(await send('POST', `/${made.id}/rotate`, admin, { graceSeconds: 0 }), 201)
    t.equal(await codeOf(409, 'POST', `/${made.id}/rotate`, alice.headers, { graceSeconds: 0 }), 'key.rotated')
    const dead = await issue(alice.headers)
    await send('DELETE', `/${dead.id}`, alice.headers)
    t.equal(await codeOf(409, 'POST', `/${dead.id}/rotate`, alice.headers, { graceSeconds: 0 }), 'key.revoked')
    const powerful = await as.key(['gatehouse:users.write'])
    const manager = await as.key(['gatehouse:keys.write'])
    const taking = await codeOf(403, 'POST', `/${powerful.id}/rotate`, manager.headers, { graceSeconds: 0 })
    t.equal(taking, 'permission.not_held', 'or a manager of keys could become anybody')
    t.equal(await whoami(powerful.key), 200)
    t.match(await audited(powerful.id), [{ action: 'key.issued' }, { action: 'access.denied' }])
  })

  t.test('a role taken away takes its permissions from the user\'s own keys, at once', async (t) => {
    const carol = await as.signUp()
    const path = `/api/v1/users/${carol.user.id}`
    await setRoles(carol.user.id, ['admin'])
    const made = await issue(carol.headers, { permissions: ['a:b', 'gatehouse:users.read'] })
    t.equal((await app.inject({ url: path, headers: as.bearer(made.key) })).statusCode, 200)
    await setRoles(carol.user.id, ['apps'])
    t.equal((await app.inject({ url: path, headers: as.bearer(made.key) })).statusCode, 403)
    t.match(expectJson<View>(await send('GET', `/${made.id}`, admin), 200), { permissions: ['a:b', 'gatehouse:users.read'], dormant: ['gatehouse:users.read'], version: 1 })
    const whose = expectJson<{ permissions: string[] }>(await app.inject({ url: '/api/v1/whoami', headers: as.bearer(made.key) }), 200)
    t.same(whose.permissions, ['a:b'])
  })

  t.same([...app.undeclaredErrors], [], 'every error was declared')
})

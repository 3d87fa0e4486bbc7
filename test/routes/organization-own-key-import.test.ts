// POST /organizations/:id/keys/import: by who may issue in the organization, row by row as POST /keys would let them, and nothing that a member could gain by it beyond that.
import t from 'tap'
import { createHash } from 'node:crypto'
import { newId } from '../../src/kernel/ids.js'
import { formatKey } from '../../src/keys/key-format.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { meanwhile } from '../support/meanwhile.js'
import { createCustomers, type House } from '../support/organizations.js'

type Headers = Record<string, string>
interface Line { row?: number; status?: string; id?: string; code?: string; done?: boolean; created?: number; failed?: number; resumedAfter?: number }

t.test('keys of an organization, brought by its own people', async (t) => {
  const { app, as, database } = await startApp(t, { config: { keysPerOwner: 3, accessTokenSeconds: 8_640_000 } })
  const { prisma } = database
  const { send, patch, outcome } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, add, role } = createCustomers(app, admin)
  const fresh = (): string => formatKey('acme').key
  const ask = (id: string, headers: Headers, rows: object[], query = '') => app.inject({
    method: 'POST', url: `/api/v1/organizations/${id}/keys/import?report=all${query}`, headers: { 'content-type': 'application/x-ndjson', ...headers }, payload: rows.map((row) => JSON.stringify(row)).join('\n'),
  })
  const bring = async (id: string, headers: Headers, rows: object[], query = ''): Promise<Line[]> => {
    const answer = await ask(id, headers, rows, query)
    t.equal(answer.statusCode, 200, answer.body)
    return answer.body.trim().split('\n').map((line) => JSON.parse(line) as Line)
  }
  const codes = (lines: readonly Line[]): (string | undefined)[] => lines.slice(0, -1).map(({ code, status }) => code ?? status)
  const verify = async (key: string, permissions = ['reports:read']) => expectJson<{ valid: boolean; code: string; owner?: object }>(await send('POST', '/keys/verify', admin, { key, permissions }), 200)
  const clerked = (): Promise<House> => house(['reports:*'], ['keys.write'])

  t.test('whoever may issue there may bring; nobody else is let in', async (t) => {
    const [acme, rival] = [await clerked(), await clerked()]
    const former = await someone()
    await add(acme.id, former, { owner: true })
    await send('DELETE', `${acme.path}/members/${former.user.id}`, acme.owner.headers)
    const { key: own } = expectJson<{ key: string }>(await send('POST', '/keys', acme.owner.headers, { name: 'k', organizationId: acme.id }), 201)
    const looker = await as.key(['gatehouse:organizations.read'])
    for (const [who, headers, expected] of [
      ['nobody', {}, '401 credentials.missing'], ['member', acme.member.headers, '403 access.denied'], ['former', former.headers, '404 organization.not_found'], ['clerk of another', rival.clerk.headers, '404 organization.not_found'],
      ['its own key', as.bearer(own), '403 access.denied'], ['who only looks', looker.headers, '403 access.denied'],
    ] as [string, Headers, string][]) {
      t.equal(await outcome(ask(acme.id, headers, [{ name: 'k', key: fresh() }])), expected, who)
    }
    t.equal(await outcome(ask(newId(), acme.owner.headers, [{ name: 'k', key: fresh() }])), '404 organization.not_found')
    const key = fresh()
    const [line] = await bring(acme.id, acme.clerk.headers, [{ name: 'k', key, permissions: ['reports:read'] }])
    t.match(line, { status: 'created' })
    t.match(await verify(key), { valid: true, owner: { type: 'organization', id: acme.id } })
    t.match(await prisma.apiKey.findUniqueOrThrow({ where: { id: line?.id ?? '' } }), { organizationId: acme.id, ownerUserId: null, kind: 'bound', issuedBy: acme.clerk.user.id, secretTo: acme.clerk.user.id })
    t.match(await prisma.auditEvent.findFirstOrThrow({ where: { action: 'key.issued', targetId: line?.id ?? '' } }), { actorId: acme.clerk.user.id, details: { ownerUserId: acme.id, kind: 'bound', bulk: true } })
    await patch(acme.path, admin, { status: 'suspended' })
    t.equal(await outcome(ask(acme.id, acme.clerk.headers, [{ name: 'k', key: fresh() }])), '403 access.denied')
    t.equal((await verify(key)).valid, false)
  })

  t.test('row by row as POST /keys: of what they hold there, within the entitlement, without what a seller sets; the caps are those', async (t) => {
    const { id, clerk, owner } = await clerked()
    const limits = [{ name: 'calls', quota: 1, windowSeconds: 60 }]
    for (const more of [{ permissions: ['reports:write'] }, { permissions: ['reports:*'] }, { permissions: ['billing:read'] }, { permissions: ['gatehouse:keys.write'] }, { limits }, { metadata: { plan: 'gold' } }, { expiresAt: '2001-01-01T00:00:00Z' }, { permissions: ['reports:read'] }]) {
      const issued = await send('POST', '/keys', clerk.headers, { name: 'k', organizationId: id, ...more })
      const [code] = codes(await bring(id, clerk.headers, [{ name: 'k', key: fresh(), ...more }]))
      t.equal(code, issued.statusCode === 201 ? 'created' : issued.json<{ code: string }>().code, JSON.stringify(more))
    }
    t.equal(await prisma.apiKey.count({ where: { organizationId: id } }), 2)
    t.same(codes(await bring(id, owner.headers, [{ name: 'k', key: fresh(), permissions: ['reports:*'] }, { name: 'k', key: fresh() }])), ['created', 'key.cap_reached'])
    t.ok((await prisma.auditEvent.findMany({ where: { action: 'access.denied', targetId: id } })).length > 0, 'a refusal leaves its trace')
  })

  t.test('no other owner, no hash, and nothing of another\'s key', async (t) => {
    const [acme, rival] = [await clerked(), await clerked()]
    const [theirs, gone] = [fresh(), fresh()]
    const hash = createHash('sha256').update(fresh()).digest('hex')
    const [, revoked] = await bring(rival.id, rival.clerk.headers, [{ name: 'k', key: theirs, permissions: ['reports:read'] }, { name: 'k', key: gone }])
    t.equal(await outcome(send('DELETE', `/keys/${revoked?.id}`, rival.owner.headers)), '200')
    const before = await prisma.apiKey.findMany({ where: { organizationId: rival.id }, orderBy: { id: 'asc' } })
    const rows = [
      { name: 'k', key: fresh(), organizationId: rival.id }, { name: 'k', key: fresh(), ownerUserId: acme.clerk.user.id }, { name: 'k', key: fresh(), ownerEmail: 'admin@example.com' }, { name: 'k', hash, start: 'acme_4fQz' }, { name: 'k' },
      { name: 'k', key: `${theirs.slice(0, -1)}${theirs.endsWith('0') ? '1' : '0'}` }, { name: 'x', key: theirs, permissions: [] }, { name: 'x', key: gone },
    ]
    for (const query of ['', '&mode=upsert']) {
      t.same(codes(await bring(acme.id, acme.clerk.headers, rows, query)), [...Array<string>(6).fill('request.invalid'), 'key.taken', 'key.taken'], query)
    }
    t.same(await prisma.apiKey.findMany({ where: { organizationId: rival.id }, orderBy: { id: 'asc' } }), before)
    const csv = await app.inject({ method: 'POST', url: `/api/v1/organizations/${acme.id}/keys/import?report=all`, headers: { ...acme.clerk.headers, 'content-type': 'text/csv' }, payload: `name,key,permissions\nk,${fresh()},reports:read` })
    t.match(csv.body, /"created"/)
    const owned = await app.inject({ method: 'POST', url: `/api/v1/organizations/${acme.id}/keys/import?report=all`, headers: { ...acme.clerk.headers, 'content-type': 'text/csv' }, payload: `name,key,organizationId\nk,${fresh()},${rival.id}` })
    t.match(owned.body, /"created":0,.*request\.invalid/)
  })

  t.test('upsert gives one of its own what PATCH would; a revoked one does not come back', async (t) => {
    const { id, clerk, owner } = await clerked()
    const [key, wide] = [fresh(), fresh()]
    await bring(id, owner.headers, [{ name: 'k', key, permissions: ['reports:read'] }, { name: 'w', key: wide, permissions: ['reports:write'] }])
    t.same(codes(await bring(id, clerk.headers, [{ name: 'new', key }, { name: 'w', key: wide, permissions: ['reports:read', 'reports:write'] }, { name: 'w', key: wide, permissions: [] }], '&mode=upsert')), ['updated', 'permission.not_held', 'updated'])
    t.match(await verify(wide, ['reports:write']), { valid: false })
    const { id: keyId } = await prisma.apiKey.findFirstOrThrow({ where: { organizationId: id, name: 'new' } })
    t.equal(await outcome(send('DELETE', `/keys/${keyId}`, clerk.headers)), '200')
    t.same(codes(await bring(id, clerk.headers, [{ name: 'new', key }], '&mode=upsert')), ['key.revoked'])
    t.same(codes(await bring(id, clerk.headers, [{ name: 'new', key }])), ['key.taken'])
  })

  t.test('an Idempotency-Key is of one organization, and of who may still issue there', async (t) => {
    const [acme, other] = [await clerked(), await clerked()]
    const both = acme.clerk
    await add(other.id, both, { roles: [(await role(other.id, other.owner.headers, [], ['keys.write'])).id] })
    const [once, rows] = [{ ...both.headers, 'idempotency-key': 'once' }, [{ name: 'k', key: fresh() }]]
    t.match((await bring(acme.id, once, rows)).at(-1), { created: 1, resumedAfter: 0 })
    t.match((await bring(acme.id, once, rows)).at(-1), { created: 1, resumedAfter: 1 })
    t.match((await bring(other.id, once, rows)).at(-1), { created: 0, failed: 1, resumedAfter: 0 })
    await patch(`${acme.path}/members/${both.user.id}`, acme.owner.headers, { roles: [] })
    t.equal(await outcome(ask(acme.id, once, rows)), '403 access.denied')
  })

  t.test('so many rows and bytes, and no more', async (t) => {
    const { id, clerk } = await clerked()
    const wrong = { name: 'k', key: 'x' }
    t.match((await bring(id, clerk.headers, Array.from({ length: 2_001 }, () => wrong))).at(-1), { done: false, code: 'body.too_large' })
    t.match((await bring(id, clerk.headers, Array.from({ length: 50 }, () => ({ ...wrong, metadata: { a: 'x'.repeat(60_000) } })))).at(-1), { done: false, code: 'body.too_large' })
  })

  t.test('whoever loses the right while it runs brings nothing from then on', async (t) => {
    const { id, clerk } = await clerked()
    const rows = Array.from({ length: 600 }, (_, at) => ({ name: 'k', key: at < 500 ? 'x' : fresh() }))
    const { waited, answer } = await meanwhile(database, async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(7106, hashtext(${id}))`
      await tx.organizationMember.updateMany({ where: { organizationId: id, userId: clerk.user.id }, data: { roleIds: [] } })
    }, () => bring(id, clerk.headers, rows))
    t.ok(waited)
    t.match(answer.at(-1), { done: false, code: 'access.denied' })
    t.equal(await prisma.apiKey.count({ where: { organizationId: id } }), 0)
  })
})

// POST /keys/import of keys that an organization owns: as POST /keys would sell them to it, by who holds all that it may do; counted, seen and ended as its own.
import { createHash } from 'node:crypto'
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { formatKey } from '../../src/keys/key-format.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers } from '../support/organizations.js'

type Headers = Record<string, string>
interface Line { row?: number; status?: string; id?: string; code?: string; done?: boolean; created?: number; failed?: number }

t.test('keys of organizations by the stream', async (t) => {
  const { app, as, database: { prisma } } = await startApp(t, { config: { soldKeysPerOwner: 3, accessTokenSeconds: 8_640_000 } })
  const { send, patch, outcome } = await createActors(app, as)
  const admin = await as.admin()
  const { house, open, someone } = createCustomers(app, admin)
  const seller = await as.key(['gatehouse:keys.write', 'gatehouse:keys.verify', 'reports:*'])
  const bring = async (rows: (object | string)[], query = '', headers: Headers = seller.headers, type = 'application/x-ndjson'): Promise<Line[]> => {
    const answer = await app.inject({ method: 'POST', url: `/api/v1/keys/import?report=all${query}`, headers: { ...headers, 'content-type': type }, payload: rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n') })
    t.equal(answer.statusCode, 200, answer.body)
    return answer.body.trim().split('\n').map((line) => JSON.parse(line) as Line)
  }
  const codes = (lines: readonly Line[]): (string | undefined)[] => lines.slice(0, -1).map(({ code, status }) => code ?? status)
  const fresh = (): string => formatKey('acme').key
  const verify = async (key: string, permissions = ['reports:read']) => expectJson<{ valid: boolean; code: string; owner?: object }>(await send('POST', '/keys/verify', admin, { key, permissions }), 200)

  t.test('it works as its own from then on, within its entitlement, and its people see that it came', async (t) => {
    const { id, path, owner, member } = await house(['reports:read'])
    const [key, hashed] = [fresh(), fresh()]
    const lines = await bring([
      { name: 'a', organizationId: id, key, permissions: ['reports:read', 'reports:write'], metadata: { plan: 'gold' } },
      { name: 'b', organizationId: id, hash: createHash('sha256').update(hashed).digest('hex'), start: hashed.slice(0, 9), permissions: ['reports:read'] },
    ])
    t.match(lines, [{ status: 'created' }, { status: 'created' }, { done: true, created: 2, failed: 0 }])
    for (const one of [key, hashed]) t.match(await verify(one), { valid: true, owner: { type: 'organization', id } })
    t.match(await verify(key, ['reports:write']), { valid: false, code: 'forbidden' }, 'no more than it is entitled to')
    const [keyId = ''] = lines.map((line) => line.id)
    t.match(await prisma.apiKey.findUniqueOrThrow({ where: { id: keyId } }), { organizationId: id, ownerUserId: null, kind: 'standing', issuedVia: `key:${seller.id}` })
    const log = expectJson<{ data: { action: string; targetId: string; details: object }[] }>(await send('GET', `${path}/audit?action=key.issued`, owner.headers), 200).data
    t.same(log.map(({ targetId }) => targetId).toSorted(), lines.flatMap((line) => line.id ?? []).toSorted())
    t.match(log[0], { details: { ownerUserId: id, kind: 'standing', bulk: true } }, 'as of one that is issued alone')
    t.equal(expectJson<{ data: object[] }>(await send('GET', `/keys?organizationId=${id}`, owner.headers), 200).data.length, 2)
    t.equal(await outcome(send('GET', `/keys/${keyId}`, member.headers)), '404 key.not_found')
    t.equal(await outcome(send('DELETE', `/keys/${keyId}`, owner.headers)), '200')
    t.match(await verify(key), { valid: false, code: 'revoked' })
    t.same(codes(await bring([{ name: 'a', organizationId: id, key }])), ['key.taken'], 'what its owner has ended does not come back')
  })

  t.test('for one organization that there is, in place of a user', async (t) => {
    const [{ id }, { user }] = [await open(), await someone()]
    const row = (more: object) => ({ name: 'k', key: fresh(), ...more })
    t.same(codes(await bring([
      row({ organizationId: newId() }), row({ organizationId: id, ownerUserId: user.id }), row({ organizationId: id, ownerEmail: user.email }), row({ organizationId: user.id }), row({ ownerUserId: id }), row({ organizationId: 'x' }), row({ organizationId: id }), row({ ownerUserId: user.id }),
    ])), ['organization.not_found', 'request.invalid', 'request.invalid', 'organization.not_found', 'owner.unknown', 'request.invalid', 'created', 'created'])
    const csv = await bring(['name,organizationId,key,permissions', `k,${id},${fresh()},`, `k,,${fresh()},`], '', seller.headers, 'text/csv')
    t.same(codes(csv), ['created', 'request.invalid'])
  })

  t.test('nobody brings what they do not hold, nor to whom they could not sell it; a cap is a cap', async (t) => {
    const [poor, rich] = [await open({ entitlement: ['reports:read'] }), await open({ entitlement: ['reports:*', 'billing:read'] })]
    const row = (organizationId: string, more: object = {}) => ({ name: 'k', organizationId, key: fresh(), ...more })
    const limits = [{ name: 'calls', quota: 1, windowSeconds: 60 }]
    t.same(codes(await bring([
      row(rich.id), row(poor.id, { permissions: ['billing:read'] }), row(poor.id, { permissions: ['gatehouse:users.read'] }), row(poor.id, { limits }), row(poor.id), row(poor.id), row(poor.id), row(poor.id),
    ])), [...Array<string>(4).fill('permission.not_held'), 'created', 'created', 'created', 'key.cap_reached'], 'whoever has a key of one that may more than they hold would act as it')
    t.equal((await prisma.apiKey.count({ where: { organizationId: rich.id } })), 0)
    // as POST /keys answers, row by row
    for (const body of [row(rich.id), row(poor.id, { permissions: ['billing:read'] }), row(poor.id, { limits }), row(poor.id)]) {
      const { key: _key, ...issue } = body
      const [code] = codes(await bring([body]))
      t.equal((await send('POST', '/keys', seller.headers, issue)).json<{ code: string }>().code, code)
    }
  })

  t.test('its own people, former ones, those of another and its keys bring none: that is for who sells', async (t) => {
    const [mine, theirs] = [await house(['reports:*'], ['keys.write']), await house()]
    const former = await someone()
    expectJson(await send('POST', `${mine.path}/members`, admin, { userId: former.user.id, owner: true }), 201)
    await send('DELETE', `${mine.path}/members/${former.user.id}`, mine.owner.headers)
    const { key } = expectJson<{ key: string }>(await send('POST', '/keys', mine.owner.headers, { name: 'k', organizationId: mine.id, permissions: ['reports:read'] }), 201)
    for (const headers of [mine.owner.headers, mine.clerk.headers, mine.member.headers, former.headers, theirs.owner.headers, as.bearer(key)]) {
      const answer = await app.inject({ method: 'POST', url: '/api/v1/keys/import', headers: { ...headers, 'content-type': 'application/x-ndjson' }, payload: JSON.stringify({ name: 'k', organizationId: mine.id, key: fresh() }) })
      t.equal(answer.statusCode, 403)
    }
  })

  t.test('upsert: of the same organization, and of no other, nor of a user, nor the other way', async (t) => {
    const [one, other, { user }] = [await open({ entitlement: ['reports:*'] }), await open({ entitlement: ['reports:*'] }), await someone()]
    const [key, own] = [fresh(), fresh()]
    t.same(codes(await bring([{ name: 'k', organizationId: one.id, key, permissions: ['reports:read'] }, { name: 'k', ownerUserId: user.id, key: own }])), ['created', 'created'])
    const row = (more: object) => ({ name: 'new', key, ...more })
    t.same(codes(await bring([
      row({ organizationId: other.id }), row({ ownerUserId: user.id }), row({ key: own, organizationId: one.id }), row({ organizationId: one.id, permissions: [] }), row({ organizationId: one.id, permissions: [] }), row({ organizationId: one.id, permissions: ['billing:read'] }),
    ], '&mode=upsert')), ['key.taken', 'key.taken', 'key.taken', 'updated', 'updated', 'permission.not_held'])
    t.match(await verify(key), { valid: false, code: 'forbidden' })
  })

  t.test('a suspended organization\'s keys are worth nothing, however they came; and they go with it', async (t) => {
    const { id, version } = await open({ entitlement: ['reports:*'] })
    const key = fresh()
    await patch(`/organizations/${id}`, admin, { status: 'suspended' })
    t.same(codes(await bring([{ name: 'k', organizationId: id, key, permissions: ['reports:read'] }])), ['created'])
    t.equal((await verify(key)).valid, false)
    t.equal(version, 1)
    t.equal(await outcome(send('DELETE', `/organizations/${id}`, { ...admin, 'if-match': '*' })), '204')
    t.equal(await prisma.apiKey.count({ where: { organizationId: id } }), 0)
  })
})

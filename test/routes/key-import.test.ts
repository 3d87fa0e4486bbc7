// POST /keys/import: keys that customers have already go on working, and nobody gives by it what they do not hold.
import { createHash } from 'node:crypto'
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { formatKey } from '../../src/keys/key-format.js'
import { expectJson, startApp } from '../support/app.js'

interface Line {
  row?: number
  status?: string
  id?: string
  code?: string
  done?: boolean
}

const hashOf = (key: string, encoding: 'hex' | 'base64' | 'base64url' = 'hex'): string => createHash('sha256').update(key).digest(encoding)

t.test('keys by the stream', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { soldKeysPerOwner: 3, keysPerOwner: 5 } })
  const { prisma } = database
  const admin = await as.adminUser()
  const seller = await as.key(['gatehouse:keys.write', 'gatehouse:keys.verify', 'reports:read'])
  const send = async (rows: (object | string)[], { query = '', headers = {}, type = 'application/x-ndjson' }: { query?: string; headers?: Record<string, string>; type?: string } = {}): Promise<Line[]> => {
    const answer = await app.inject({
      method: 'POST', url: `/api/v1/keys/import${query}`, headers: { ...seller.headers, 'content-type': type, ...headers }, payload: rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'),
    })
    t.equal(answer.statusCode, 200, answer.body)
    return answer.body.trim().split('\n').map((line) => JSON.parse(line) as Line)
  }
  const customer = async (more: object = {}) => expectJson<{ id: string; email: string }>(await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin.headers, payload: { email: `${newId()}@example.com`, ...more } }), 201)
  const verify = async (key: string) => expectJson<{ valid: boolean; code: string; metadata?: object }>(await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: seller.headers, payload: { key, permissions: ['reports:read'] } }), 200)
  const named = (key: string, encoding?: 'hex' | 'base64' | 'base64url') => ({ hash: hashOf(key, encoding), start: key.slice(0, key.indexOf('_') + 5) })
  const fresh = (prefix = 'acme'): string => formatKey(prefix).key

  t.test('200 a key that a customer has works from then on, by itself or by its hash, with its issuer, its audit row and its event', async (t) => {
    const [owner, other] = [await customer(), await customer()]
    const keys = [fresh(), fresh(), fresh(), fresh()]
    const [a = '', b = '', c = '', d = ''] = keys
    const permissions = ['reports:read']
    const answer = await send([
      { name: 'a', ownerUserId: owner.id, key: a, permissions, metadata: { plan: 'gold' } }, { name: 'b', ownerEmail: ` ${owner.email.toUpperCase()}`, ...named(b), permissions },
      { name: 'c', ownerUserId: other.id, ...named(c, 'base64'), permissions }, { name: 'd', ownerUserId: other.id, ...named(d, 'base64url'), permissions },
    ], { query: '?report=all' })
    t.match(answer, [{ status: 'created' }, { status: 'created' }, { status: 'created' }, { status: 'created' }, { done: true, created: 4, failed: 0 }])
    for (const key of keys) t.match(await verify(key), { valid: true })
    t.same((await verify(a)).metadata, { plan: 'gold' })
    const row = await prisma.apiKey.findUniqueOrThrow({ where: { id: answer[1]?.id ?? '' } })
    t.match(row, { ownerUserId: owner.id, kind: 'standing', start: named(b).start, issuedBy: admin.user.id, issuedVia: `key:${seller.id}`, secretTo: admin.user.id, limitGroupId: row.id })
    t.match(await prisma.auditEvent.findMany({ where: { targetId: row.id } }), [{ action: 'key.issued', details: { ownerUserId: owner.id, kind: 'standing', permissions, bulk: true } }])
  })

  t.test('what is wrong with a row is said of that row, and the others are taken', async (t) => {
    const owner = await customer()
    const key = fresh()
    const base = { name: 'k', ownerUserId: owner.id }
    const answer = await send([
      { ...base }, { ...base, key, hash: hashOf(key) }, { ...base, key: `${key.slice(0, -1)}!` }, { ...base, key: 'sk_live_of_another_form' }, { ...base, hash: 'x'.repeat(64), start: 'gk_abcd' }, { ...base, hash: hashOf(key) },
      { ...base, hash: hashOf(key), start: 'anything' }, { name: 'k', key }, { ...base, ownerEmail: owner.email, key }, { name: 'k', ownerUserId: newId(), key }, { name: 'k', ownerEmail: 'nobody@example.com', key },
      { ...base, key, expiresAt: '2001-01-01T00:00:00Z' }, { ...base, key, permissions: ['gatehouse:own.keys'] }, { ...base, key, organizationId: newId() }, { ...base, key }, { ...base, key }, '{broken',
    ])
    t.same(answer.map(({ row, code }) => [row, code]), [
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((row) => [row, 'request.invalid']), [10, 'owner.unknown'], [11, 'owner.unknown'], [12, 'request.invalid'], [13, 'request.invalid'], [14, 'request.invalid'],
      [16, 'key.taken'], [17, 'request.invalid'], [undefined, undefined],
    ])
    t.match(answer.at(-1), { done: true, created: 1, failed: 16 })
  })

  t.test('nobody brings what they do not hold, to whom they do not reach, or beyond a cap', async (t) => {
    const owner = await customer()
    const row = (more: object = {}) => ({ name: 'k', ownerUserId: owner.id, key: fresh(), ...more })
    const machine = expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin.headers, payload: { kind: 'service', name: 'robot' } }), 201)
    const answer = await send([
      row({ permissions: ['reports:write'] }), row({ permissions: ['gatehouse:users.write'] }), row({ ownerUserId: admin.user.id }), row({ limits: [{ name: 'calls', quota: 1, windowSeconds: 60 }] }),
      row({ ownerUserId: machine.id, metadata: { plan: 'gold' } }), row({ ownerUserId: machine.id }), row(), row(), row(), row(),
    ], { query: '?report=all' })
    t.same(answer.map(({ code, status }) => code ?? status), [...Array<string>(4).fill('permission.not_held'), 'request.invalid', 'created', 'created', 'created', 'created', 'key.cap_reached', undefined])
    t.equal((await prisma.apiKey.findUniqueOrThrow({ where: { id: answer[5]?.id ?? '' } })).kind, 'bound', 'a machine\'s key is worth what the machine is')
    t.ok(await prisma.auditEvent.findFirst({ where: { action: 'access.denied', targetType: 'key', details: { path: ['code'], equals: 'permission.not_held' } } }))
    const until = new Date(clock.now() + 60_000).toISOString()
    const { key: fencedKey } = expectJson<{ key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin.headers, payload: { name: 'fenced', permissions: ['gatehouse:keys.write', 'reports:read'], expiresAt: until } }), 201)
    const fenced = { headers: { authorization: `Bearer ${fencedKey}` } }
    const [beyond, within] = await send([{ ...row({ ownerUserId: (await customer()).id }), permissions: ['reports:read'] }, { ...row({ ownerUserId: (await customer()).id }), permissions: ['reports:read'], expiresAt: until }], { query: '?report=all', headers: fenced.headers })
    t.match([beyond, within], [{ code: 'permission.not_held' }, { status: 'created' }], 'no later end than one\'s own')
    const member = await as.signUp()
    for (const headers of [member.headers, (await as.key(['gatehouse:keys.read'])).headers]) {
      t.equal((await app.inject({ method: 'POST', url: '/api/v1/keys/import', headers: { ...headers, 'content-type': 'text/csv' }, payload: 'name\n' })).statusCode, 403)
    }
  })

  t.test('a revoked key does not come back; upsert changes what is one owner\'s, as far as one may', async (t) => {
    const [owner, other] = [await customer(), await customer()]
    const [live, dead] = [fresh(), fresh()]
    const rowOf = (key: string, more: object = {}) => ({ name: 'k', ownerUserId: owner.id, key, permissions: ['reports:read'], ...more })
    const [, gone] = await send([rowOf(live), rowOf(dead)], { query: '?report=all' })
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${gone?.id}`, headers: admin.headers })
    const change = await send([rowOf(live, { name: 'new', permissions: [] }), rowOf(live, { name: 'new', permissions: [] }), rowOf(dead), rowOf(live, { ownerUserId: other.id }), rowOf(live, { permissions: ['reports:write'] }), rowOf(fresh())], { query: '?mode=upsert&report=all' })
    t.same(change.map(({ code, status }) => code ?? status), ['updated', 'updated', 'key.revoked', 'key.taken', 'permission.not_held', 'created', undefined])
    t.match(await verify(live), { valid: false, code: 'forbidden' }, 'narrowed at once')
    t.match(await verify(dead), { valid: false, code: 'revoked' })
    t.match(await send([rowOf(dead), rowOf(live)]), [{ code: 'key.taken' }, { code: 'key.taken' }, { failed: 2 }])
  })

  t.test('CSV, and sent again under its key it goes on where it was: apart from imports of accounts', async (t) => {
    const owner = await customer()
    const [a, b] = [fresh(), fresh()]
    const header = 'name,ownerEmail,hash,start,permissions'
    const lineOf = (key: string) => `"k, one",${owner.email},${hashOf(key)},${named(key).start},reports:read`
    const options = { type: 'text/csv', headers: { 'idempotency-key': 'keys' } }
    t.match(await send([header, lineOf(a)], options), [{ done: true, created: 1, resumedAfter: 0 }])
    t.match(await send([header, lineOf(a), lineOf(b)], options), [{ done: true, created: 2, failed: 0, resumedAfter: 1 }])
    t.match(await send([header, lineOf(b), lineOf(a)], options), [{ done: false, code: 'idempotency.mismatch' }])
    const users = await app.inject({ method: 'POST', url: '/api/v1/users/import', headers: { ...admin.headers, 'content-type': 'application/x-ndjson', 'idempotency-key': 'keys' }, payload: '{"email":"x1@example.com"}' })
    t.match(JSON.parse(users.body.trim()), { done: true, created: 1, resumedAfter: 0 })
    t.match(await verify(b), { valid: true })
  })
})

// POST /users/import and the exports: rows judged one by one, what is done once, and whole lists by the stream.
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { EXPIRY } from '../../src/database/expiry.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Line {
  row?: number
  status?: string
  id?: string
  code?: string
  errors?: { path: string; message: string }[]
  done?: boolean
  rows?: number
  resumedAfter?: number
  created?: number
  updated?: number
  unchanged?: number
  failed?: number
}
type Headers = Record<string, string>

const HASH = { scheme: 'bcrypt', hash: '$2b$10$DOWcHdvFA8z1PgIgDGyAYe3zIkUgS6KjvWbjd2TSCUXqDEoPcWt7W' }
const DAY_MS = 86_400_000

t.test('bulk', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { prisma } = database
  const admin = await as.adminUser()
  const bringer = await as.key(['gatehouse:users.write', 'gatehouse:users.read'])
  const lines = (body: string): Line[] => body.trim().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Line)
  const post = (payload: string | Buffer, { query = '', headers = {}, type = 'application/x-ndjson' }: { query?: string; headers?: Headers; type?: string } = {}) =>
    app.inject({ method: 'POST', url: `/api/v1/users/import${query}`, headers: { ...bringer.headers, 'content-type': type, ...headers }, payload })
  const send = async (rows: object[] | string, options?: Parameters<typeof post>[1]) => {
    const answer = await post(typeof rows === 'string' ? rows : rows.map((row) => JSON.stringify(row)).join('\n'), options)
    t.equal(answer.statusCode, 200, answer.body)
    return lines(answer.body)
  }
  let count = 0
  const person = (more: object = {}) => ({ email: `p${(count += 1)}@example.com`, name: `P ${count}`, ...more })
  const find = (email: string) => prisma.user.findUnique({ where: { email }, include: { roles: true } })

  t.test('200 opens accounts as POST /users does, each with its audit row and its issuer', async (t) => {
    const rows = [person(), person({ roles: ['member'] }), { kind: 'service', name: 'robot', roles: [] }]
    const answer = await send(rows, { query: '?report=all' })
    t.match(answer, [{ row: 1, status: 'created' }, { row: 2, status: 'created' }, { row: 3, status: 'created' }, { done: true, rows: 3, created: 3, failed: 0, resumedAfter: 0 }])
    const user = await find('p1@example.com')
    t.match(user, { id: answer[0]?.id, name: 'P 1', passwordHash: null, issuedBy: admin.user.id, issuedVia: `key:${bringer.id}`, roles: [{ roleName: 'member', issuedBy: admin.user.id }] })
    t.match(await prisma.auditEvent.findMany({ where: { targetId: user?.id ?? '' } }), [{ action: 'user.created', actorId: admin.user.id, details: { kind: 'person', roles: ['member'], password: false, bulk: true } }])
    t.match(expectJson(await app.inject({ url: `/api/v1/users/${answer[2]?.id}`, headers: admin.headers }), 200), { kind: 'service', email: null, name: 'robot' })
  })

  t.test('what is wrong with a row is said of that row, and the others are taken', async (t) => {
    await prisma.role.create({ data: { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f99', name: 'reader', description: '', permissions: ['reports:read'], createdAt: new Date(), updatedAt: new Date() } })
    const good = person()
    const answer = await send([
      { ...person(), email: 'no address' }, '{"email": broken', { ...good, extra: 1 }, good, { email: good.email }, { email: 'admin@example.com' }, person({ roles: ['nobody'] }), person({ roles: ['admin'] }), person({ roles: ['reader'] }),
      person({ passwordHash: HASH }), person({ password: 'x' }), person({ password: PASSWORD, passwordHash: HASH }), `{"email":"${'x'.repeat(70_000)}"}`, '[]', 'null', person({ name: 'a\u202Eb' }),
    ].map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\r\n'))
    t.match(answer.map(({ row, code }) => [row, code]), [
      [1, 'request.invalid'], [2, 'request.invalid'], [3, 'request.invalid'], [5, 'email.taken'], [6, 'email.taken'], [7, 'role.unknown'], [8, 'permission.not_held'], [9, 'permission.not_held'],
      [10, 'access.denied'], [11, 'password.weak'], [12, 'access.denied'], [13, 'request.invalid'], [14, 'request.invalid'], [15, 'request.invalid'], [16, 'request.invalid'], [undefined, undefined],
    ])
    t.match(answer[2]?.errors, [{ path: '/extra' }])
    t.match(answer.at(-1), { done: true, rows: 16, created: 1, failed: 15 })
    t.ok(await find(good.email))
    t.match(await prisma.auditEvent.findFirst({ where: { action: 'access.denied', targetType: 'user', actorId: admin.user.id } }), { details: { code: 'permission.not_held' } })
  })

  t.test('hashes of another system are taken over, by who may', async (t) => {
    const rows = [person({ passwordHash: HASH }), person({ passwordHash: { scheme: 'bcrypt', hash: 'x'.repeat(30) } })]
    const answer = await send(rows, { headers: admin.headers })
    t.match(answer, [{ row: 2, code: 'request.invalid', errors: [{ path: '/passwordHash' }] }, { created: 1 }])
    t.match((await find(String(rows[0]?.email)))?.passwordHash, /^sealed1\$/)
  })

  t.test('CSV, also packed: the same rows', async (t) => {
    const csv = '\uFEFFemail,name,roles,hashScheme,hash\r\nc1@example.com,"Doe, Jane",member,,\r\nc2@example.com,"a ""b""",,bcrypt,HASH\r\nc3@example.com,x\r\nnot an address,,,,\r\n'.replace('HASH', () => HASH.hash)
    const answer = await send(csv, { type: 'text/csv', headers: admin.headers })
    t.match(answer, [{ row: 3, code: 'request.invalid', errors: [{ message: 'has 2 cells, and the first line has 5' }] }, { row: 4, code: 'request.invalid' }, { done: true, rows: 4, created: 2, failed: 2 }])
    t.match(await find('c1@example.com'), { name: 'Doe, Jane' })
    t.match(await find('c2@example.com'), { name: 'a "b"' })
    const packed = await post(gzipSync(`${JSON.stringify({ email: 'g1@example.com' })}\n`), { headers: { 'content-encoding': 'gzip' } })
    t.match(lines(packed.body), [{ done: true, created: 1 }])
    t.match(lines((await post(Buffer.from('no gzip'), { headers: { 'content-encoding': 'gzip' } })).body), [{ done: false, code: 'request.malformed', created: 0 }])
    t.match(lines((await post('email,colour\na@b.example,red\n', { type: 'text/csv' })).body), [{ done: false, code: 'request.invalid' }])
    t.match(lines((await post('email,name\n"a@b.example,red\n', { type: 'text/csv' })).body), [{ done: false, code: 'request.malformed' }])
    const broken = `email,name\n${Array.from({ length: 510 }, (_, at) => `${at === 3 ? 'none' : `b${at}@example.com`},x`).join('\n')}\n"never,closed`
    t.match(lines((await post(broken, { type: 'text/csv' })).body), [{ row: 4, status: 'failed' }, { done: false, rows: 500, created: 499, failed: 1, code: 'request.malformed' }], 'what was whole before is done, and told')
  })

  t.test('upsert changes name and roles of who is there, as far as one may, and never a password', async (t) => {
    const [known, other] = [person({ password: PASSWORD }), person()]
    await send([known, other], { headers: admin.headers })
    const before = await find(known.email)
    const answer = await send([{ email: ` ${known.email.toUpperCase()}`, name: 'New', passwordHash: HASH, roles: ['member', 'reader'] }, other, person(), { email: 'admin@example.com', roles: ['member'] }], { query: '?mode=upsert&report=all', headers: admin.headers })
    t.match(answer, [{ row: 1, status: 'updated', id: before?.id }, { row: 2, status: 'unchanged' }, { row: 3, status: 'created' }, { row: 4, status: 'failed', code: 'admin.last' }, { created: 1, updated: 1, unchanged: 1, failed: 1 }])
    const after = await find(known.email)
    t.match(after, { name: 'New', passwordHash: before?.passwordHash })
    t.same(after?.roles.map(({ roleName }) => roleName).toSorted(), ['member', 'reader'])
    t.match(lines((await post(JSON.stringify({ email: 'admin@example.com', name: 'Mine' }), { query: '?mode=upsert' })).body), [{ row: 1, code: 'permission.not_held' }, { done: true }], 'not beyond one\'s reach')
  })

  t.test('sent again under its key it goes on where it was, and does nothing twice', async (t) => {
    const rows = Array.from({ length: 650 }, () => person())
    const key = { 'idempotency-key': 'first' }
    const half = await send(rows.slice(0, 600), { headers: key })
    t.match(half, [{ done: true, rows: 600, created: 600, resumedAfter: 0 }])
    const whole = await send(rows, { headers: key })
    t.match(whole, [{ done: true, rows: 650, created: 650, failed: 0, resumedAfter: 600 }])
    t.match(await send(rows, { headers: key }), [{ done: true, rows: 650, created: 650, resumedAfter: 650 }])
    t.match(await send([person(), ...rows], { headers: key }), [{ done: false, code: 'idempotency.mismatch' }])
    t.match(await send(rows.slice(0, 10), { headers: key }), [{ done: false, code: 'idempotency.mismatch' }])
    t.match((await send(rows, { headers: { ...admin.headers, ...key } })).at(-1), { done: true, created: 0, failed: 650, resumedAfter: 0 }, 'another\'s key is another key')
    const [row] = await prisma.bulkImport.findMany({ where: { scope: `key:${bringer.id}` } })
    t.notOk(Buffer.from(row?.digest ?? []).includes('example'))
    t.equal((await post('', { headers: { 'idempotency-key': 'a b' } })).statusCode, 400)
  })

  t.test('what is more than one import may hold ends it, packed or not; what was whole before is done, and the same request goes on when more is allowed', async (t) => {
    const rows = Array.from({ length: 900 }, () => ({ ...person(), name: 'x'.repeat(200) }))
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    const before = await prisma.user.count()
    const small = await startApp(t, { database, clock, config: { importMaxBytes: text.length - 1_000 } })
    const request = { method: 'POST', url: '/api/v1/users/import', headers: { ...bringer.headers, 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip', 'idempotency-key': 'large' }, payload: gzipSync(text) } as const
    t.match(lines((await small.app.inject(request)).body), [{ done: false, code: 'body.too_large', rows: 500, created: 500 }])
    t.match(lines((await small.app.inject(request)).body), [{ done: false, code: 'body.too_large', rows: 500, created: 500, resumedAfter: 500 }], 'and again')
    t.match(lines((await app.inject(request)).body), [{ done: true, rows: 900, created: 900, failed: 0, resumedAfter: 500 }])
    t.equal(await prisma.user.count(), before + 900)
    t.match(lines((await post(gzipSync(Buffer.alloc(24 * 1024 * 1024, 'x')), { headers: { 'content-encoding': 'gzip' } })).body), [{ done: false, code: 'body.too_large', rows: 0 }], 'a little that swells')
  })

  t.test('who may not open accounts brings none; nor does what is no row', async (t) => {
    const member = await as.signUp()
    t.equal((await post('{}', { headers: member.headers })).statusCode, 403)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/users/import', headers: { 'content-type': 'text/csv' }, payload: 'x' })).statusCode, 401)
    t.equal((await post('{}', { type: 'application/json' })).statusCode, 415)
    t.equal((await post('{}', { headers: { 'content-encoding': 'br' } })).statusCode, 415)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/users/import', headers: bringer.headers })).statusCode, 400)
    t.match(await send('\n\n  \n'), [{ done: true, rows: 0, created: 0 }])
  })

  t.test('exports are every row of the list, with its filters, and written down', async (t) => {
    const get = async (path: string, headers: Headers = admin.headers) => {
      const answer = await app.inject({ url: `/api/v1${path}`, headers })
      t.equal(answer.statusCode, 200, answer.body.slice(0, 200))
      t.match(answer.headers, { 'content-type': 'application/x-ndjson; charset=utf-8', 'content-disposition': /^attachment/ })
      return answer.body.trim().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { id: string; email: string; action: string })
    }
    const all = await get('/users/export')
    t.equal(all.length, await prisma.user.count())
    t.equal(new Set(all.map(({ id }) => id)).size, all.length)
    const listed = expectJson<{ data: { id: string }[] }>(await app.inject({ url: '/api/v1/users?sort=createdAt&limit=50', headers: admin.headers }), 200)
    t.same(all.slice(0, 50), listed.data, 'as the list shows them')
    t.same((await get('/users/export?email[contains]=c1@')).map(({ email }) => email), ['c1@example.com'])
    t.equal((await get('/audit/export?action=user.created')).length, await prisma.auditEvent.count({ where: { action: 'user.created' } }))
    const member = await as.signUp()
    await app.inject({ method: 'POST', url: '/api/v1/keys', headers: member.headers, payload: { name: 'mine' } })
    t.equal((await get('/keys/export', member.headers)).length, 1, 'one\'s own')
    t.equal((await get('/keys/export')).length, await prisma.apiKey.count())
    t.same((await prisma.auditEvent.findMany({ where: { action: { endsWith: '.exported' } } })).map(({ action }) => action).toSorted(), ['audit.exported', 'keys.exported', 'users.exported', 'users.exported'])
    for (const path of ['/users/export', '/audit/export']) {
      t.equal((await app.inject({ url: `/api/v1${path}`, headers: member.headers })).statusCode, 403)
      t.equal((await app.inject({ url: `/api/v1${path}` })).statusCode, 401)
    }
    t.equal((await app.inject({ url: '/api/v1/users/export?limit=3', headers: admin.headers })).statusCode, 400)
  })

  t.test('how far it came is forgotten after a day', async (t) => {
    t.ok(await prisma.bulkImport.count())
    clock.advance(DAY_MS)
    await app.jobs.run(EXPIRY)
    t.equal(await prisma.bulkImport.count(), 0)
  })
})

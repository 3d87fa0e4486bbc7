// What holds for all of the API: versions, errors, headers, CORS, conditional requests, idempotency.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Problem {
  type: string
  title: string
  status: number
  code: string
  detail: string
  requestId: string
  errors?: { path: string; message: string }[]
}

t.test('conventions', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { corsOrigins: ['https://app.example.com'] } })
  const admin = await as.admin()

  t.test('an unversioned path answers as v1', async (t) => {
    const [versioned, plain] = await Promise.all(['/api/v1/whoami', '/api/whoami?x=1'].map((url) => app.inject({ url, headers: admin })))
    t.equal(versioned?.statusCode, 200)
    t.same(plain?.json(), versioned?.json())
    t.equal((await app.inject({ url: '/api/v2/whoami', headers: admin })).statusCode, 404)
  })

  t.test('an error is a problem of RFC 9457 and names the field', async (t) => {
    const response = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 3, password: 'x' } })
    const body = expectJson<Problem>(response, 400)
    t.match(response.headers['content-type'], /^application\/problem\+json/)
    t.match(body, { type: 'urn:gatehouse:error:request.invalid', status: 400, code: 'request.invalid', errors: [{ path: '/email' }] })
    t.ok(body.requestId)
  })

  t.test('404 and 405 tell an unknown path from an unknown method', async (t) => {
    t.equal(expectJson<Problem>(await app.inject('/api/v1/nothing'), 404).code, 'route.not_found')
    const response = await app.inject({ method: 'DELETE', url: '/api/v1/whoami' })
    t.equal(expectJson<Problem>(response, 405).code, 'method.not_allowed')
    t.equal(response.headers.allow, 'GET, HEAD')
  })

  t.test('400: an id in another spelling, and a time the database would refuse', async (t) => {
    const { user } = await as.signUp()
    for (const id of [user.id.toUpperCase(), `urn:uuid:${user.id}`, `{${user.id}}`, user.id.replaceAll('-', '')]) {
      t.equal((await app.inject({ url: `/api/v1/users/${encodeURIComponent(id)}`, headers: admin })).statusCode, 400, id)
    }
    for (const url of ['users?createdAt[gte]=', 'keys?createdAt[gte]=', 'audit?at[gte]=']) {
      for (const time of ['0000-01-01T00:00:00Z', '2026-01-01T00:00:00%2B23:00', '2026-01-01']) t.equal((await app.inject({ url: `/api/v1/${url}${time}`, headers: admin })).statusCode, 400, url + time)
    }
  })

  t.test('401 carries a challenge', async (t) => {
    const none = await app.inject('/api/v1/whoami')
    t.equal(expectJson<Problem>(none, 401).code, 'credentials.missing')
    t.equal(none.headers['www-authenticate'], 'Bearer realm="gatehouse"')
    const bad = await app.inject({ url: '/api/v1/whoami', headers: as.bearer('a.b.c') })
    t.equal(bad.headers['www-authenticate'], 'Bearer realm="gatehouse", error="invalid_token"')
  })

  t.test('every answer carries the security headers', async (t) => {
    for (const url of ['/livez', '/api/v1/nothing', '/api/v1/whoami']) {
      const { headers } = await app.inject(url)
      t.match(headers, {
        'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin', 'cache-control': 'no-store',
        'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/,
      }, url)
      t.notOk(headers['strict-transport-security'], 'no HSTS over http')
    }
  })

  t.test('CORS answers listed origins only, and never with credentials', async (t) => {
    const preflight = (origin: string) => app.inject({
      method: 'OPTIONS', url: '/api/v1/auth/login', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    })
    const listed = await preflight('https://app.example.com')
    t.equal(listed.headers['access-control-allow-origin'], 'https://app.example.com')
    t.notOk(listed.headers['access-control-allow-credentials'])
    t.not((await preflight('https://evil.example.com')).headers['access-control-allow-origin'], 'https://evil.example.com')
  })

  t.test('forwarded headers of an untrusted address are ignored', async (t) => {
    await as.signUp('forwarded@example.com')
    await app.inject({
      method: 'POST', url: '/api/v1/auth/login', headers: { 'x-forwarded-for': '203.0.113.9' }, payload: { email: 'forwarded@example.com', password: PASSWORD },
    })
    const { rows } = await database.pool.query<{ address: string }>('SELECT address FROM audit_events ORDER BY id DESC LIMIT 1')
    t.equal(rows[0]?.address, '127.0.0.1')
  })

  t.test('conditional requests: 304, 412, 428', async (t) => {
    const { user } = await as.signUp()
    const url = `/api/v1/users/${user.id}`
    const { headers: { etag } } = await app.inject({ url, headers: admin })
    t.equal(etag, `"${user.id}.1"`)
    const unchanged = await app.inject({ url, headers: { ...admin, 'if-none-match': String(etag) } })
    t.equal(unchanged.statusCode, 304)
    t.equal(unchanged.body, '')
    t.equal((await app.inject({ url, headers: { ...admin, 'if-none-match': `W/${String(etag)}, "x"` } })).statusCode, 304, 'compared weakly, in a list')
    const patch = (headers: object) => app.inject({ method: 'PATCH', url, headers: { ...admin, ...headers }, payload: { name: 'New' } })
    t.equal(expectJson<Problem>(await patch({}), 428).code, 'precondition.required')
    t.equal(expectJson<Problem>(await patch({ 'if-match': `"${user.id}.9"` }), 412).code, 'precondition.failed')
    const changed = await patch({ 'if-match': etag })
    t.equal(changed.statusCode, 200)
    t.equal(changed.headers.etag, `"${user.id}.2"`)
    t.equal((await app.inject({ url, headers: { ...admin, 'if-none-match': String(etag) } })).statusCode, 200, 'the old validator no longer matches')
  })

  t.test('Idempotency-Key: one effect, one answer, kept for 24 hours', async (t) => {
    const mint = (key: string, payload: object) => app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...admin, 'idempotency-key': key }, payload })
    const count = async (): Promise<number> => Number((await database.pool.query<{ n: string }>('SELECT count(*) AS n FROM api_keys')).rows[0]?.n)
    const before = await count()
    const first = await mint('one', { name: 'a key' })
    const again = await mint('one', { name: 'a key' })
    t.equal(first.statusCode, 201)
    t.equal(again.statusCode, 201)
    t.same(again.json(), first.json(), 'the secret shown once is shown again to the same request')
    t.equal(again.headers['idempotency-replayed'], 'true')
    t.equal(await count(), before + 1)
    t.equal(expectJson<Problem>(await mint('one', { name: 'another' }), 422).code, 'idempotency.mismatch')
    const { rows } = await database.pool.query<{ sealed: Buffer }>('SELECT answer_ciphertext AS sealed FROM idempotency_records')
    t.notOk(rows.some(({ sealed }) => sealed.includes(first.json<{ key: string }>().key)), 'the stored answer is encrypted')

    t.equal((await mint('bad', { name: '' })).statusCode, 400)
    t.equal((await mint('bad', { name: 'good' })).statusCode, 201, 'an error is not stored')

    clock.advance(24 * 3_600_000 + 1)
    await app.sweep()
    t.equal((await database.pool.query('SELECT 1 FROM idempotency_records')).rowCount, 0, 'expired answers are deleted')
  })

  t.test('Idempotency-Key: of many at once one acts, the others are told so', async (t) => {
    const { headers } = await as.signUp()
    const answers = await Promise.all(Array.from({ length: 8 }, () => app.inject({
      method: 'POST', url: '/api/v1/keys', headers: { ...headers, 'idempotency-key': 'race' }, payload: { name: 'raced' },
    })))
    const ids = new Set(answers.filter((answer) => answer.statusCode === 201).map((answer) => answer.json<{ id: string }>().id))
    t.equal(ids.size, 1)
    t.ok(answers.every(({ statusCode }) => statusCode === 201 || statusCode === 409))
    t.equal(expectJson<{ data: unknown[] }>(await app.inject({ url: '/api/v1/keys', headers }), 200).data.length, 1)
  })

  t.test('the same Idempotency-Key of another caller is another key', async (t) => {
    const [one, two] = [await as.signUp(), await as.signUp()]
    const mint = (headers: object) => app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...headers, 'idempotency-key': 'shared' }, payload: { name: 'k' } })
    const [first, second] = [await mint(one.headers), await mint(two.headers)]
    t.equal(second.statusCode, 201)
    t.not(first.json<{ id: string }>().id, second.json<{ id: string }>().id)
  })
})

// What holds for all of the API: versions, errors, headers, CORS, conditional requests, idempotency.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { EXPIRY } from '../../src/database/expiry.js'

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
    t.equal(response.headers.allow, 'GET, HEAD, OPTIONS')
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

  t.test('an allowed origin gets its CORS fields on every answer, another none, and caches keep them apart', async (t) => {
    const asked: { method: 'GET' | 'POST' | 'DELETE' | 'OPTIONS'; url: string; headers?: object; payload?: string; status: number }[] = [
      { method: 'GET', url: '/livez', status: 200 },
      { method: 'GET', url: '/api/v1/whoami', status: 401 },
      { method: 'GET', url: '/api/v1/nothing', status: 404 },
      { method: 'DELETE', url: '/api/v1/whoami', status: 405 },
      { method: 'GET', url: '/api/v1/users/%zz', status: 400 },
      { method: 'GET', url: '/api/v1/users?a=%00', status: 400 },
      { method: 'GET', url: `/api/v1/users/${'a'.repeat(300)}`, status: 414 },
      { method: 'GET', url: '/livez', headers: { host: 'a/b' }, status: 400 },
      { method: 'GET', url: '/livez', headers: { expect: 'x' }, status: 417 },
      { method: 'POST', url: '/api/v1/auth/login', headers: { 'content-type': 'application/json' }, payload: '{', status: 400 },
      { method: 'POST', url: '/api/v1/auth/login', headers: { 'content-type': 'text/plain' }, payload: '{}', status: 415 },
      { method: 'POST', url: '/api/v1/auth/login', headers: { 'content-type': 'application/json' }, payload: `"${'x'.repeat(300_000)}"`, status: 413 },
      { method: 'OPTIONS', url: '/api/v1/whoami', status: 204 },
      { method: 'OPTIONS', url: '/api/v1/nothing', status: 404 },
      { method: 'OPTIONS', url: '/api/v1/auth/login', headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }, status: 204 },
    ]
    for (const { status, headers, ...request } of asked) {
      const name = `${request.method} ${request.url.slice(0, 30)} ${status}`
      const from = (origin?: string) => app.inject({ ...request, headers: { ...headers, ...(origin === undefined ? {} : { origin }) } })
      const listed = await from('https://app.example.com')
      t.equal(listed.statusCode, status, name)
      t.match(listed.headers, { vary: /^origin/i, 'access-control-allow-origin': 'https://app.example.com', 'access-control-expose-headers': /etag.*retry-after.*www-authenticate.*x-request-id/ }, name)
      t.notOk(listed.headers['access-control-allow-credentials'], name)
      t.match(listed.headers['x-request-id'], /^[a-z0-9-]+$/, name)
      if (status >= 400) t.equal(listed.json<Problem>().requestId, listed.headers['x-request-id'], name)
      for (const origin of [undefined, 'https://evil.example.com', 'https://app.example.com.evil.example', 'null', 'https://APP.example.com', 'https://app.example.com, https://evil.example.com']) {
        const other = await from(origin)
        t.same([other.headers['access-control-allow-origin'], other.headers.vary], [undefined, 'Origin'], `${name} ${origin ?? 'no origin'}`)
      }
    }
    t.equal((await app.inject({ method: 'OPTIONS', url: '/api/v1/whoami' })).headers.allow, 'GET, HEAD, OPTIONS')
    const preflight = await app.inject({ method: 'OPTIONS', url: '/api/v1/keys', headers: { origin: 'https://app.example.com', 'access-control-request-method': 'PATCH' } })
    t.match(preflight.headers, { 'access-control-allow-methods': /PATCH/, 'access-control-allow-headers': /authorization.*if-match.*x-csrf-token/, 'access-control-max-age': '600' })
    t.match((await app.inject({ url: '/api/v1/usage/export', headers: admin })).headers.vary, /^Origin, accept$/)
  })

  t.test('an empty body is no body, whatever its content type says; a body that is needed is missed', async (t) => {
    for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'text/plain', 'application/x-www-form-urlencoded', 'garbage', ';']) {
      const { headers } = await as.signUp()
      const key = expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name: 'k' } }), 201)
      const deleted = await app.inject({ method: 'DELETE', url: `/api/v1/keys/${key.id}`, headers: { ...headers, 'content-type': type, 'content-length': '0' } })
      t.equal(deleted.statusCode, 200, `DELETE with ${type}`)
      const missing = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...headers, 'content-type': type, 'content-length': '0' } })
      t.match(expectJson<Problem>(missing, 400), { code: 'request.invalid' }, `POST with ${type}`)
      t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers: { ...headers, 'content-type': type } })).statusCode, 204, `logout with ${type}`)
    }
  })

  t.test('415 for a body that is not JSON in UTF-8', async (t) => {
    for (const type of ['text/plain', 'application/xml', 'application/json; charset=utf-16', 'application/json; charset="latin1"', 'application/problem+json', 'application/jsonx', 'garbage']) {
      const answer = await app.inject({ method: 'POST', url: '/api/v1/auth/login', headers: { 'content-type': type }, payload: '{}' })
      t.equal(expectJson<Problem>(answer, 415).code, 'media_type.unsupported', type)
    }
  })

  t.test('400 with the path for what would not be kept as it is, and for bytes that are not UTF-8', async (t) => {
    const post = (payload: string | Buffer) => app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...admin, 'content-type': 'application/json' }, payload })
    const paths: [string, string][] = [
      ['{"name":"n","metadata":{"id":9007199254740993}}', '/metadata/id'], ['{"name":"n","metadata":{"a":[1,1e400]}}', '/metadata/a/1'], ['{"name":"a\\ud800b"}', '/name'], ['{"name":"a\\u0007b"}', '/name'], ['{"name":"a\u202eb"}', '/name'],
      ['{"name":"y","expiresAt":"9999-12-31T23:59:59-23:59"}', '/expiresAt'], [`{"name":"d","metadata":{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`, `/metadata/a${'/0'.repeat(30)}`],
    ]
    for (const [body, path] of paths) t.equal(expectJson<Problem>(await post(body), 400).errors?.[0]?.path, path, body.slice(0, 60))
    const bad = (byte: number): Buffer => Buffer.concat([Buffer.from('{"name":"quiet river '), Buffer.from([byte]), Buffer.from('"}')])
    for (const byte of [0xff, 0xc0, 0xed]) t.equal(expectJson<Problem>(await post(bad(byte)), 400).code, 'request.malformed')
    t.equal((await post('\ufeff{"name":"with a byte order mark"}')).statusCode, 201)
    t.equal(expectJson<{ name: string }>(await post('{"name":" Zoe\u0308 "}'), 201).name, 'Zo\u00eb', 'a name is kept in NFC')
    for (const query of ['host=%00', 'path=%1f', 'host=%ff', 'host=%ed%a0%80', 'host=%', 'limit=1e309', 'limit=-1e309', 'limit=Infinity']) t.equal((await app.inject({ url: `/api/v1/gate-rules?${query}`, headers: admin })).statusCode, 400, query)
    t.same(expectJson<Problem>(await app.inject({ url: '/api/v1/gate-rules?path=a&host=%00', headers: admin }), 400).errors, [{ path: 'host', message: 'must not hold control characters' }])
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
    t.equal(etag, `"${user.id}.2"`)
    const unchanged = await app.inject({ url, headers: { ...admin, 'if-none-match': String(etag) } })
    t.equal(unchanged.statusCode, 304)
    t.equal(unchanged.body, '')
    t.equal((await app.inject({ url, headers: { ...admin, 'if-none-match': `W/${String(etag)}, "x"` } })).statusCode, 304, 'compared weakly, in a list')
    const patch = (headers: object) => app.inject({ method: 'PATCH', url, headers: { ...admin, ...headers }, payload: { name: 'New' } })
    t.equal(expectJson<Problem>(await patch({}), 428).code, 'precondition.required')
    t.equal(expectJson<Problem>(await patch({ 'if-match': `"${user.id}.9"` }), 412).code, 'precondition.failed')
    const changed = await patch({ 'if-match': etag })
    t.equal(changed.statusCode, 200)
    t.equal(changed.headers.etag, `"${user.id}.3"`)
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
    await app.jobs.run(EXPIRY)
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

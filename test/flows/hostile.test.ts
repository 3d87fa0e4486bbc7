// Hundreds of requests nobody should send, over real sockets: each gets a 4xx problem or a closed connection, never a 5xx,
// and the server answers as before.
import { connect } from 'node:net'
import t from 'tap'
import { startApp, type TestApp } from '../support/app.js'

interface RawAnswer {
  /** 0 when the connection was closed without an answer */
  status: number
  text: string
}

function sendRaw(port: number, text: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let received = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    const done = (): void => {
      socket.destroy()
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0), text: received })
    }
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk
      const [head = '', body = ''] = received.split('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? -1)
      if (length >= 0 && Buffer.byteLength(body) >= length) done()
    })
    socket.on('close', done)
    socket.on('error', done)
  })
}

function request(method: string, path: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries({ host: 'localhost', connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

async function listening(t: Tap): Promise<TestApp & { port: number }> {
  const started = await startApp(t)
  await started.app.listen({ port: 0, host: '127.0.0.1' })
  const address = started.app.server.address()
  return { ...started, port: address !== null && typeof address === 'object' ? address.port : 0 }
}

type Tap = Parameters<typeof startApp>[0]

const JSON_TYPE = { 'content-type': 'application/json' }
const WRONG_VALUES: unknown[] = [null, true, 0, -1, 3.5, 1e300, '', ' ', 'x'.repeat(100_000), [], ['a'], {}, { $ne: null }, { toString: 1 }, '\u0000', '\ud800', '../../etc/passwd', "' OR 1=1 --", '${7*7}']
const ROUTES: [string, string, string[]][] = [
  ['POST', '/api/v1/auth/signup', ['email', 'password', 'name']],
  ['POST', '/api/v1/auth/login', ['email', 'password']],
  ['POST', '/api/v1/auth/refresh', ['refreshToken']],
  ['POST', '/api/v1/auth/session', ['email', 'password']],
  ['POST', '/api/v1/setup', ['token', 'email', 'password', 'name']],
  ['POST', '/api/v1/keys', ['name', 'permissions', 'limits', 'expiresAt', 'metadata', 'ownerUserId']],
  ['POST', '/api/v1/keys/verify', ['key', 'permissions', 'cost']],
  ['POST', '/api/v1/users', ['email', 'password', 'name', 'roles']],
]
const VALID: Record<string, unknown> = {
  email: 'hostile@example.com', password: 'a long enough password', name: 'n', refreshToken: 'gr_x', token: 'x', permissions: ['a:b'],
  limits: [], expiresAt: '2040-01-01T00:00:00.000Z', metadata: {}, key: 'gk_x', cost: 1, roles: [],
}

t.test('hostile requests', async (t) => {
  const { app, as, port } = await listening(t)
  const admin = await as.admin()
  let sent = 0
  const refused = (name: string, { status, text }: RawAnswer, t: Tap & { ok: (value: unknown, message: string) => void }): void => {
    sent += 1
    const isProblem = /content-type: application\/problem\+json/i.test(text) && text.includes('"code":"')
    t.ok(status === 0 || (status >= 400 && status < 500 && isProblem), `${name}: ${status} ${text.slice(0, 200)}`)
  }

  await t.test('wrong types and odd values never reach a 5xx', async (t) => {
    for (const [method, url, fields] of ROUTES) {
      for (const field of fields) {
        const answers = await Promise.all(WRONG_VALUES.map((value) => {
          const payload = { ...Object.fromEntries(fields.filter((name) => name !== 'ownerUserId').map((name) => [name, VALID[name]])), [field]: value }
          return app.inject({ method: method as 'POST', url, headers: { ...admin, ...JSON_TYPE }, payload: JSON.stringify(payload) })
        }))
        sent += answers.length
        const worst = Math.max(...answers.map((answer) => answer.statusCode))
        t.ok(worst < 500, `${method} ${url} ${field}: worst answer ${worst}`)
        t.ok(answers.every((answer) => answer.statusCode < 400 || answer.headers['content-type']?.toString().startsWith('application/problem+json')), 'every refusal is a problem')
      }
    }
  })

  await t.test('unknown fields and poisoned keys are refused', async (t) => {
    for (const [method, url, fields] of ROUTES) {
      const body = Object.fromEntries(fields.filter((name) => name !== 'ownerUserId').map((name) => [name, VALID[name]]))
      for (const text of [
        JSON.stringify({ ...body, isAdmin: true }),
        JSON.stringify(body).replace('{', '{"__proto__":{"isAdmin":true},'),
        JSON.stringify(body).replace('{', '{"constructor":{"prototype":{"isAdmin":true}},'),
        '[]', '"text"', '1', 'null', '', '{', '{"a":', '{"a":1}}', '\ufeff{}x', '{"a":NaN}',
      ]) {
        refused(`${method} ${url} ${text.slice(0, 40)}`, await sendRaw(port, request(method, url, { ...admin, ...JSON_TYPE, 'content-length': String(Buffer.byteLength(text)) }, text)), t)
      }
    }
    t.equal(({} as Record<string, unknown>)['isAdmin'], undefined, 'no prototype was changed')
  })

  await t.test('bodies too large, of another type, or lying about their length', async (t) => {
    const large = JSON.stringify({ email: 'a'.repeat(10 * 1024 * 1024) })
    refused('10 MB', await sendRaw(port, request('POST', '/api/v1/auth/login', { ...JSON_TYPE, 'content-length': String(large.length) }, large)), t)
    refused('10 MB without length', await sendRaw(port, request('POST', '/api/v1/auth/login', { ...JSON_TYPE, 'transfer-encoding': 'chunked' }, `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`)), t)
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', 'application/jsonx', 'a', ';', 'application/json; charset=utf-16']) {
      const answer = await sendRaw(port, request('POST', '/api/v1/auth/login', { 'content-type': type, 'content-length': '2' }, '{}'))
      refused(`content-type ${type}`, answer, t)
    }
    refused('length and chunks', await sendRaw(port, request('POST', '/api/v1/auth/login', { ...JSON_TYPE, 'content-length': '2', 'transfer-encoding': 'chunked' }, '0\r\n\r\n')), t)
    refused('two lengths', await sendRaw(port, `POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`), t)
    refused('negative length', await sendRaw(port, request('POST', '/api/v1/auth/login', { ...JSON_TYPE, 'content-length': '-1' })), t)
  })

  await t.test('requests that are hardly HTTP', async (t) => {
    const raws: [string, string | Buffer][] = [
      ['two hosts', 'GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n'],
      ['no host', 'GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n'],
      ['two authorizations', request('GET', '/api/v1/whoami', { Authorization: 'Bearer a', authorization: 'Bearer b' })],
      ['HTTP/0.9', 'GET /livez\r\n\r\n'],
      ['unknown method', request('BREW', '/livez', {})],
      ['HTTP/3', 'GET / HTTP/3.0\r\nhost: a\r\n\r\n'],
      ['huge header', request('GET', '/livez', { 'x-huge': 'x'.repeat(100_000) })],
      ['many headers', request('GET', '/livez', Object.fromEntries(Array.from({ length: 3000 }, (_, at) => [`x-${at}`, 'y'])))],
      ['header without name', 'GET /livez HTTP/1.1\r\nhost: a\r\n: x\r\n\r\n'],
      ['folded header', 'GET /livez HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n'],
      ['bare newline smuggling', 'GET /livez HTTP/1.1\nhost: a\n\nGET /x HTTP/1.1\n\n'],
      ['TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])],
      ['nothing but newlines', '\r\n\r\n\r\nx\r\n\r\n'],
      ['bad percent', request('GET', '/api/v1/users/%zz', admin)],
      ['long path', request('GET', `/api/v1/users/${'a'.repeat(8000)}`, admin)],
      ['null in path', request('GET', '/api/v1/users/%00', admin)],
      ['dots', request('GET', '/api/v1/../../etc/passwd', {})],
    ]
    for (const [name, raw] of raws) refused(name, await sendRaw(port, raw), t)
  })

  await t.test('a target is a path or an http URL, and both spellings are one', async (t) => {
    for (const target of ['*', '*livez', '*api/v1/whoami', '*/livez', 'ftp://a/livez', 'http+unix://a/livez', 'httpsx://a/livez']) {
      const answer = await sendRaw(port, request('GET', target, {}))
      refused(`GET ${target}`, answer, t)
      t.equal(answer.status, 400, target)
    }
    for (const target of ['http://localhost/livez', 'HTTPS://other:8443/livez?x', 'http://localhost', 'http://localhost?x=1', 'http://localhost/']) {
      t.equal((await sendRaw(port, request('GET', target, {}))).status, 200, target)
    }
    for (const target of ['http://localhost/api/whoami', 'http://localhost/api/v1/whoami', '/api/whoami']) {
      t.equal((await sendRaw(port, request('GET', target, admin))).status, 200, target)
    }
    t.match((await sendRaw(port, request('DELETE', 'http://localhost/livez', {}))).text, /^HTTP\/1\.1 405 [^]*allow: GET, HEAD/i)
  })

  await t.test('what may be sent once and is sent twice is refused, alike or not, however it is spelled', async (t) => {
    // those that say who asks, for whom, what the body is or on which condition: two servers could each take another one
    const once: Record<string, [string, string, string]> = {
      host: ['request.malformed', 'localhost', 'other'], 'content-type': ['request.malformed', 'application/json', 'text/plain'], 'if-match': ['request.malformed', '"a.1"', '"a.2"'],
      'idempotency-key': ['request.malformed', 'a', 'b'], 'x-csrf-token': ['request.malformed', 'a', 'b'], authorization: ['credentials.ambiguous', 'Bearer a', 'Bearer b'],
      'x-api-key': ['credentials.ambiguous', 'a', 'b'],
    }
    for (const [name, [code, first, second]] of Object.entries(once)) {
      for (const [again, value] of [[name, second], [name, first], [name.toUpperCase(), second], [name, '']] as const) {
        const host = name === 'host' ? '' : 'host: localhost\r\n'
        const answer = await sendRaw(port, `GET /livez HTTP/1.1\r\n${host}connection: close\r\n${name}: ${first}\r\naccept: */*\r\n${again}: ${value}\r\n\r\n`)
        sent += 1
        t.equal(answer.status, 400, `${name} and ${again}: ${value}`)
        t.ok(answer.text.includes(`"code":"${code}"`) && answer.text.includes(`More than one ${name} header`), answer.text.slice(-200))
      }
    }
    const list = await sendRaw(port, 'GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: text/html\r\naccept: */*\r\n\r\n')
    t.equal(list.status, 200, 'what is a list may come in parts')
  })

  await t.test('malformed credentials are 400 or 401', async (t) => {
    const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = b64({ sub: '1', sid: '2', exp: 9_999_999_999 })
    const values = [
      'Bearer', 'Bearer ', 'Bearer  a', 'bearer\ta', 'Basic YTpi', 'Digest x', 'Token abc', 'Bearer a b', 'Bearer ä', `Bearer ${'a'.repeat(8000)}`, 'Bearer a.b.c', 'Bearer a.b', 'Bearer ...',
      `Bearer ${b64({ alg: 'none', typ: 'at+jwt' })}.${claims}.`, `Bearer ${b64({ alg: 'HS256', typ: 'at+jwt' })}.${claims}.c2ln`, `Bearer ${b64({ alg: 'EdDSA', kid: '../../x' })}.${claims}.c2ln`,
      `Bearer ${b64({ alg: 'EdDSA', typ: 'at+jwt', kid: {} })}.${claims}.c2ln`, 'Bearer gk_', `Bearer gk_${'0'.repeat(36)}`, `Bearer gr_${'A'.repeat(80)}`, 'Bearer gk_%00', 'null', 'undefined', '[object Object]',
    ]
    for (const value of values) {
      const answer = await sendRaw(port, request('GET', '/api/v1/whoami', { authorization: value }))
      refused(`authorization ${value.slice(0, 40)}`, answer, t)
      t.ok(answer.status === 400 || answer.status === 401, `${answer.status}`)
    }
    for (const cookie of ['gatehouse=', 'gatehouse=x', 'gatehouse=x.y', `gatehouse=${'a'.repeat(4000)}`, 'gatehouse=%', 'gatehouse=%00.%00', 'gatehouse="; x', 'gatehouse=a; gatehouse=b', '__Host-gatehouse=x.y', ';;;=', '=']) {
      const answer = await sendRaw(port, request('GET', '/api/v1/whoami', { cookie }))
      refused(`cookie ${cookie.slice(0, 40)}`, answer, t)
      t.equal(answer.status, 401)
    }
    for (const key of ['', ' ', 'gk', `gk_${'z'.repeat(36)}`, 'x'.repeat(5000), '\u00ff']) refused(`x-api-key ${key.slice(0, 20)}`, await sendRaw(port, request('GET', '/api/v1/whoami', { 'x-api-key': key })), t)
  })

  await t.test('malformed queries, cursors and preconditions', async (t) => {
    const queries = [
      'limit=0', 'limit=201', 'limit=-1', 'limit=a', 'limit=1.5', 'limit=1e9', 'limit=1&limit=2', 'cursor=x', 'cursor=.', 'cursor=a.b', `cursor=${'a'.repeat(3000)}`, 'cursor=W10.AAAA', 'sort=passwordHash', 'sort=email,email',
      'sort=-', 'sort=', 'sort=email;drop', 'count=all', 'status=gone', 'createdAt[gte]=yesterday', 'createdAt[gte]=2026-13-01T00:00:00Z', 'createdAt=x', 'email[contains]=a&email[contains]=b', '__proto__=1', 'x[y]=z', 'unknown=1',
    ]
    for (const query of queries) {
      const answer = await sendRaw(port, request('GET', `/api/v1/users?${query}`, admin))
      refused(query.slice(0, 40), answer, t)
      t.equal(answer.status, 400, query)
    }
    const user = (await as.signUp()).user
    for (const match of ['x', '""', `"${user.id}"`, `"${user.id}.x"`, `W/"${user.id}.1"`, '"a.1"', `"a.1", W/"${user.id}.1"`, `"${user.id}.99999999999"`]) {
      const answer = await sendRaw(port, request('PATCH', `/api/v1/users/${user.id}`, { ...admin, ...JSON_TYPE, 'if-match': match, 'content-length': '12' }, '{"name":"x"}'))
      refused(`if-match ${match}`, answer, t)
      t.equal(answer.status, 412)
    }
    for (const key of ['', ' ', 'a'.repeat(256), 'a b', 'ä']) {
      refused(`idempotency-key ${key.slice(0, 10)}`, await sendRaw(port, request('POST', '/api/v1/keys', { ...admin, ...JSON_TYPE, 'idempotency-key': key, 'content-length': '12' }, '{"name":"x"}')), t)
    }
  })

  t.ok(sent > 300, `${sent} requests were sent`)
  t.equal((await app.inject('/livez')).statusCode, 200, 'the server is alive')
  t.equal((await app.inject({ url: '/api/v1/users', headers: admin })).statusCode, 200, 'and does its work')
})

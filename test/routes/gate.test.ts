// /gate/...: what the gateways are answered, request by request. The gateways themselves are in test/gateways.
import t from 'tap'
import { expectJson, startApp, type TestApp } from '../support/app.js'
import { NO_REDIS } from '../support/redis.js'

type Headers = Record<string, string | string[]>

const IDENTITY = ['x-auth-subject', 'x-auth-type', 'x-auth-key-id', 'x-auth-organization', 'x-auth-permissions', 'x-auth-actor']

async function furnish({ app, as }: TestApp) {
  const admin = await as.admin()
  const rule = async (payload: object) => expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload }), 201)
  await rule({ path: '/open/*', public: true })
  await rule({ path: '/closed/*' })
  await rule({ path: '/special/*', permissions: ['special:use'] })
  await rule({ path: '/few/*', limit: { quota: 2, windowSeconds: 60, per: 'credential' } })
  await rule({ path: '/visitors', public: true, limit: { quota: 1, windowSeconds: 60 } })
  return { admin, rule }
}

/** Asks as Caddy does. */
function caddy({ app }: TestApp, target: string, headers: Headers = {}, method = 'GET') {
  return app.inside.inject({ url: '/gate/caddy', headers: { 'x-forwarded-method': method, 'x-forwarded-host': 'api.example.com', 'x-forwarded-uri': target, 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7', ...headers } })
}

t.test('/gate', async (t) => {
  const house = await startApp(t, { config: { trustedProxies: ['10.1.0.0/16', 'fd00::/8', '192.0.2.9'], corsOrigins: ['https://app.example.com'] } })
  const { app, as, database, clock } = house
  const { admin, rule } = await furnish(house)
  const key = await as.key(['special:use', 'b:c'])
  const plain = await as.key([])

  t.test('200 says who it is, in five headers that are always there', async (t) => {
    const { user } = await as.adminUser()
    const answer = await caddy(house, '/special/x', key.headers)
    t.equal(answer.statusCode, 200)
    t.equal(answer.body, '')
    t.match(answer.headers, { 'x-auth-subject': user.id, 'x-auth-type': 'key', 'x-auth-key-id': key.id, 'x-auth-organization': '-', 'x-auth-permissions': 'b:c special:use', 'content-length': '0', 'cache-control': 'no-store' })
    t.match((await caddy(house, '/closed', plain.headers)).headers, { 'x-auth-permissions': '-' })
    const open = await caddy(house, '/open', { ...key.headers })
    for (const name of IDENTITY) t.equal(open.headers[name], '-', `${name}: nobody was asked`)
    t.equal((await caddy(house, '/open', { authorization: 'Basic x' })).statusCode, 200, 'a credential of another kind is not looked at')
  })

  t.test('every gateway, with every method, with or without a body', async (t) => {
    const forwarded = { 'x-forwarded-method': 'GET', 'x-forwarded-host': 'h', 'x-forwarded-uri': '/closed/a?b' }
    const original = { 'x-original-method': 'GET', 'x-original-host': 'h', 'x-original-uri': '/closed/a?b' }
    const ask: [string, Headers][] = [['/gate/caddy', forwarded], ['/gate/traefik', forwarded], ['/gate/nginx', original], ['/gate/haproxy', original], ['/gate/envoy/closed/a?b', { host: 'h' }]]
    for (const [url, headers] of ask) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
        t.equal((await app.inside.inject({ method, url, headers: { ...headers, ...plain.headers } })).statusCode, 200, `${method} ${url}`)
      }
      const odd = await app.inside.inject({ method: 'POST', url, headers: { ...headers, ...plain.headers, 'content-type': 'application/json' }, payload: '{broken' })
      t.equal(odd.statusCode, 200, 'a body is not read')
      const preflight = await app.inside.inject({ method: 'OPTIONS', url, headers: { ...headers, origin: 'https://app.example.com', 'access-control-request-method': 'PUT' } })
      t.equal(preflight.statusCode, 401, 'the preflight of the application is judged like any request, not answered here')
      t.equal((await app.inside.inject({ url, headers: { ...headers, ...plain.headers }, remoteAddress: '10.1.2.3' })).statusCode, 200)
    }
  })

  t.test('the query of the question, and headers of other gateways, change nothing', async (t) => {
    const answer = await app.inside.inject({
      url: '/gate/caddy?uri=/open/x&X-Forwarded-Uri=/open/x',
      headers: { 'x-forwarded-method': 'GET', 'x-forwarded-host': 'h', 'x-forwarded-uri': '/closed/x' },
    })
    t.equal(answer.statusCode, 401)
    t.equal((await caddy(house, '/closed/x', { 'x-original-uri': '/open/x' })).statusCode, 400)
    // an actor's is refused: a gateway whose file is older than that header would pass a client's own on
    for (const name of IDENTITY) t.equal((await caddy(house, '/closed/x', { [name]: 'root' })).statusCode, name === 'x-auth-actor' ? 400 : 401)
    t.equal((await app.inside.inject({ url: '/gate/envoy', headers: { ...admin } })).statusCode, 400)
  })

  t.test('denials say why, in the status the gateway can pass on', async (t) => {
    const cases: [string, Headers, number, string][] = [
      ['/closed', {}, 401, 'credentials.missing'], ['/closed', { authorization: 'Basic x' }, 400, 'credentials.malformed'], ['/closed', { ...key.headers, 'x-api-key': key.key }, 400, 'credentials.ambiguous'],
      ['/closed', as.bearer('gk_x'), 401, 'key.invalid'], ['/closed', as.bearer('a.b.c'), 401, 'token.invalid'], ['/closed', { cookie: 'gatehouse=x' }, 401, 'session.invalid'],
      ['/special', { ...plain.headers }, 403, 'access.denied'], ['/nowhere', { ...key.headers }, 403, 'gate.no_rule'], ['/a/%2e%2e/b', { ...key.headers }, 400, 'gate.target_refused'],
      ['', { ...key.headers }, 400, 'gate.headers_missing'], ['/closed', { ...key.headers, 'x-forwarded-host': '' }, 400, 'gate.headers_missing'],
      ['/closed', { ...key.headers, 'x-forwarded-host': 'a, b' }, 400, 'gate.headers_missing'], ['/closed', { ...key.headers, 'x-forwarded-method': 'GET, PUT' }, 400, 'gate.headers_missing'],
      ['/closed', { ...key.headers, 'x-forwarded-uri': ['/closed', '/open'] }, 400, 'gate.target_refused'],
    ]
    for (const [target, headers, status, code] of cases) {
      const answer = await caddy(house, target, headers)
      t.equal(expectJson<{ code: string }>(answer, status).code, code, `${target} ${code}`)
      t.match(answer.headers, { 'x-auth-status': String(status), 'x-auth-error': code, 'content-type': /problem\+json/ })
      for (const name of IDENTITY) t.notOk(answer.headers[name], `no ${name} with a denial`)
    }
    t.match((await caddy(house, '/closed')).headers['www-authenticate'], /^Bearer/)
    const nginx = (target: string, headers: Headers = {}) => app.inside.inject({ url: '/gate/nginx', headers: { 'x-original-method': 'GET', 'x-original-host': 'h', 'x-original-uri': target, ...headers } })
    t.match(await nginx('/closed'), { statusCode: 401, headers: { 'x-auth-status': '401', 'www-authenticate': /^Bearer/ } })
    t.match(await nginx('/%00', { ...key.headers }), { statusCode: 403, headers: { 'x-auth-status': '400', 'x-auth-error': 'gate.target_refused' } })
    t.match(await nginx('/closed', { ...key.headers, 'x-api-key': key.key }), { statusCode: 403, headers: { 'x-auth-status': '400', 'x-auth-error': 'credentials.ambiguous' } }, 'also what is refused before the gate')
  })

  t.test('403 to whoever is no gateway', async (t) => {
    const ask = (remoteAddress: string) => app.inside.inject({ url: '/gate/caddy', remoteAddress, headers: { ...key.headers, 'x-forwarded-method': 'GET', 'x-forwarded-host': 'h', 'x-forwarded-uri': '/closed' } })
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '10.1.255.255', '::ffff:10.1.0.1', 'fd12::1', '192.0.2.9']) t.equal((await ask(address)).statusCode, 200, address)
    for (const address of ['10.2.0.1', '192.0.2.10', '::2', '::ffff:10.2.0.1', 'fe80::1', '8.8.8.8']) t.equal(expectJson<{ code: string }>(await ask(address), 403).code, 'gate.untrusted', address)
  })

  t.test('429 charges the rule and the key together, or neither', async (t) => {
    const limited = expectJson<{ key: string }>(await app.inject({
      method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', limits: [{ name: 'calls', quota: 3, windowSeconds: 60 }] },
    }), 201)
    const ask = (target: string) => caddy(house, target, as.bearer(limited.key))
    t.match((await ask('/few/a')).headers, { ratelimit: '"calls";r=2;t=60, "gate";r=1;t=60', 'ratelimit-policy': '"calls";q=3;w=60, "gate";q=2;w=60' })
    t.equal((await ask('/few/b')).statusCode, 200)
    const third = await ask('/few/c')
    t.equal(third.statusCode, 429)
    t.match(third.headers, { ratelimit: '"calls";r=1;t=60, "gate";r=0;t=60', 'retry-after': /^6[0-2]$/ })
    t.match((await ask('/closed')).headers, { ratelimit: '"calls";r=0;t=60' }, 'the refused request had cost nothing')
    t.equal((await ask('/closed')).statusCode, 429)
    t.equal((await caddy(house, '/few/a', plain.headers)).statusCode, 200, 'another key has a count of its own, where the rule says per credential')
    t.equal((await ask('/special')).statusCode, 403, 'a missing permission comes before limits')
  })

  t.test('429 to an owner, whatever is presented: by default a limit counts all keys and sessions of theirs, new ones and rotated ones, too', async (t) => {
    await rule({ path: '/owned', limit: { quota: 5, windowSeconds: 60 } })
    const [member, other] = [await as.signUp(), await as.signUp()]
    const issue = async ({ id }: { id: string }) => expectJson<{ id: string; key: string }>(await app.inject({
      method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ownerUserId: id },
    }), 201)
    const passed = async (headers: Headers) => {
      let passes = 0
      for (let n = 0; n < 3; n += 1) if ((await caddy(house, '/owned', headers)).statusCode === 200) passes += 1
      return passes
    }
    const keys = [await issue(member.user), await issue(member.user), await issue(member.user)]
    t.same([await passed(as.bearer(keys[0]?.key ?? '')), await passed(as.bearer(keys[1]?.key ?? '')), await passed(as.bearer(keys[2]?.key ?? ''))], [3, 2, 0])
    t.equal(await passed(member.headers), 0, 'a session is the same owner')
    t.equal(await passed(as.bearer((await issue(member.user)).key)), 0, 'a new key refills nothing')
    const rotated = expectJson<{ key: string }>(await app.inject({ method: 'POST', url: `/api/v1/keys/${keys[0]?.id}/rotate`, headers: admin, payload: { graceSeconds: 0 } }), 201)
    t.equal(await passed(as.bearer(rotated.key)), 0, 'nor does a rotation')
    t.equal(await passed(other.headers), 3, 'and another owner is another')
  })

  t.test('429 per credential: a rotated key goes on with what it was; per address: whoever comes from there', async (t) => {
    const few = expectJson<{ id: string; key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k' } }), 201)
    for (const status of [200, 200, 429]) t.equal((await caddy(house, '/few/a', as.bearer(few.key))).statusCode, status)
    const next = expectJson<{ key: string }>(await app.inject({ method: 'POST', url: `/api/v1/keys/${few.id}/rotate`, headers: admin, payload: { graceSeconds: 0 } }), 201)
    t.equal((await caddy(house, '/few/a', as.bearer(next.key))).statusCode, 429)
    const { id } = await rule({ path: '/from', limit: { quota: 2, windowSeconds: 60, per: 'address' } })
    t.match(expectJson(await app.inject({ url: `/api/v1/gate-rules/${id}`, headers: admin }), 200), { limit: { per: 'address' } })
    const from = async (address: string, { headers }: { headers: Headers }) => (await caddy(house, '/from', { ...headers, 'x-forwarded-for': address })).statusCode
    t.same([await from('203.0.113.90', key), await from('203.0.113.90', plain), await from('203.0.113.90', plain), await from('203.0.113.91', plain)], [200, 200, 429, 200])
    t.equal((await caddy(house, '/from', { 'x-forwarded-for': '203.0.113.92' })).statusCode, 401, 'it is no public rule')
    const bad = await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/bad', limit: { quota: 1, windowSeconds: 1, per: 'key' } } })
    t.equal(bad.statusCode, 400)
  })

  t.test('429 to one visitor of a public path, not to the next', async (t) => {
    const visit = (address: string) => caddy(house, '/visitors', { 'x-forwarded-for': address })
    t.equal((await visit('203.0.113.1')).statusCode, 200)
    t.equal((await visit('203.0.113.1')).statusCode, 429)
    t.equal((await visit('1.1.1.1, 203.0.113.1')).statusCode, 429, 'what the client puts before its address is not it')
    t.equal((await visit('203.0.113.2')).statusCode, 200)
  })

  t.test('a cookie on a method that changes something needs a page of the same origin', async (t) => {
    const { user } = await as.signUp()
    const login = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload: { email: user.email, password: 'correct horse battery staple' } })
    const cookie = `gatehouse=${login.cookies.find(({ name }) => name === 'gatehouse')?.value ?? ''}`
    t.match(await caddy(house, '/closed', { cookie }), { statusCode: 200, headers: { 'x-auth-subject': user.id, 'x-auth-type': 'user' } })
    const put = async (headers: Headers) => (await caddy(house, '/closed', { cookie, ...headers }, 'PUT')).statusCode
    t.equal(await put({}), 403)
    for (const site of ['same-site', 'cross-site', 'none', '']) t.equal(await put({ 'sec-fetch-site': site, origin: 'https://api.example.com' }), 403, site)
    for (const origin of ['null', 'https://evil.example', 'http://api.example.com', 'https://api.example.com:8443', 'https://api.example.com.evil']) t.equal(await put({ origin }), 403, origin)
    t.equal(await put({ origin: 'https://api.example.com' }), 200)
    t.equal(await put({ origin: 'https://api.example.com', 'x-forwarded-host': 'api.example.com:443' }), 200)
    t.equal(await put({ 'sec-fetch-site': 'same-origin' }), 200)
  })

  t.test('a WebSocket with a cookie needs a page of the same origin, with a key it does not; nothing else is upgraded to', async (t) => {
    const { user } = await as.signUp()
    const login = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload: { email: user.email, password: 'correct horse battery staple' } })
    const cookie = `gatehouse=${login.cookies.find(({ name }) => name === 'gatehouse')?.value ?? ''}`
    const handshake = { upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' }
    const open = async (headers: Headers) => (await caddy(house, '/closed', { cookie, ...handshake, ...headers })).statusCode
    t.equal(await open({}), 403)
    t.equal(await open({ origin: 'https://evil.example' }), 403)
    t.equal(await open({ 'sec-fetch-site': 'cross-site', origin: 'https://api.example.com' }), 403)
    t.equal(await open({ origin: 'https://api.example.com' }), 200)
    t.equal(await open({ origin: 'https://api.example.com', 'x-forwarded-proto': 'wss' }), 200, 'a gateway may name the scheme of the WebSocket')
    t.equal(await open({ 'sec-fetch-site': 'same-origin' }), 200)
    const { upgrade, ...unsaid } = handshake
    t.equal((await caddy(house, '/closed', { cookie, ...unsaid })).statusCode, 403, `also where the gateway keeps ${upgrade} for itself`)
    t.equal((await caddy(house, '/closed', { ...plain.headers, ...handshake })).statusCode, 200)
    for (const headers of [{ upgrade: 'h2c' }, { upgrade: 'websocket, h2c' }, { 'http2-settings': 'AAA' }, { 'x-forwarded-method': 'CONNECT' }, { ...handshake, 'x-forwarded-method': 'POST' }]) {
      t.equal(expectJson<{ code: string }>(await caddy(house, '/open', headers), 400).code, 'gate.upgrade_refused', JSON.stringify(headers))
    }
  })

  t.test('400 when a header came through that only the gateway may set, whatever its spelling', async (t) => {
    for (const name of ['x_auth_subject', 'X-Auth_Subject', 'x.auth.subject', 'x-original-url', 'x-rewrite-url', 'x-http-method-override', 'x-forwarded-prefix', 'x_forwarded_for']) {
      const answer = expectJson<{ code: string; detail: string }>(await caddy(house, '/open', { [name]: 'root' }), 400)
      t.match(answer, { code: 'gate.header_refused', detail: `The gateway let the header ${name.toLowerCase()} of a client through` }, name)
    }
    t.equal((await caddy(house, '/open', { 'x-auth-subject': 'root', 'x-author': 'a', 'x-request-id': 'b' })).statusCode, 200, 'replaced in this spelling, and no business of ours')
  })

  t.test('a rule holds at once: widened, narrowed, deleted', async (t) => {
    const ask = async () => (await caddy(house, '/changing', plain.headers)).statusCode
    t.equal(await ask(), 403)
    const { id } = await rule({ path: '/changing' })
    t.equal(await ask(), 200)
    await app.inject({ method: 'PATCH', url: `/api/v1/gate-rules/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { permissions: ['no:one'] } })
    t.equal(await ask(), 403)
    await app.inject({ method: 'PATCH', url: `/api/v1/gate-rules/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { permissions: [], host: '*.example.com' } })
    t.equal(await ask(), 200)
    await app.inject({ method: 'DELETE', url: `/api/v1/gate-rules/${id}`, headers: admin })
    t.equal(await ask(), 403)
  })

  t.test('401 from the revocation on, and from the expiry', async (t) => {
    const short = await as.key([])
    t.equal((await caddy(house, '/closed', short.headers)).statusCode, 200)
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${short.id}`, headers: admin })
    t.match(await caddy(house, '/closed', short.headers), { statusCode: 401, headers: { 'x-auth-error': 'key.invalid', 'www-authenticate': /invalid_token/ } })
    const member = await as.signUp()
    t.equal((await caddy(house, '/closed', member.headers)).statusCode, 200)
    clock.advance(301_000)
    t.equal(expectJson<{ code: string }>(await caddy(house, '/closed', member.headers), 401).code, 'token.expired')
  })

  t.test('503 when the rules cannot be read, never 2xx', async (t) => {
    clock.advance(400_000) // what is held is too old by now
    await database.pool.query('ALTER TABLE gate_rules RENAME TO gate_rules_away')
    for (const target of ['/open', '/closed']) t.ok((await caddy(house, target, key.headers)).statusCode >= 500, target)
    const nginx = await app.inside.inject({ url: '/gate/nginx', headers: { 'x-original-method': 'GET', 'x-original-host': 'h', 'x-original-uri': '/open' } })
    t.match(nginx, { statusCode: 403, headers: { 'x-auth-status': '500' } })
    await database.pool.query('ALTER TABLE gate_rules_away RENAME TO gate_rules')
    t.equal((await caddy(house, '/open')).statusCode, 200, 'and it comes back by itself')
  })
})

t.test('a rule narrowed on one node is narrowed on the other', { skip: NO_REDIS }, async (t) => {
  const one = await startApp(t, { redis: true })
  const two = await startApp(t, { database: one.database, ...(one.redisUrl === null ? {} : { redis: one.redisUrl }) })
  const { admin, rule } = await furnish(one)
  const key = await one.as.key([])
  const { id } = await rule({ path: '/shared' })
  t.equal((await caddy(two, '/shared', key.headers)).statusCode, 200)
  await one.app.inject({ method: 'PATCH', url: `/api/v1/gate-rules/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { permissions: ['no:one'] } })
  await one.app.revocations.waitForNodes()
  t.equal((await caddy(two, '/shared', key.headers)).statusCode, 403)
})

// What must hold behind every gateway, whatever its make: one story for all of them, told to the real programs.
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Test } from 'tap'
import { expectJson, PASSWORD } from './app.js'
import { type Answer, type House, send, sendRaw } from './gateway.js'
import { oauthHouse } from './oauth.js'

const IDENTITY = ['x-auth-subject', 'x-auth-type', 'x-auth-key-id', 'x-auth-organization', 'x-auth-permissions', 'x-auth-actor']
// ways to say /admin/users that have fooled one server or another; none may reach the application with a key that may not
const DISGUISES = [
  '/admin/users', '/public/../admin/users', '/public/./../admin/users', '/public/%2e%2e/admin/users', '/public/.%2e/admin/users', '/public/..%2fadmin/users',
  '/public%2f..%2fadmin/users', '/public/%252e%252e/admin/users', '/public/..;/admin/users', '/public;/../admin/users', '/public/..%5cadmin/users',
  '/public/..\\admin/users', '//admin/users', '///admin/users', '/./admin/users', '/admin//users', '/admin;x=1/users', '/admin%3bx=1/users', '/%61dmin/users',
  '/ADMIN/users', '/Admin/users', '/admin%2fusers', '//public/admin/users', '/public/..%00/admin/users', '/public/%c0%ae%c0%ae/admin/users',
  '/admin%3f/../public', '/admin?/../public/x', '/admin#/../public', '/admin%23/../public', '/public/%u002e%u002e/admin', '/public/..%c0%af../admin/users',
  '/public/../../admin/users', '/admin/../admin/users', '/public/x/..//..//admin/users', 'http://localhost/admin/users', 'http://elsewhere/public/../admin/users',
  'http://elsewhere/admin/users', '/public/..%ef%bc%8fadmin', '/public/%2e%2e%2fadmin/users', '/admin/', '/admin', '/admin.', '/admin%20', '/admin%09',
]

/** Names that servers join to one that only the gateway may set: CGI, WSGI and PHP make one sign of all these. */
const RESERVED = [
  'X-Auth-Subject', 'x-auth-permissions', 'X-Original-URL', 'X-Original-URI', 'X-Original-Host', 'X-Original-Whatever', 'X-Rewrite-URL', 'X-Rewrite-Whatever', 'X-HTTP-Method', 'X-HTTP-Method-Override',
  'X-Method-Override', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Prefix', 'X-Forwarded-Uri', 'X-Forwarded-Whatever',
]
const SPELLINGS: ((name: string) => string)[] = [
  (name) => name, (name) => name.toUpperCase(), (name) => name.replaceAll('-', '_'), (name) => name.replaceAll('-', '.'), (name) => name.replace('-', '_'), (name) => name.replace(/-(?=[^-]*$)/, '_'),
  (name) => name.replace(/-(?=[^-]*$)/, '.'), (name) => name.replaceAll('-', '~').toLowerCase(), (name) => name.replace('-', ' '), (name) => name.replaceAll('-', ' '), (name) => `${name} `, (name) => ` ${name}`,
]
const UPGRADES = [
  'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings', 'Upgrade: h2c\r\nConnection: Upgrade', 'Upgrade: H2C\r\nConnection: upgrade', 'Upgrade: websocket, h2c\r\nConnection: Upgrade',
  'Upgrade: h2c, websocket\r\nConnection: Upgrade', 'Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade', 'Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: Upgrade', 'Upgrade: TLS/1.0\r\nConnection: Upgrade',
  'Upgrade: websocket/13\r\nConnection: Upgrade', 'Upgrade: h2c\r\nConnection: keep-alive\r\nConnection: Upgrade', 'Upgrade: HTTP/2.0\r\nConnection: upgrade, http2-settings\r\nHttp2-Settings: AAA', 'Upgrade:\th2c\r\nConnection:Upgrade',
  'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: HTTP2-Settings', 'Upgrade: websocket\r\nHTTP2-Settings: AAA\r\nConnection: Upgrade, HTTP2-Settings',
]

/** The handshake of a browser's WebSocket. */
function handshake(path: string, headers: Record<string, string> = {}): string {
  const lines = { Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13', ...headers }
  return `GET ${path} HTTP/1.1\r\n${Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** Rules, keys and a cookie for the cases. */
async function furnish({ app, as }: House) {
  const headers = await as.admin()
  const rule = async (payload: object): Promise<{ id: string }> =>
    expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers, payload }), 201)
  await rule({ path: '/public/*', public: true })
  await rule({ path: '/reports/*', permissions: ['reports:read'] })
  await rule({ path: '/admin/*', permissions: ['admin:all'] })
  await rule({ path: '/limited/*', limit: { quota: 2, windowSeconds: 60 } })
  await rule({ path: '/items/:id', methods: ['GET', 'PUT'] })
  await rule({ path: '/items/:id', methods: ['DELETE'], permissions: ['items:delete'] })
  const key = await as.key(['reports:read'])
  const member = await as.signUp()
  const login = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload: { email: member.user.email, password: PASSWORD } })
  const cookie = `gatehouse=${login.cookies.find(({ name }) => name === 'gatehouse')?.value ?? ''}`
  return { admin: headers, key, member, cookie }
}

/** Refused for its target or for its headers: some gateways can clear a header only by its whole name, and the gate refuses the rest. */
function denied(t: Test, { status }: Answer): void {
  t.ok(status === 403 || status === 400, `${status}`)
}

/** A host that is none of the site's gets an error, before anybody is asked; the site is `localhost`. */
export async function unknownHosts(t: Test, { seen }: House, port: number): Promise<void> {
  const ask = (host: string, target = '/') => sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  for (const host of ['elsewhere.example', '127.0.0.1', 'localhost.elsewhere.example', 'xlocalhost', '', 'elsewhere.example:80', 'localhost, elsewhere.example', 'elsewhere.example, localhost']) {
    t.match(String(await ask(host)), /^(400|404|421)$/, host)
  }
  t.match(String(await ask('localhost', 'http://elsewhere.example/')), /^(400|404|421)$/)
  for (const host of ['localhost', 'LOCALHOST', `localhost:${port}`]) t.equal(await ask(host), 403, 'the gate has no rule yet, and was asked')
  t.equal(seen.length, 0)
}

export interface CaseOptions {
  /** can the gateway hand RateLimit to the client with an answer of the application? */
  limitsOnSuccess: boolean
  /** does the gateway refuse requests with underscores in header names? */
  refusesUnderscores?: boolean
  /** does the gate refuse mixed spellings, because the gateway cannot clear them all? */
  clearsByName?: boolean
}

/** The story. `port` is the gateway's; it must stand before `house`'s application. */
export async function gatewayCases(t: Test, house: House, port: number, { limitsOnSuccess, refusesUnderscores = false, clearsByName = false }: CaseOptions): Promise<void> {
  const { app, seen } = house
  const { admin, key, member, cookie } = await furnish(house)
  const bearer = { authorization: `Bearer ${key.key}` }

  t.test('200: the application gets the request as it was, and who it is from', async (t) => {
    seen.length = 0
    const answer = await send(port, { method: 'PUT', path: '/items/7?a=b&c', headers: { ...bearer, 'content-type': 'application/json' }, body: '{"n":1}' })
    t.equal(answer.status, 200)
    t.equal(answer.body, 'from the application')
    t.match(seen, [{
      method: 'PUT', url: '/items/7?a=b&c', body: '{"n":1}',
      headers: { 'x-auth-subject': (await house.as.adminUser()).user.id, 'x-auth-type': 'key', 'x-auth-key-id': key.id, 'x-auth-organization': '-', 'x-auth-permissions': 'reports:read' },
    }])
    t.equal((await send(port, { path: '/reports/1', headers: { 'x-api-key': key.key } })).status, 200)
    const head = await send(port, { method: 'HEAD', path: '/reports/1', headers: bearer })
    t.equal(head.status, 200)
    t.equal(seen.at(-1)?.method, 'HEAD')
  })

  t.test('200: an access token stands for its user', async (t) => {
    seen.length = 0
    t.equal((await send(port, { path: '/items/1', headers: member.headers })).status, 200)
    t.match(seen[0]?.headers, { 'x-auth-subject': member.user.id, 'x-auth-type': 'user', 'x-auth-key-id': '-', 'x-auth-permissions': /^(-|gatehouse:own\..*)$/ })
  })

  t.test('200: a cookie reads; it writes for a page of the same origin alone', async (t) => {
    seen.length = 0
    t.equal((await send(port, { path: '/items/1', headers: { cookie } })).status, 200)
    t.equal(seen[0]?.headers['x-auth-subject'], member.user.id)
    const put = (headers: Record<string, string>) => send(port, { method: 'PUT', path: '/items/1', headers: { cookie, ...headers } })
    t.equal((await put({})).status, 403, 'a browser that says nothing')
    t.equal((await put({ 'sec-fetch-site': 'same-site' })).status, 403)
    t.equal((await put({ origin: 'http://evil.example' })).status, 403)
    t.equal(seen.length, 1)
    t.equal((await put({ 'sec-fetch-site': 'same-origin' })).status, 200)
    t.equal((await put({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).status, 200)
  })

  t.test('401 and 403 are the gate\'s own, and the application hears nothing', async (t) => {
    seen.length = 0
    const nobody = await send(port, { path: '/reports/1' })
    t.equal(nobody.status, 401)
    t.match(nobody.headers['www-authenticate'], /^Bearer/)
    t.equal((await send(port, { path: '/reports/1', headers: { authorization: 'Bearer gk_not_a_key' } })).status, 401)
    t.equal((await send(port, { path: '/admin/users', headers: bearer })).status, 403, 'without the permission')
    t.equal((await send(port, { path: '/elsewhere', headers: bearer })).status, 403, 'without a rule')
    t.equal((await send(port, { method: 'DELETE', path: '/items/7', headers: bearer })).status, 403, 'another method, another rule')
    t.equal((await send(port, { method: 'POST', path: '/items/7', headers: bearer })).status, 403, 'a method without a rule')
    const two = await send(port, { path: '/reports/1', headers: { ...bearer, 'x-api-key': key.key } })
    t.ok(two.status === 400 || two.status === 403, 'two credentials')
    t.equal(seen.length, 0)
  })

  t.test('a rule of an audience takes its tokens alone, and says what a client needs to get one (RFC 9728, RFC 6750 3.1)', async (t) => {
    seen.length = 0
    const { client, resource, token } = await oauthHouse(house)
    const tools = 'https://tools.example.com'
    const scopes = ['use', 'look'].map((name) => ({ name, description: name, permissions: [] }))
    await Promise.all([resource(tools, { scopes }), resource('https://other.example.com', { scopes })])
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/tools/*', audience: tools, scopes: ['use'] } }), 201)
    const robot = await client({ kind: 'service', resources: [tools, 'https://other.example.com'], scopes: ['use', 'look'] })
    const ask = async (given: Record<string, string>) => send(port, { path: '/tools/1', headers: given })
    const having = async (scope: string, of = tools) => ask({ authorization: `Bearer ${await token(robot, { resource: of, scope })}` })
    const nobody = await ask({})
    t.equal(nobody.status, 401)
    t.match(nobody.headers['www-authenticate'], /^Bearer .*resource_metadata="http[^"]*\/oauth\/protected-resource\?resource=https%3A%2F%2Ftools\.example\.com"/)
    const looking = await having('look')
    t.equal(looking.status, 403)
    t.match(looking.headers['www-authenticate'], /^Bearer .*error="insufficient_scope".*scope="use"|^Bearer .*scope="use".*error="insufficient_scope"/)
    for (const answer of [await having('use', 'https://other.example.com'), await ask(bearer), await ask(member.headers), await ask({ cookie })]) t.equal(answer.status, 401, 'of another audience, or of none')
    t.equal(seen.length, 0)
    t.equal((await having('use')).status, 200)
    t.match(seen[0]?.headers, { 'x-auth-subject': robot.clientId })
  })

  t.test('200: a public path asks nobody, and what the client says of itself is gone', async (t) => {
    seen.length = 0
    const dashed = {
      'X-Auth-Subject': 'root', 'x-auth-type': 'user', 'X-AUTH-KEY-ID': 'k', 'x-auth-organization': 'o', 'x-auth-permissions': 'gatehouse:*', 'x-http-method-override': 'DELETE',
    }
    const underscored = { 'X_Auth_Subject': 'root', 'x_auth_permissions': 'gatehouse:*', ...(clearsByName ? {} : { 'X-Auth_Subject': 'root' }) }
    const forged = refusesUnderscores ? dashed : { ...dashed, ...underscored }
    if (refusesUnderscores) t.equal((await send(port, { path: '/public/page', headers: underscored })).status, 400)
    t.equal((await send(port, { path: '/public/page', headers: forged })).status, 200)
    for (const name of IDENTITY) t.equal(seen[0]?.headers[name], '-', name)
    const others = Object.entries(seen[0]?.headers ?? {}).filter(([name, value]) => !IDENTITY.includes(name) && (value === 'root' || value === 'gatehouse:*' || value === 'DELETE'))
    t.same(others, [], 'no other spelling came through')
    t.equal((await send(port, { path: '/items/1', headers: { ...bearer, ...forged } })).status, 200)
    t.equal(seen[1]?.headers['x-auth-key-id'], key.id)

    seen.length = 0
    for (const connection of ['close, x-auth-subject', 'X-Auth-Key-Id, keep-alive', 'upgrade, x-auth-type, x-auth-permissions', 'X-AUTH-TYPE', 'x_auth_subject, X-Auth-Subject,', ', ,x-auth-permissions']) {
      await send(port, { path: '/public/page', headers: { connection } })
    }
    for (const { headers } of seen) t.match(headers, Object.fromEntries(IDENTITY.map((name) => [name, '-'])), 'a client cannot have them dropped on the way')
  })

  t.test('no spelling of a header that only the gateway sets reaches the application', async (t) => {
    const came: string[] = []
    for (const name of new Set(RESERVED.flatMap((one) => SPELLINGS.map((spell) => spell(one))))) {
      seen.length = 0
      await sendRaw(port, `GET /public/page HTTP/1.1\r\nHost: localhost\r\n${name}: r00t\r\nConnection: close\r\n\r\n`)
      for (const { headers } of seen) {
        for (const [own, value] of Object.entries(headers)) if (String(value).includes('r00t')) came.push(`${name} as ${own}`)
        for (const own of IDENTITY) if (headers[own] !== '-') came.push(`${name}: ${own} is ${String(headers[own])}`)
      }
    }
    t.same(came, [])
    seen.length = 0
    t.equal((await send(port, { path: '/public/page', headers: { 'x-request-id': 'a', 'x-custom.thing': 'b', 'x-author': 'c', 'x-originals': 'd' } })).status, 200, 'other names pass')
    t.match(seen[0]?.headers, { 'x-request-id': 'a', 'x-author': 'c', 'x-originals': 'd' })
  })

  t.test('a WebSocket alone is upgraded to; h2c and all others are refused or dropped', async (t) => {
    for (const upgrade of UPGRADES) {
      seen.length = 0
      await sendRaw(port, `GET /public/page HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n\r\n`)
      for (const { headers } of seen) {
        t.match(headers.upgrade ?? 'websocket', /^websocket$/i, upgrade)
        t.equal(headers['http2-settings'], undefined, upgrade)
        t.notMatch(headers.connection ?? '', /http2/i, upgrade)
      }
    }
    seen.length = 0
    t.equal(await sendRaw(port, handshake('/items/1')), 401)
    t.equal(await sendRaw(port, handshake('/elsewhere', bearer)), 403)
    t.equal(seen.length, 0)
    const socket = connect(port, '127.0.0.1')
    socket.write(handshake('/items/1', bearer))
    let said = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      if (said === '') socket.write('ping')
      said += text
      if (said.endsWith('ping')) socket.end()
    })
    await once(socket, 'close')
    t.match(said, /^HTTP\/1\.1 101 [^]*ping$/, 'and it is a tunnel')
    t.match(seen, [{ headers: { 'x-auth-type': 'key', 'x-auth-key-id': key.id, upgrade: 'websocket' } }])
  })

  t.test('a WebSocket with a cookie needs a page of the same origin: for it GET is not safe', async (t) => {
    seen.length = 0
    const open = (headers: Record<string, string>) => sendRaw(port, handshake('/items/1', { Cookie: cookie, ...headers }))
    t.equal(await open({}), 403, 'nobody says whose page it is')
    for (const headers of [{ Origin: 'http://evil.example' }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'cross-site', Origin: 'http://localhost' }, { 'Sec-Fetch-Site': 'same-site' }]) t.equal(await open(headers), 403, JSON.stringify(headers))
    t.equal(seen.length, 0)
    t.equal(await open({ 'Sec-Fetch-Site': 'same-origin' }), 101)
    t.equal(await open({ Host: `localhost:${port}`, Origin: `http://localhost:${port}` }), 101)
  })

  t.test('headers that are too large are 431, wherever that is found', async (t) => {
    const ask = (lines: string) => sendRaw(port, `GET /public/page HTTP/1.1\r\nHost: localhost\r\n${lines}Connection: close\r\n\r\n`)
    const many = (count: number): string => Array.from({ length: count }, (_, at) => `X-Long-${at}: ${'x'.repeat(1000)}\r\n`).join('')
    t.equal(await ask(many(20)), 200)
    for (const count of [40, 60, 80]) t.equal(await ask(many(count)), 431, `${count} KB`)
    t.equal(await ask(`Cookie: a=${'x'.repeat(50_000)}\r\n`), 431)
    for (const length of [8_000, 15_000, 17_000, 31_000, 33_000]) t.ok([200, 431].includes(await ask(`Cookie: a=${'x'.repeat(length)}\r\n`)), `one of ${length}`)
  })

  t.test('a client\'s own forwarding headers and query change no verdict', async (t) => {
    seen.length = 0
    const told = { method: 'GET', uri: '/public/x', host: 'localhost', proto: 'https' }
    const headers: Record<string, string | string[]> = { ...bearer, 'x-rewrite-url': '/public/x', 'x-original-url': '/public/x', forwarded: 'host=elsewhere' }
    for (const [name, value] of Object.entries(told)) for (const kind of ['original', 'forwarded']) headers[`x-${kind}-${name}`] = value
    denied(t, await send(port, { path: '/admin/users', headers }))
    denied(t, await send(port, { method: 'DELETE', path: '/items/7', headers }))
    denied(t, await send(port, { path: '/admin/users', headers: { ...headers, 'x-forwarded-uri': ['/public/x', '/public/y'], 'x-original-uri': ['/public/x', '/public/y'] } }))
    denied(t, await send(port, { path: '/admin/users?uri=/public/x&X-Forwarded-Uri=/public/x', headers: bearer }))
    denied(t, await send(port, { path: '/admin/users?/../../public/x', headers: bearer }))
    t.equal((await send(port, { path: '/public/x?/../../admin', headers: {} })).status, 200, 'nor does a query that looks like a path')
    t.equal(seen.length, 1)
  })

  t.test('no spelling of a path gets by its rule', async (t) => {
    seen.length = 0
    for (const target of DISGUISES) {
      await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key.key}\r\nConnection: close\r\n\r\n`)
      t.same(seen.map(({ url }) => url), [], target)
      seen.length = 0
    }
    t.equal(await sendRaw(port, `GET /reports/a%20b/${encodeURIComponent('ü')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key.key}\r\nConnection: close\r\n\r\n`), 200)
  })

  t.test('429 with Retry-After when a rule\'s limit is used up, for this caller alone', async (t) => {
    seen.length = 0
    const first = await send(port, { path: '/limited/x', headers: bearer })
    t.equal(first.status, 200)
    if (limitsOnSuccess) t.match(first.headers, { ratelimit: /^"[a-z]+";r=1;t=60$/, 'ratelimit-policy': /q=2/ })
    t.equal((await send(port, { path: '/limited/y', headers: bearer })).status, 200)
    const third = await send(port, { path: '/limited/z', headers: bearer })
    t.equal(third.status, 429)
    t.match(third.headers, { 'retry-after': /^(60|61|62)$/, ratelimit: /r=0/ })
    t.equal(seen.length, 2)
    t.equal((await send(port, { path: '/limited/x', headers: member.headers })).status, 200)
  })

  t.test('a revoked key is refused, and a changed rule holds, at the next request', async (t) => {
    const short = await house.as.key(['reports:read'])
    const ask = () => send(port, { path: '/reports/1', headers: short.headers })
    t.equal((await ask()).status, 200)
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${short.id}`, headers: admin })
    t.equal((await ask()).status, 401)
    const added = await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/reports/secret', permissions: ['reports:secret'] } })
    const { id } = expectJson<{ id: string }>(added, 201)
    t.equal((await send(port, { path: '/reports/secret', headers: bearer })).status, 403)
    await app.inject({ method: 'DELETE', url: `/api/v1/gate-rules/${id}`, headers: admin })
    t.equal((await send(port, { path: '/reports/secret', headers: bearer })).status, 200)
  })

  t.test('5xx when Gatehouse cannot decide, or is gone', async (t) => {
    seen.length = 0
    // a key that nobody has shown yet, and no table to read it from
    const unread = await house.as.key(['reports:read'])
    await house.database.pool.query('ALTER TABLE api_keys RENAME TO api_keys_away')
    t.ok((await send(port, { path: '/reports/1', headers: unread.headers })).status >= 500)
    await house.database.pool.query('ALTER TABLE api_keys_away RENAME TO api_keys')
    await app.close()
    t.ok((await send(port, { path: '/reports/1', headers: bearer })).status >= 500)
    t.ok((await send(port, { path: '/public/x' })).status >= 500, 'also where nobody would be asked')
    t.equal(seen.length, 0)
  })
}

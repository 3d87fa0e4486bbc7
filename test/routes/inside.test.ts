// The two listeners: what answers where, whatever the spelling (attempt 79 of the authority table), and what the inside one gives away.
import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { spawn, spawnSync } from 'node:child_process'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { emptyFolder } from '../support/program.js'

/** What one request, written byte for byte, is answered; the connection is closed by the server. */
async function raw(to: string, text: string): Promise<string> {
  const socket = to.startsWith('/') ? connect(to) : connect(Number(to), '127.0.0.1')
  socket.write(text)
  let said = ''
  for await (const chunk of socket.setEncoding('utf8')) said += String(chunk)
  return said
}

const GATE = { 'x-forwarded-method': 'GET', 'x-forwarded-host': 'h', 'x-forwarded-uri': '/open', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' }
const SPELLINGS = [
  '/gate/caddy', '/gate/nginx', '/gate/haproxy', '/gate/traefik', '/gate/envoy', '/gate/envoy/', '/gate/envoy/open', '/gate/envoy//open', '/gate', '/gate/', '/gate/caddy/', '/gate/caddy?x', '/GATE/caddy', '/Gate/Caddy',
  '/%67ate/caddy', '/gate%2fcaddy', '/gate%2Fenvoy/open', '//gate/caddy', '/./gate/caddy', '/x/../gate/caddy', '/gate/../gate/caddy', '/gate;x/caddy', '/gate/caddy;x', '/api/gate/caddy', '/api/v1/gate/caddy',
  '/api/v1/../../gate/caddy', '/metrics', '/metrics/', '/metrics?x', '/METRICS', '/%6detrics', '//metrics', '/metrics;x', '/metrics/x', '/api/metrics', '/api/v1/metrics', '/livez/../metrics',
  'http://localhost/metrics', 'http://localhost/gate/caddy', 'HTTP://127.0.0.1:3001/metrics', 'http://localhost:3001/gate/envoy/open', 'http://user@localhost/metrics',
]
const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'PUT', 'PATCH']

t.test('two listeners', async (t) => {
  const { app, as } = await startApp(t, { config: { corsOrigins: ['https://app.example.com'] } })
  const port = new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port
  const inside = new URL(await app.inside.listen({ host: '127.0.0.1', port: 0 })).port
  const admin = await as.admin()
  await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/open', public: true } })
  const lines = Object.entries(GATE).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const ask = (to: string, method: string, target: string, more = '') => raw(to, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${lines}${more}Connection: close\r\n\r\n`)

  t.test('79: on the public port /gate and /metrics are paths like any that nobody has', async (t) => {
    const plain = (text: string): string => text.replace(/"requestId":"[^"]+"/, '').replace(/^(Date|Content-Length|X-Request-Id): .*$/gim, '')
    const unknown = new Map(await Promise.all(METHODS.map(async (method) => [method, plain(await ask(port, method, '/nothing/here'))] as const)))
    t.match(unknown.get('GET'), /^HTTP\/1\.1 404 [^]*route\.not_found/)
    const odd: string[] = []
    await Promise.all(METHODS.map(async (method) => {
      for (const target of SPELLINGS) if (plain(await ask(port, method, target)) !== unknown.get(method)) odd.push(`${method} ${target}`)
    }))
    t.same(odd, [])
    t.match(await ask(port, 'GET', '/metrics', `authorization: ${admin.authorization}\r\n`), /^HTTP\/1\.1 404 /, 'nor for an administrator')
    t.match(await ask(port, 'GET', '/metrics', 'x-gatehouse-listener: inside\r\nlistener: inside\r\naccept-version: inside\r\n'), /^HTTP\/1\.1 404 /, 'nor for who says that they are inside')
    const preflight = 'origin: https://app.example.com\r\naccess-control-request-method: GET\r\n'
    const status = (text: string): string | undefined => text.split('\r\n')[0]
    t.equal(status(await ask(port, 'OPTIONS', '/gate/caddy', preflight)), status(await ask(port, 'OPTIONS', '/nothing/here', preflight)))
    t.equal(app.inside.server.listening, true)
  })

  t.test('one connection\'s requests are all of the listener it came to', async (t) => {
    const both = (to: string) => raw(to, `GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)
    t.same(statuses(await both(port)), ['404', '200', '404'])
    t.same(statuses(await both(inside)), ['200', '200', '200'])
  })

  t.test('the inside listener answers the gates, metrics, health, and nothing else', async (t) => {
    for (const target of ['/gate/caddy', '/metrics', '/livez', '/readyz']) t.match(await ask(inside, 'GET', target), target === '/metrics' ? /^HTTP\/1\.1 401 / : /^HTTP\/1\.1 200 /, target)
    t.match(await raw(inside, 'GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 [^]*gatehouse_http_requests_total/)
    t.match(await raw(inside, 'HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /)
    for (const target of ['/api/v1/whoami', '/api/v1/users', '/api/whoami', '/docs', '/docs/', '/openapi.json', '/.well-known/jwks.json', '/api/v1/gate-rules', '/', '/livez/']) {
      t.match(await ask(inside, 'GET', target, `authorization: ${admin.authorization}\r\n`), /^HTTP\/1\.1 404 [^]*route\.not_found/, target)
    }
    t.match(await ask(inside, 'POST', '/api/v1/setup'), /^HTTP\/1\.1 404 /)
    t.match(await ask(inside, 'POST', '/metrics'), /^HTTP\/1\.1 405 [^]*allow: GET, HEAD/i)
  })

  t.test('it takes the headers of a client twice over, and says 431 to more', async (t) => {
    t.match(await ask(inside, 'GET', '/gate/caddy', `x-long: ${'x'.repeat(48_000)}\r\n`), /^HTTP\/1\.1 200 /)
    t.match(await ask(inside, 'GET', '/gate/caddy', `x-long: ${'x'.repeat(66_000)}\r\n`), /^HTTP\/1\.1 431 [^]*headers\.too_large/)
  })

  t.test('431 to more headers than are judged: none is left out of sight by sending many before it', async (t) => {
    const many = (count: number): string => Array.from({ length: count }, (_, at) => `a${at}:\r\n`).join('')
    for (const hidden of ['X_Auth_Subject: root', 'HTTP2-Settings: AAMAAABkAAQAAP__', 'Upgrade: h2c', 'X-Api-Key: a\r\nX-Api-Key: b', 'Host: other']) {
      t.match(await ask(inside, 'GET', '/gate/caddy', `${hidden}\r\n`), /^HTTP\/1\.1 4\d\d /, hidden)
      for (const count of [254, 999, 1_000, 2_001, 6_000]) {
        t.match(await ask(inside, 'GET', '/gate/caddy', `${many(count)}${hidden}\r\n`), /^HTTP\/1\.1 431 [^]*headers\.too_large/, `${hidden} behind ${count}`)
      }
      t.match(await ask(inside, 'GET', '/gate/caddy', `${'a:\r\n'.repeat(2_000)}${hidden}\r\n`), /^HTTP\/1\.1 431 /, `${hidden} behind one name many times`)
    }
    t.match(await ask(inside, 'GET', '/gate/caddy', many(200)), /^HTTP\/1\.1 200 /)
    const asked = await raw(inside, `GET /gate/nginx HTTP/1.1\r\nHost: a\r\n${many(1_200)}X_Auth_Subject: root\r\nConnection: close\r\n\r\n`)
    t.match(asked, /^HTTP\/1\.1 403 [^]*x-auth-status: 431/i, 'in the way nginx can pass on')
    t.match(await ask(port, 'GET', '/livez', `${many(1_500)}Host: other\r\n`), /^HTTP\/1\.1 431 /, 'on the public port, too')
  })

  t.test('nothing of it is kept by the public routes: HEAD, 405 and the inventory', async (t) => {
    t.equal(expectJson<{ code: string }>(await app.inject({ method: 'POST', url: '/metrics' }), 404).code, 'route.not_found')
    t.equal((await app.inside.inject({ method: 'POST', url: '/livez' })).statusCode, 405)
    const open = app.inventory.filter(({ url, constraints }) => /^\/(gate|metrics)/.test(url) && constraints !== app.inside.only)
    t.same(open.map(({ url }) => url), [])
  })
})

t.test('a Unix socket: who may open it may ask', async (t) => {
  const folder = emptyFolder(t)
  const path = join(folder, 'inside.sock')
  // one that a killed process has left
  spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`])
  t.ok(existsSync(path))
  const { app, as } = await startApp(t)
  const file = join(folder, 'file')
  writeFileSync(file, 'kept')
  await t.rejects(app.inside.listen({ path: file }), { code: 'EADDRINUSE' })
  t.ok(statSync(file).isFile(), 'a file that is no socket is left alone')
  await t.rejects(app.inside.listen({ path: join(folder, 'no', 'folder') }), { code: /ENOENT|EACCES/ })
  const living = createServer().listen(join(folder, 'living.sock'))
  await once(living, 'listening')
  t.teardown(() => living.close())
  await t.rejects(app.inside.listen({ path: join(folder, 'living.sock') }), { code: 'EADDRINUSE' }, 'one that somebody listens on is not taken over')
  // one that somebody listens on who stands still, with as many connections waiting as there is room for
  const full = join(folder, 'full.sock')
  const listens = `require('net').createServer().listen({ path: ${JSON.stringify(full)}, backlog: 1 }, () => console.log('listening'))`
  const still = spawn(process.execPath, ['-e', listens], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => still.kill('SIGKILL'))
  await once(still.stdout, 'data')
  still.kill('SIGSTOP')
  let refusal = ''
  while (refusal === '') {
    const waiting = connect(full)
    refusal = await new Promise<string>((resolve) => void waiting.on('connect', () => resolve('')).on('error', ({ code = '' }: NodeJS.ErrnoException) => resolve(code)))
  }
  t.equal(refusal, 'EAGAIN')
  await t.rejects(app.inside.listen({ path: full }), { code: 'EADDRINUSE' }, 'nor is one whose queue is full')
  t.ok(existsSync(full))

  t.equal(await app.inside.listen({ path }), `unix:${path}`)
  t.equal(statSync(path).mode & 0o777, 0o660)
  await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: await as.admin(), payload: { path: '/open', public: true } })

  const asking = request({ socketPath: path, path: '/gate/caddy', headers: GATE }).end()
  const [answer] = await once(asking, 'response') as [{ statusCode: number; resume: () => void }]
  answer.resume()
  t.equal(answer.statusCode, 200)
  t.match(await raw(path, 'GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /)
  t.match(await raw(path, 'GET /metrics HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 401 /, 'what a proxy has passed on is not of this machine')

  // what is asked is answered, and a connection that is kept does not hold the end up
  const kept = connect(path)
  let said = ''
  kept.setEncoding('utf8').on('data', (text: string) => (said += text))
  kept.write('GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(kept, 'data')
  const ended = once(kept, 'close')
  await app.close()
  await ended
  t.match(said, /^HTTP\/1\.1 200 /)
  t.notOk(existsSync(path))
})

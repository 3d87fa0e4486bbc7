// The address itself, and the reference at /docs: what a browser finds there.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

t.test('/ and /docs', async (t) => {
  const { app, as, clock, database } = await startApp(t)

  t.test('a browser gets a page that links to the reference, says what is to be done, and tells no secret', async (t) => {
    const { statusCode, headers, body } = await app.inject({ url: '/', headers: BROWSER })
    t.equal(statusCode, 200)
    t.match(headers['content-type'], /^text\/html/)
    t.match(body, /<!doctype html>[\s\S]*href="\/docs"[\s\S]*href="\/openapi\.json"/)
    t.match(body, /waits for its first administrator/)
    t.notMatch(body, app.setup.token())
    t.notMatch(body, /gs_|<script|src=/)
    t.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-/)
    t.notMatch(headers['content-security-policy'], /unsafe|upgrade-insecure/)
    t.equal(headers['vary'], 'accept')
  })

  t.test('a program gets the same as links, whatever it accepts', async (t) => {
    const links = { name: 'Gatehouse', api: '/api/v1', documentation: '/docs', openapi: '/openapi.json', live: '/livez', ready: '/readyz', setUp: false }
    for (const accept of [undefined, '*/*', 'application/json', 'text/html;q=0, application/json', 'text/htmlx', '']) {
      t.same(expectJson(await app.inject({ url: '/', headers: accept === undefined ? {} : { accept } }), 200), links, String(accept))
    }
    for (const path of [links.documentation, links.openapi, links.live, links.ready]) t.equal((await app.inject(path)).statusCode, 200, path)
  })

  t.test('once set up it says so; the database is asked at most once a second before, and never after', async (t) => {
    await as.adminUser()
    t.match(expectJson(await app.inject('/'), 200), { setUp: false }, 'within the second the answer stands')
    clock.advance(1_000)
    t.match(expectJson(await app.inject('/'), 200), { setUp: true })
    t.match((await app.inject({ url: '/', headers: BROWSER })).body, /is set up and running/)
    t.notMatch((await app.inject({ url: '/', headers: BROWSER })).body, /admin@example|setup:token/)
  })

  t.test('/docs loads only from its own origin, over plain http too, on any host', async (t) => {
    const { headers, body } = await app.inject({ url: '/docs', headers: { ...BROWSER, host: '192.168.1.20:3000' } })
    t.match(headers['content-type'], /^text\/html/)
    t.notMatch(headers['content-security-policy'], /upgrade-insecure-requests|https:/)
    t.equal(headers['strict-transport-security'], undefined)
    const assets = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '')
    t.ok(assets.length >= 5)
    for (const path of assets) {
      t.match(path, /^\/docs\//, `${path} names no other host`)
      t.equal((await app.inject(path)).statusCode, 200, path)
    }
    t.equal((await app.inject('/docs/json')).statusCode, 200)
  })

  t.test('404 for a file of the reference that is not there, which no other method would find', async (t) => {
    for (const path of ['/docs/static/nothing.js', '/docs/static/..%2f..%2fpackage.json']) {
      const answer = await app.inject(path)
      t.equal(expectJson<{ code: string }>(answer, 404).code, 'route.not_found', path)
      t.equal(answer.headers.allow, undefined)
    }
    t.equal((await app.inject({ method: 'DELETE', url: '/docs/static/index.css' })).statusCode, 405)
  })

  t.test('an address takes the reference, which is large, so many times a minute and no more', async (t) => {
    const ask = (url: string, remoteAddress: string) => app.inject({ url, remoteAddress })
    const text = (await app.inject('/openapi.json')).body
    t.match(JSON.parse(text), { openapi: '3.1.0' })
    const statuses = new Set<number>()
    for (let sent = 0; sent < 400 && !statuses.has(429); sent += 1) statuses.add((await ask(['/openapi.json', '/docs/json', '/docs/static/index.css', '/docs'][sent % 4] ?? '', '192.0.2.1')).statusCode)
    t.same([...statuses], [200, 429])
    for (const url of ['/openapi.json', '/docs', '/docs/yaml', '/docs/static/swagger-ui-bundle.js', '/docs/static/nothing']) {
      const answer = await ask(url, '192.0.2.1')
      t.equal(expectJson<{ code: string }>(answer, 429).code, 'rate.limited', url)
      t.ok(Number(answer.headers['retry-after']) >= 1)
    }
    t.equal((await ask('/openapi.json', '192.0.2.2')).body, text, 'another address is not held up')
    t.equal((await ask('/livez', '192.0.2.1')).statusCode, 200)
  })

  t.test('the database lost: it still answers', async (t) => {
    await database.pool.end()
    t.match(expectJson(await app.inject('/'), 200), { setUp: true })
  })
})

t.test('the database lost before anything was known: neither yes nor no', async (t) => {
  const { app, database } = await startApp(t)
  await database.pool.end()
  t.match(expectJson(await app.inject('/'), 200), { setUp: null })
  t.match((await app.inject({ url: '/', headers: BROWSER })).body, /database does not answer/)
})

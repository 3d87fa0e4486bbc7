// What an answer carries over a socket, where the program's own ServerResponse writes it, against app.inject(), where nothing but
// Fastify's plain headers does: the two must be the same.
import t from 'tap'
import { startApp } from '../support/app.js'

// those of the connection and of the moment
const OF_THE_CONNECTION = new Set(['date', 'ratelimit', 'connection', 'keep-alive', 'transfer-encoding', 'x-request-id'])

function comparable(headers: Iterable<[string, unknown]>): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !OF_THE_CONNECTION.has(name)).map(([name, value]): [string, string] => [name, String(value)]).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

t.test('answers over a socket', async (t) => {
  const { app, as } = await startApp(t)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const inside = await app.inside.listen({ host: '127.0.0.1', port: 0 })
  const admin = await as.admin()
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, headers: admin, payload })
  await post('/api/v1/gate-rules', { host: 'api.example.com', path: '/reports', permissions: ['reports:read'], limit: { quota: 100, windowSeconds: 60 } })
  const { key } = (await post('/api/v1/keys', { name: 'a key', permissions: ['reports:read'] })).json<{ key: string }>()
  const gate = { 'x-forwarded-method': 'GET', 'x-forwarded-host': 'api.example.com', 'x-forwarded-proto': 'https', 'x-forwarded-uri': '/reports', 'x-api-key': key }

  const asked: [string, Record<string, string>][] = [
    ['/livez', {}], ['/api/v1/nothing', {}], ['/api/v1/whoami', {}], ['/api/v1/whoami', { ...admin }], ['/.well-known/jwks.json', {}], ['/docs/', {}],
    ['/gate/caddy', { ...gate, 'x-api-key': 'gk_wrong' }], ['/api/v1/users?limit=0', { ...admin }],
  ]
  for (const [path, headers] of asked) {
    t.test(`${path} ${Object.keys(headers).join(' ')}`, async (t) => {
      const isInside = path.startsWith('/gate/')
      const plain = await (isInside ? app.inside : app).inject({ url: path, headers })
      const sent = await fetch((isInside ? inside : origin) + path, { headers })
      await sent.text()
      t.equal(sent.status, plain.statusCode)
      t.same(comparable(sent.headers), comparable(Object.entries(plain.headers)))
      t.ok(sent.headers.get('content-security-policy'))
      for (const id of [sent.headers.get('x-request-id'), plain.headers['x-request-id']]) t.match(id, /^[a-z0-9]+-[a-z0-9]+$/)
    })
  }

  t.test('a header that the route sets itself is sent once, as it set it', async (t) => {
    t.equal((await fetch(`${origin}/.well-known/jwks.json`)).headers.get('cache-control'), 'public, max-age=300')
    t.equal((await fetch(`${origin}/livez`)).headers.get('cache-control'), 'no-store')
  })

  t.test('the identity at a gate, whole, and what is left', async (t) => {
    const passed = await fetch(`${inside}/gate/caddy`, { headers: { ...gate, 'x-auth-subject': 'someone else' } })
    t.equal(passed.status, 200)
    t.match(Object.fromEntries(passed.headers), {
      'x-auth-type': 'key', 'x-auth-organization': '-', 'x-auth-permissions': 'reports:read', ratelimit: '"gate";r=99;t=60', 'ratelimit-policy': '"gate";q=100;w=60', 'content-length': '0',
    })
  })

  t.test('a connection that presents another credential is judged by that one', async (t) => {
    const whoami = async (headers: Record<string, string>): Promise<number> => (await fetch(`${origin}/api/v1/whoami`, { headers })).status
    t.same([await whoami({ ...admin }), await whoami({}), await whoami({ 'x-api-key': key }), await whoami({ ...admin, 'x-api-key': key }), await whoami({ ...admin })], [200, 401, 200, 400, 200])
  })

  t.test('they are counted by route and status', async (t) => {
    const { body } = await app.inside.inject('/metrics')
    t.match(body, /gatehouse_http_requests_total\{method="GET",route="\/gate\/caddy",status="200"\} 1/)
    t.match(body, /gatehouse_http_requests_total\{method="GET",route="\/livez",status="200"\} 3/)
    t.match(body, /gatehouse_http_request_seconds_count\{method="GET",route="\/livez"\} 3/)
    t.match(body, /gatehouse_http_request_seconds_bucket\{le="\+Inf",method="GET",route="\/livez"\} 3/)
  })
})

// Headers between a client, a trusted proxy and the API: the request's id, CORS with credentials, and bodies that are none.
import { request } from 'node:http'
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.js'

const ORIGIN = 'https://app.example.com'

t.test('a trusted proxy names the request; nobody else does', async (t) => {
  const { app } = await startApp(t, { config: { trustedProxies: ['10.0.0.0/8'] } })
  const idOf = async (remoteAddress: string, id: string) => (await app.inject({ url: '/livez', remoteAddress, headers: { 'x-request-id': id } })).headers['x-request-id']
  t.equal(await idOf('10.1.2.3', 'proxy-1.A_b'), 'proxy-1.A_b')
  t.not(await idOf('198.51.100.7', 'proxy-1.A_b'), 'proxy-1.A_b')
  for (const odd of ['x'.repeat(65), 'a b', 'a"b', '<script>', 'ä', '']) t.not(await idOf('10.1.2.3', odd), odd, JSON.stringify(odd))
  const refused = await app.inject({ url: '/api/v1/nothing', remoteAddress: '10.1.2.3', headers: { 'x-request-id': 'case-2' } })
  t.equal(refused.json<{ requestId: string }>().requestId, 'case-2', 'and the problem bears it')
})

t.test('CORS_CREDENTIALS lets an allowed origin use the cookie, and no other', async (t) => {
  const { app, as } = await startApp(t, { config: { corsOrigins: [ORIGIN], corsCredentials: true, publicUrl: 'https://auth.example.com' } })
  await as.adminUser()
  const sign = (origin: string) => app.inject({ method: 'POST', url: '/api/v1/auth/session', headers: { origin }, payload: { email: 'admin@example.com', password: PASSWORD } })
  const allowed = await sign(ORIGIN)
  t.match(allowed.headers, { 'access-control-allow-origin': ORIGIN, 'access-control-allow-credentials': 'true' })
  const foreign = await sign('https://evil.example')
  t.equal(foreign.headers['access-control-allow-origin'], undefined)
  t.equal(foreign.headers['access-control-allow-credentials'], undefined)
  t.equal(foreign.statusCode, 403, 'a page elsewhere signs nobody in')
  const missing = await app.inject({ url: '/api/v1/nothing', headers: { origin: ORIGIN } })
  t.match(missing.headers, { 'access-control-allow-origin': ORIGIN, vary: /origin/i }, 'on refusals, too')
})

t.test('a chunked body of no bytes is no body, on DELETE and on signing out', async (t) => {
  const { app, as } = await startApp(t)
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const member = await as.signUp()
  const { id } = (await app.inject({ method: 'POST', url: '/api/v1/keys', headers: member.headers, payload: { name: 'k' } })).json<{ id: string }>()
  const send = (method: string, path: string): Promise<number | undefined> => new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers: { ...member.headers, 'content-type': 'application/json; charset=utf-8', 'transfer-encoding': 'chunked' } }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    outgoing.on('error', reject).end()
  })
  t.equal(await send('DELETE', `/api/v1/keys/${id}`), 200)
  t.equal(await send('POST', '/api/v1/auth/logout'), 204)
})

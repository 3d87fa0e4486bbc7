// What the stores guarantee holds where the database, and the machine this process runs on, are in another time zone than UTC:
// their tests again, in New York, and a key that ends when it should. GATEHOUSE_TEST_TIME_ZONE does it to any test file.
import t from 'tap'
import { startApp } from '../support/app.js'

process.env['GATEHOUSE_TEST_TIME_ZONE'] = 'America/New_York'
process.env['TZ'] = 'America/New_York'
t.setTimeout(180_000)

t.test('a key ends at the instant it was given, and every time is answered as it was sent', async (t) => {
  const { app, clock, as } = await startApp(t)
  const headers = await as.admin()
  const expiresAt = new Date(clock.now() + 3_600_000).toISOString()
  const made = (await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name: 'an hour', expiresAt } })).json<{ id: string; key: string; expiresAt: string; createdAt: string }>()
  const verify = async (): Promise<unknown> => (await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: await as.admin(), payload: { key: made.key } })).json<{ code: string }>().code
  const read = (await app.inject({ method: 'GET', url: `/api/v1/keys/${made.id}`, headers })).json<{ expiresAt: string; createdAt: string }>()
  t.same([made.expiresAt, read.expiresAt, read.createdAt], [expiresAt, expiresAt, made.createdAt])
  t.equal(made.createdAt, new Date(clock.now()).toISOString())
  t.equal(await verify(), 'valid')
  clock.advance(3_600_001)
  const { accessToken } = (await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: 'correct horse battery staple' } })).json<{ accessToken: string }>()
  const after = await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: as.bearer(accessToken), payload: { key: made.key } })
  t.not(after.json<{ code: string }>().code, 'valid')
})

await import('./list.test.js')
await import('./node-registry.test.js')
await import('./usage-ledger.test.js')

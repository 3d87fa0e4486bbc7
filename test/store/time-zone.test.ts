// What the stores guarantee holds where the database, and the machine this process runs on, are in another time zone than UTC:
// their tests again, in New York, and a key that ends when it should. GATEHOUSE_TEST_TIME_ZONE does it to any test file.
import t from 'tap'
import { startApp } from '../support/app.js'

const ZONE = { GATEHOUSE_TEST_TIME_ZONE: 'America/New_York', TZ: 'America/New_York' }
const before = Object.keys(ZONE).map((name) => [name, process.env[name]] as const)
Object.assign(process.env, ZONE)
t.teardown(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})
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

const testOf = (globalThis as unknown as Record<symbol, Map<string, typeof t>>)[Symbol.for('gatehouse.test')] // scripts/test-lane.mjs
for (const name of ['list', 'node-registry', 'usage-ledger']) {
  t.test(`${name}, once more`, async (t) => {
    const url = new URL(`./${name}.test.ts?zone`, import.meta.url).href
    testOf?.set(url, t as typeof testOf extends Map<string, infer T> | undefined ? T : never)
    await import(url)
  })
}

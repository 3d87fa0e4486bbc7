// Two nodes on one database: what one of them takes away, the other stops accepting, with Redis and without.
import t from 'tap'
import { connectDatabase } from '../../src/database/connect.js'
import { type AppOptions, expectJson, startApp } from '../support/app.js'
import { systemClock } from '../../src/kernel/clock.js'
import { createTestDatabase } from '../support/database.js'
import { breakingWire } from '../support/database-proxy.js'
import { eventually, NO_REDIS } from '../support/redis.js'

async function twoNodes(t: Tap, options: Pick<AppOptions, 'redis' | 'config'>) {
  // real time: leases are about it
  const clock = { ...systemClock, advance: () => undefined }
  const one = await startApp(t, { ...options, clock })
  const other = await startApp(t, { ...options, clock, database: one.database, ...(one.redisUrl === null ? {} : { redis: one.redisUrl }) })
  const whoami = async (headers: Record<string, string>): Promise<number> => (await other.app.inject({ url: '/api/v1/whoami', headers })).statusCode
  return { one, other, whoami }
}
type Tap = Parameters<typeof startApp>[0]

t.test('over Redis, another node knows within moments', { skip: NO_REDIS }, async (t) => {
  const { one, other, whoami } = await twoNodes(t, { redis: true, config: { revocationLeaseMs: 60_000 } })
  // polls do not help here: the lease is a minute, and they are stopped
  await other.app.revocations.close()
  const { app, as } = one
  const admin = await as.admin()
  const key = await as.key(['a:b'])
  t.equal(await whoami(key.headers), 200)
  t.equal(other.app.decisionCache.entries(), 1)
  expectJson(await app.inject({ method: 'DELETE', url: `/api/v1/keys/${key.id}`, headers: admin }), 200)
  await eventually(async () => (await whoami(key.headers)) === 401, 5_000)

  const member = await as.signUp()
  t.equal(await whoami(member.headers), 200)
  const { data } = expectJson<{ data: { id: string }[] }>(await app.inject({ url: '/api/v1/sessions', headers: member.headers }), 200)
  const ended = await app.inject({ method: 'DELETE', url: `/api/v1/sessions/${data[0]?.id}`, headers: member.headers })
  t.same([ended.statusCode, ended.headers['effective-within-ms']], [204, '60000'])
  await eventually(async () => (await whoami(member.headers)) === 401, 5_000)
})

t.test('without a bus every kind of narrowing is known within the lease, and ?wait=true answers when it is', async (t) => {
  const { one, other, whoami } = await twoNodes(t, {})
  const { app, as, database } = one
  const admin = await as.admin()
  const send = async (method: 'DELETE' | 'PATCH', url: string, payload?: object) => {
    const response = await app.inject({ method, url: `/api/v1${url}?wait=true`, headers: { ...admin, 'if-match': '*' }, ...(payload ? { payload } : {}) })
    t.equal(response.headers['effective-within-ms'], '0', url)
    return response
  }
  const heldThere = async (headers: Record<string, string>): Promise<void> => {
    t.equal(await whoami(headers), 200)
    const before = other.app.decisionCache.hits()
    t.equal(await whoami(headers), 200)
    t.equal(other.app.decisionCache.hits(), before + 1, 'answered from memory')
  }

  t.test('a key revoked, a key narrowed', async (t) => {
    const [revoked, narrowed] = [await as.key(['a:b']), await as.key(['gatehouse:users.read'])]
    await heldThere(revoked.headers)
    t.match(expectJson(await send('DELETE', `/keys/${revoked.id}`), 200), { effectiveWithinMs: 0 })
    t.equal(await whoami(revoked.headers), 401)
    const users = async () => (await other.app.inject({ url: '/api/v1/users', headers: narrowed.headers })).statusCode
    t.equal(await users(), 200)
    await send('PATCH', `/keys/${narrowed.id}`, { permissions: [] })
    t.equal(await users(), 403)
  })

  t.test('a user suspended, a role taken away, a user deleted', async (t) => {
    const [suspended, demoted, deleted] = [await as.signUp(), await as.signUp(), await as.signUp()]
    await send('PATCH', `/users/${demoted.user.id}`, { roles: ['admin'] })
    const users = async () => (await other.app.inject({ url: '/api/v1/users', headers: demoted.headers })).statusCode
    t.equal(await users(), 200)
    for (const { headers } of [suspended, demoted, deleted]) await heldThere(headers)
    await send('PATCH', `/users/${suspended.user.id}`, { status: 'suspended' })
    t.equal(await whoami(suspended.headers), 401)
    await send('PATCH', `/users/${demoted.user.id}`, { roles: ['member'] })
    t.equal(await users(), 403)
    await send('DELETE', `/users/${deleted.user.id}`)
    t.equal(await whoami(deleted.headers), 401)
  })

  t.test('a session ended, all others ended', async (t) => {
    const first = await as.signUp()
    const login = async () => {
      const response = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: first.user.email, password: 'correct horse battery staple' } })
      return as.bearer(expectJson<{ accessToken: string }>(response, 200).accessToken)
    }
    const [second, third] = [await login(), await login()]
    for (const headers of [second, third]) await heldThere(headers)
    const current = expectJson<{ data: { id: string; current: boolean }[] }>(await app.inject({ url: '/api/v1/sessions', headers: second }), 200).data.find((one) => one.current)
    const ended = await app.inject({ method: 'DELETE', url: `/api/v1/sessions/${current?.id}?wait=true`, headers: first.headers })
    t.same([ended.statusCode, ended.headers['effective-within-ms']], [204, '0'])
    t.equal(await whoami(second), 401)
    const all = await app.inject({ method: 'DELETE', url: '/api/v1/sessions?wait=true', headers: first.headers })
    t.same([all.json(), all.headers['effective-within-ms']], [{ ended: 1 }, '0'])
    t.equal(await whoami(third), 401)
    t.equal(await whoami(first.headers), 200)
  })

  t.test('typed by hand, nobody told', async (t) => {
    const [key, member] = [await as.key(['a:b']), await as.signUp()]
    for (const { headers } of [key, member]) await heldThere(headers)
    await database.pool.query("UPDATE api_keys SET revoked_at = now() WHERE id = $1", [key.id])
    await database.pool.query('DELETE FROM users WHERE id = $1', [member.user.id])
    const from = performance.now()
    await eventually(async () => (await whoami(key.headers)) === 401 && (await whoami(member.headers)) === 401, 5_000)
    t.ok(performance.now() - from < 5_000)
  })

  t.test('the nodes\' metrics say so', async (t) => {
    const metrics = await other.app.telemetry.text()
    for (const name of ['decision_cache_entries', 'decision_cache_bytes', 'decision_cache_hits_total', 'decision_cache_misses_total', 'revocation_lease_ms', 'revocation_seq']) {
      t.ok(Number(new RegExp(`^gatehouse_${name} (\\S+)$`, 'm').exec(metrics)?.[1]) > 0, name)
    }
  })
})

t.test('while the database does not answer, nobody is let in for longer than the lease: 503 then, and all is well afterwards', async (t) => {
  const { url } = await createTestDatabase(t)
  const wire = await breakingWire(t, url)
  const database = connectDatabase({ connection: { connectionString: wire.url }, poolMax: 4, onError: () => undefined })
  t.teardown(() => database.close())
  const { app, as, clock } = await startApp(t, { database: { ...database, url: wire.url } })
  const { headers } = await as.signUp()
  const whoami = async (): Promise<number> => (await app.inject({ url: '/api/v1/whoami', headers })).statusCode
  t.equal(await whoami(), 200)
  wire.stall()
  t.equal(await whoami(), 200, 'the lease lasts')
  clock.advance(1_500)
  const [refused] = await Promise.all([1, 2, 3].map(() => app.inject({ url: '/api/v1/whoami', headers })))
  t.match(refused?.json(), { status: 503, code: 'database.unavailable' })
  t.equal(refused?.headers['retry-after'], '1')
  wire.resume()
  await eventually(async () => (await whoami()) === 200, 15_000)
})

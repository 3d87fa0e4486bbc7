// A database that takes no writes, as after a failover or on a full disk: nothing is a fault of ours, what needs no write goes
// on, and the first moment it takes writes again it is used. On a standby the lease ends: it may lag behind what was revoked.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createRevocationStore } from '../../src/revocation/revocation-store.js'
import { connectDatabase } from '../../src/database/connect.js'
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js'
import { isDatabaseUnavailable } from '../../src/database/failures.js'
import { migrate } from '../../src/database/migrate.js'
import { newId } from '../../src/kernel/ids.js'
import { expectJson, startApp } from '../support/app.js'
import { onServer } from '../support/database.js'

t.setTimeout(120_000)

t.test('a database that is set read-only', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const name = new URL(database.url).pathname.slice(1)
  const admin = await as.admin()
  const key = await as.key(['gatehouse:keys.verify'])
  const verify = async (): Promise<unknown> => (await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: key.headers, payload: { key: key.key } })).json<{ code: string }>().code
  t.equal(await verify(), 'valid')

  await onServer(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`)
  await onServer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
  // a connection that was cut is noticed at its next use
  while (!(await database.pool.query('SELECT 1').then(() => true, () => false)));

  const changes: [string, string, object | undefined][] = [
    ['POST', '/api/v1/keys', { name: 'new' }], ['PATCH', `/api/v1/keys/${key.id}`, { name: 'other' }], ['POST', `/api/v1/keys/${key.id}/rotate`, { graceSeconds: 0 }], ['DELETE', `/api/v1/keys/${key.id}`, undefined],
    ['POST', '/api/v1/users', { email: 'new@example.com' }], ['POST', '/api/v1/auth/login', { email: 'admin@example.com', password: 'correct horse battery staple' }],
  ]
  for (const [method, url, payload] of changes) {
    await t.test(`${method} ${url.split('/').slice(3).join('/')} is a 503 that may be tried again`, async (t) => {
      const response = await app.inject({ method: method as 'POST', url, headers: { ...admin, 'if-match': '*' }, ...(payload ? { payload } : {}) })
      t.match(expectJson(response, 503), { code: 'database.unavailable' })
      t.ok(Number(response.headers['retry-after']) >= 1)
    })
  }
  await t.test('/readyz says so, /livez and reads go on, and so do decisions', async (t) => {
    clock.advance(1_000)
    t.match(expectJson(await app.inject('/readyz'), 503), { status: 'failed', checks: { database: 'failed' }, reasons: { database: 'is read-only' } })
    t.equal((await app.inject('/livez')).statusCode, 200)
    t.equal((await app.inject({ url: `/api/v1/keys/${key.id}`, headers: admin })).statusCode, 200)
    t.equal(await verify(), 'valid')
  })
  await t.test('once it takes writes again, so does this node, without a restart', async (t) => {
    await onServer(`ALTER DATABASE "${name}" RESET default_transaction_read_only`)
    clock.advance(1_000)
    t.equal((await app.inject('/readyz')).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'again' } })).statusCode, 201)
  })
})

t.test('a standby: writes are refused as unavailable, the revocation log is not read from it, and its promotion is found', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  const start = () => startEmbeddedPostgres({ dataDir, log: () => undefined, settings: { fsync: 'off' } })
  const primary = await start()
  const first = connectDatabase({ connection: primary.connection, poolMax: 2, onError: () => undefined })
  await migrate(first.pool)
  await first.close()
  await primary.stop()
  writeFileSync(join(dataDir, 'postgres/standby.signal'), '')
  const standby = await start()
  const { pool, connectAlone, prisma, transact, close } = connectDatabase({ connection: standby.connection, poolMax: 2, onError: () => undefined })
  const log = createRevocationStore({ pool, connectAlone, nodeId: newId() })
  t.teardown(async () => {
    await log.close()
    await close()
    await standby.stop()
  })
  const change = { data: { description: 'x' } }
  for (const [what, work] of Object.entries({
    pg: () => pool.query("UPDATE roles SET description = 'x'"), Prisma: () => prisma.role.updateMany(change), 'a transaction': () => transact(async (tx) => tx.role.updateMany(change)),
  })) {
    const error: unknown = await work().then(() => null, (thrown: unknown) => thrown)
    t.ok(isDatabaseUnavailable(error), what)
  }
  t.equal(await prisma.role.count(), 2, 'it can be read')
  await t.rejects(log.poll(-1), { message: /standby/ })
  await pool.query('SELECT pg_promote()')
  t.equal((await log.poll(-1)).rows.length, 0)
  await t.resolves(transact(async (tx) => tx.role.updateMany(change)))
})

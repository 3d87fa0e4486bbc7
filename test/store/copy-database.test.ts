// From one database to another, as from the embedded PostgreSQL to a server of one's own: all of it or nothing, and Gatehouse goes on there.
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { copyDatabase, CopyError } from '../../src/admin/copy-database.js'
import { expectJson, PASSWORD, SECRET, startApp, testConfig } from '../support/app.js'
import { Readable } from 'node:stream'
import { runAdmin } from '../../src/admin/main.js'
import { fakeClock } from '../support/clock.js'
import { createBareDatabase, createTestDatabase } from '../support/database.js'

t.test('what was in one database is in the other, and is used there as before', async (t) => {
  const { app, as, database, clock } = await startApp(t)
  const admin = await as.adminUser()
  const key = await as.key(['reports:read'])
  await app.inject({ method: 'DELETE', url: `/api/v1/keys/${(await as.key([])).id}`, headers: admin.headers })
  const target = await createTestDatabase(t)
  const told = new Map<string, number>()
  await copyDatabase(database.pool, target.pool, (table, rows) => void told.set(table, rows))
  t.match(Object.fromEntries(told), { users: 1, api_keys: 2, signing_keys: 1 })
  for (const table of told.keys()) {
    if (table === 'nodes') continue // the running node's heartbeat goes on
    const sum = `SELECT count(*)::int AS count, coalesce(md5(string_agg(to_jsonb(t)::text, '' ORDER BY to_jsonb(t)::text)), '') AS sum FROM "${table}" AS t`
    t.same((await target.pool.query(sum)).rows, (await database.pool.query(sum)).rows, table)
  }
  const there = await buildApp({ config: testConfig(), database: target, secret: SECRET, clock })
  t.teardown(() => there.close())
  await there.ready()
  t.equal((await there.inject({ url: '/api/v1/whoami', headers: admin.headers })).statusCode, 200, 'who is signed in stays so')
  t.match(expectJson<object>(await there.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: admin.headers, payload: { key: key.key } }), 200), { valid: true, keyId: key.id })
  t.equal((await there.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD } })).statusCode, 200)
  t.ok((await there.inject({ method: 'DELETE', url: `/api/v1/keys/${key.id}`, headers: admin.headers })).statusCode < 300, 'and its triggers work again')
  const { rows: [head] } = await target.pool.query<{ seq: number }>('SELECT seq::int AS seq FROM revocation_head')
  const { rows: [headBefore] } = await database.pool.query<{ seq: number }>('SELECT seq::int AS seq FROM revocation_head')
  t.ok((head?.seq ?? 0) > (headBefore?.seq ?? 0), 'a revocation is numbered after those that were copied')

  await t.rejects(copyDatabase(database.pool, target.pool, () => undefined), new CopyError('The database to copy to has accounts already: give it an empty one'))
  const older = await createTestDatabase(t)
  await older.pool.query('DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)')
  await t.rejects(copyDatabase(database.pool, older.pool, () => undefined), /different versions/)
  const fails = await createTestDatabase(t)
  await fails.pool.query('ALTER TABLE api_keys ADD CONSTRAINT nothing_here CHECK (id IS NULL)')
  await t.rejects(copyDatabase(database.pool, fails.pool, () => undefined))
  t.same((await fails.pool.query('SELECT 1 FROM users')).rows, [], 'a copy that fails has copied nothing')
})

t.test('npm run admin: copy-database, signing-keys rotate, secret status', async (t) => {
  const { as, database } = await startApp(t, { clock: fakeClock(Date.now()) }) // the command's clock is the machine's
  await as.adminUser()
  const run = async (args: string[], input = ''): Promise<{ status: number; said: string }> => {
    let said = ''
    const note = (text: string): void => void (said += `${text}\n`)
    const status = await runAdmin(args, { DATABASE_URL: database.url, GATEHOUSE_SECRET: SECRET, BCRYPT_COST: '10' }, { out: note, err: note, input: Readable.from([input]) })
    return { status, said }
  }
  const { url } = await createBareDatabase(t)
  t.match(await run(['copy-database'], `${url}\n`), { status: 0, said: /^users: 1$/m })
  t.match(await run(['copy-database'], url), { status: 1, said: /^The database to copy to has accounts already/ })
  t.match(await run(['copy-database'], 'mysql://x'), { status: 1, said: /^stdin holds no postgres:\/\/ URL\n$/ })
  t.match(await run(['signing-keys', 'rotate']), { status: 0, said: /^Key \S+ signs from / })
  t.match(await run(['signing-keys', 'rotate']), { status: 0, said: /^A key .* waits/ })
  t.match(await run(['signing-keys', 'rotate', '--at-once']), { status: 0, said: /^Key / })
  const rotations = await database.prisma.auditEvent.findMany({ where: { action: 'signing_key.rotated' }, orderBy: { id: 'asc' } })
  t.match(rotations, [{ actorType: 'host', actorId: '', details: { atOnce: false } }, { actorType: 'host', actorId: '', details: { atOnce: true } }], 'the log says that the host did it')
  t.match(await run(['secret', 'status']), { status: 0, said: /^Signing keys: 3 under GATEHOUSE_SECRET, 0 .*\nPasswords: 1 of 1 / })
})

// DATABASE_URL's forms on real servers: sockets, several servers of which one takes writes, a schema, and TLS.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Config } from '../../src/config.js'
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js'
import { isDatabaseUnavailable } from '../../src/database/failures.js'
import { type OpenDatabase, openDatabase } from '../../src/database/open.js'
import { SECRET, testConfig } from '../support/app.js'
import { createBareDatabase } from '../support/database.js'
import { NO_PGBOUNCER, pgBouncer } from '../support/pgbouncer.js'
import { eventually } from '../support/redis.js'

t.setTimeout(120_000)

async function open(t: Test, databaseUrl: string, more: Partial<Config> = {}): Promise<OpenDatabase> {
  const opened = await openDatabase(testConfig({ databaseUrl, secret: SECRET, ...more }), () => undefined)
  t.teardown(opened.close)
  return opened
}

/** A folder of this test alone whose path is short enough for a socket. */
function shortFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'gh-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('of several servers, by their sockets, the one that takes writes is used, and after a change of roles the other', async (t) => {
  const servers = await Promise.all([0, 1].map(async () => {
    const server = await startEmbeddedPostgres({ dataDir: shortFolder(t), log: () => undefined, settings: { fsync: 'off' } })
    t.teardown(() => server.stop())
    return server
  }))
  const folders = servers.map(({ connection }) => String(connection.host))
  const on = async (at: number, ...statements: string[]): Promise<void> => {
    const client = new pg.Client(servers[at]?.connection)
    await client.connect()
    await client.query('SET default_transaction_read_only = off')
    for (const statement of statements) await client.query(statement)
    await client.end()
  }
  const readOnly = 'ALTER DATABASE postgres SET default_transaction_read_only = on'
  await on(0, readOnly)
  const url = `postgresql:///postgres?user=${String(servers[0]?.connection.user)}&host=${folders.join(',')}&target_session_attrs=read-write`
  const { database: { pool }, description } = await open(t, url)
  t.match(description, `${folders.join(',')}/postgres`)
  const folderInUse = async (): Promise<unknown> => (await pool.query<{ folder: string }>("SELECT current_setting('unix_socket_directories') AS folder")).rows[0]?.folder.replaceAll('"', '')
  t.equal(await folderInUse(), folders[1])

  await on(0, 'ALTER DATABASE postgres RESET default_transaction_read_only')
  await on(1, readOnly, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()')
  await eventually(async () => {
    try {
      return await folderInUse() === folders[0]
    } catch (error) {
      if (!isDatabaseUnavailable(error)) t.fail('anything but the database being away', { error })
      return false
    }
  }, 10_000)
  await on(0, readOnly)
  await t.rejects(open(t, url), { message: 'DATABASE_URL cannot be used: none of its servers takes writes' })
})

t.test('everything is in the schema that is named', async (t) => {
  const { name, url } = await createBareDatabase(t)
  const named = new URL(url)
  named.searchParams.set('schema', 'gate_1')
  await t.rejects(open(t, named.href), { message: 'DATABASE_URL cannot be used: there is no schema gate_1 where tables are looked for: CREATE SCHEMA "gate_1"' })
  const plain = new pg.Pool({ connectionString: url, max: 1 })
  plain.on('error', () => undefined)
  t.teardown(() => plain.end())
  await plain.query('CREATE SCHEMA gate_1')
  const { database } = await open(t, named.href)
  t.equal(await database.prisma.role.count(), 2)
  t.equal((await database.pool.query('SELECT name FROM roles')).rowCount, 2)
  t.same((await plain.query("SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace")).rows, [{ n: 0 }], `nothing of ${name} is elsewhere`)
})

t.test('TLS', { skip: NO_PGBOUNCER }, async (t) => {
  const { url } = await createBareDatabase(t)
  const folder = shortFolder(t)
  const [cert, key, other] = [join(folder, 'cert.pem'), join(folder, 'key.pem'), join(folder, 'other.pem')]
  for (const [name, out] of [['db.example', cert], ['other.example', other]] as const) {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', out === cert ? key : join(folder, 'x.pem'), '-out', out], { stdio: 'ignore' })
  }
  for (const [path, mode] of [[folder, 0o755], [key, 0o644]] as const) chmodSync(path, mode)
  const [encrypted, clear] = [await pgBouncer(t, url, { mode: 'session', poolSize: 8, tls: { cert, key } }), await pgBouncer(t, url, { mode: 'session', poolSize: 8 })]
  /** Whether what was opened is encrypted; the message when it is refused. */
  const tried = async (through: string, query: Record<string, string>): Promise<unknown> => {
    const target = new URL(through)
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value)
    try {
      const { database, close } = await openDatabase(testConfig({ databaseUrl: target.href, secret: SECRET }), () => undefined)
      const client = await database.connectAlone('test', 2_000)
      const isEncrypted = 'encrypted' in client.connection.stream
      client.connection.stream.destroy()
      await close()
      return isEncrypted
    } catch (error) {
      return error instanceof Error ? error.message : error
    }
  }
  t.equal(await tried(encrypted.url, { sslmode: 'disable' }), false)
  t.equal(await tried(encrypted.url, { sslmode: 'prefer' }), true)
  t.equal(await tried(clear.url, { sslmode: 'prefer' }), false, 'in the clear where there is no TLS')
  t.equal(await tried(encrypted.url, { sslmode: 'require' }), true, 'whoever has signed it')
  t.match(await tried(clear.url, { sslmode: 'require' }), /^DATABASE_URL cannot be used: The server does not support SSL/)
  t.equal(await tried(encrypted.url, { sslmode: 'verify-ca', sslrootcert: cert }), true, 'whatever its name is')
  t.match(await tried(encrypted.url, { sslmode: 'verify-ca', sslrootcert: other }), /^DATABASE_URL cannot be used: .*self-signed/)
  t.match(await tried(encrypted.url, { sslmode: 'verify-full', sslrootcert: cert }), /^DATABASE_URL cannot be used: .*IP|altnames/)
})

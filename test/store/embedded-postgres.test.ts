// The embedded PostgreSQL on real folders: who owns it, what survives, and what an operator reads when it cannot start.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { findBinaries, linkLibraries } from '../../src/database/embedded-postgres-binaries.js'
import { DataFolderInUse, EmbeddedPostgresError } from '../../src/database/embedded-postgres-error.js'
import { clearStalePid, readPostmaster, reasonOf, spawnServer } from '../../src/database/embedded-postgres-process.js'
import { chooseRunAs } from '../../src/database/embedded-postgres-user.js'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.js'
import { embeddedSecret } from '../../src/database/embedded-secret.js'

const isRoot = process.getuid?.() === 0
// waiting for the disk proves nothing here
const settings = { fsync: 'off' }

// most tests share one folder, each with a server of its own: making a cluster costs more than all they do with it
const shared = freshFolder(t, 'not/there')

function freshFolder(t: Test, name = 'data'): string {
  const base = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  return join(base, name)
}

async function start(t: Test, dataDir: string, said: string[] = []): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, log: (line) => said.push(line), settings })
  t.teardown(() => server.stop())
  return server
}

async function ask(server: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const client = new pg.Client(server.connection)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

async function refusalOf(work: Promise<unknown> | (() => unknown)): Promise<EmbeddedPostgresError> {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) return error
    throw error
  }
  throw new Error('it was not refused')
}

t.test('a folder that is not there yet gets a server, and keeps its data over a restart', async (t) => {
  const dataDir = shared
  const first = await start(t, dataDir)
  t.equal(first.adopted, false)
  t.equal(statSync(dataDir).mode & 0o777, 0o700)
  t.same(await ask(first, 'SHOW listen_addresses'), [{ listen_addresses: '' }], 'no port is opened')
  t.same(await ask(first, 'SHOW synchronous_commit'), [{ synchronous_commit: 'on' }])
  await ask(first, 'CREATE TABLE kept AS SELECT 1 AS n')
  await first.stop()
  await first.stop()
  t.notOk(existsSync(join(dataDir, 'postgres/postmaster.pid')))
  const second = await start(t, dataDir)
  t.equal(second.adopted, false)
  t.same(await ask(second, 'SELECT n FROM kept'), [{ n: 1 }])
})

t.test('a second owner is refused in one line, and the first goes on', async (t) => {
  const dataDir = shared
  const first = await start(t, dataDir)
  const refusal = await refusalOf(startEmbeddedPostgres({ dataDir, log: () => {}, settings }))
  t.ok(refusal instanceof DataFolderInUse)
  t.match(refusal.exitLine, /^Another Gatehouse is running on .*there: /)
  t.notMatch(refusal.exitLine, /\n/)
  t.same(await ask(first, 'SELECT 1 AS n'), [{ n: 1 }])
})

t.test('of two starts at once on an empty folder one owns it', async (t) => {
  const dataDir = freshFolder(t)
  const outcomes = await Promise.allSettled([start(t, dataDir), start(t, dataDir)])
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  const [lost] = outcomes.filter((outcome) => outcome.status === 'rejected')
  t.ok(lost?.reason instanceof DataFolderInUse)
})

t.test('a server without an owner is taken over; with other settings it is started anew', async (t) => {
  const dataDir = shared
  const cluster = join(dataDir, 'postgres')
  const binaries = findBinaries()
  const runAs = chooseRunAs(binaries.postgres, dataDir, cluster)
  const orphan = (more: Record<string, string> = {}): void => {
    spawnServer({ cluster, socketFolder: cluster, logFile: join(dataDir, 'postgres.log'), binaries, runAs, settings: { ...settings, ...more } })
  }
  orphan()
  await t.resolves(untilConnected(cluster))
  const pid = readPostmaster(cluster)?.pid
  const second = await start(t, dataDir)
  t.equal(second.adopted, true)
  t.equal(readPostmaster(cluster)?.pid, pid)
  t.same(await ask(second, 'SELECT n FROM kept'), [{ n: 1 }])
  await second.stop()

  orphan({ max_connections: '30' })
  await t.resolves(untilConnected(cluster))
  const third = await startEmbeddedPostgres({ dataDir, log: () => {}, settings: { ...settings, max_connections: '120' } })
  t.teardown(() => third.stop())
  t.equal(third.adopted, false)
  t.same(await ask(third, 'SHOW max_connections'), [{ max_connections: '120' }])
})

async function untilConnected(socketFolder: string): Promise<void> {
  const client = new pg.Client({ host: socketFolder, port: 5432, user: 'gatehouse', database: 'postgres' })
  try {
    await client.connect()
    await client.end()
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 20))
    await untilConnected(socketFolder)
  }
}

t.test('a server that dies is started again for the same socket', async (t) => {
  const dataDir = shared
  const said: string[] = []
  const server = await start(t, dataDir, said)
  const pid = readPostmaster(join(dataDir, 'postgres'))?.pid ?? 0
  process.kill(pid, 'SIGKILL')
  await untilConnected(join(dataDir, 'postgres'))
  t.same(await ask(server, 'SELECT n FROM kept'), [{ n: 1 }])
  t.not(readPostmaster(join(dataDir, 'postgres'))?.pid, pid)
  t.match(said[0], /broke off/)
})

t.test('a path too long for a socket gets a short 0700 folder, gone after the stop', async (t) => {
  const server = await start(t, freshFolder(t, 'x'.repeat(100)))
  const folder = String(server.connection.host)
  t.ok(folder.length < 80)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.same(await ask(server, 'SELECT 1 AS n'), [{ n: 1 }])
  await server.stop()
  t.notOk(existsSync(folder))
})

/** Puts programs that fail before the real ones of these names; undone when `t` ends. */
function withFailing(t: Test, ...names: string[]): void {
  const path = process.env['PATH'] ?? ''
  const tools = t.testdir(Object.fromEntries(names.map((name) => [name, '#!/bin/sh\nexit 1\n'])))
  for (const name of names) chmodSync(join(tools, name), 0o755)
  t.teardown(() => (process.env['PATH'] = path))
  process.env['PATH'] = `${tools}:${path}`
}

t.test('a TMPDIR that is too long, or not there, is not what decides', async (t) => {
  const before = process.env['TMPDIR']
  t.teardown(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  const dataDir = freshFolder(t, 'x'.repeat(100))
  for (const folder of [join(t.testdir(), 'y'.repeat(100)), '/not/there']) {
    process.env['TMPDIR'] = folder
    const server = await start(t, dataDir)
    t.same(await ask(server, 'SELECT 1 AS n'), [{ n: 1 }])
    await server.stop()
  }
})

t.test('a data folder may have any name that a path may have', async (t) => {
  const server = await start(t, freshFolder(t, 'a $HOME `x` "q" \'s\', \\ %40 \u00e9 #?'))
  t.same(await ask(server, 'SELECT 1 AS n'), [{ n: 1 }])
})

t.test('the making of a cluster can be called off, and leaves nothing', async (t) => {
  const dataDir = freshFolder(t)
  for (const afterMs of [0, 150, 400]) {
    const callOff = new AbortController()
    if (afterMs === 0) callOff.abort()
    else setTimeout(() => callOff.abort(), afterMs)
    const { signal } = callOff
    t.match((await refusalOf(startEmbeddedPostgres({ dataDir, log: () => {}, settings, signal }))).exitLine, /^The start was called off$/)
    t.same(readdirSync(dataDir), [])
  }
  t.same(await ask(await start(t, dataDir), 'SELECT 1 AS n'), [{ n: 1 }], 'and the next start works')
})

t.test('as a user without a name it runs, or says in one line what to do', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const dataDir = freshFolder(t)
  mkdirSync(dataDir)
  for (const folder of [dataDir, dirname(dataDir)]) chownSync(folder, 12_345, 12_345)
  const program = `import { startEmbeddedPostgres } from ${JSON.stringify(join(import.meta.dirname, '../../src/database/embedded-postgres.ts'))}
    await startEmbeddedPostgres({ dataDir: process.argv[1], log() {}, settings: { fsync: 'off' } }).then((server) => server.stop().then(() => console.log('ran')), (error) => console.log(error.exitLine))`
  const run = (env: NodeJS.ProcessEnv): string => spawnSync('setpriv', ['--reuid', '12345', '--regid', '12345', '--clear-groups', process.execPath, '--import', 'tsx', '--input-type=module', '-e', program, dataDir],
    { encoding: 'utf8', env: { PATH: process.env['PATH'], ...env }, cwd: join(import.meta.dirname, '../..') }).stdout
  const tools = t.testdir({ unshare: '#!/bin/sh\nexit 1\n' })
  chmodSync(join(tools, 'unshare'), 0o755)
  t.match(run({ PATH: `${tools}:${process.env['PATH'] ?? ''}` }), /^PostgreSQL needs a name for uid 12345, .*: add the entry, .*\n$/)
  t.equal(run({}), 'ran\n')
  t.equal(run({}), 'ran\n', 'a second time, too')
})

t.test('as root without user namespaces another user runs it, and the data keeps that owner', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const dataDir = freshFolder(t)
  await t.test('refused', async (t) => {
    withFailing(t, 'unshare')
    const server = await start(t, dataDir)
    t.equal(statSync(join(dataDir, 'postgres')).uid, 65534)
    t.same(await ask(server, 'SELECT 1 AS n'), [{ n: 1 }])
  })
  await t.test('allowed again', async (t) => {
    const server = await start(t, dataDir)
    t.same(await ask(server, 'SELECT 1 AS n'), [{ n: 1 }])
    t.equal(statSync(join(dataDir, 'postgres')).uid, 65534)
  })
})

t.test('as root with no way to run it, below a 0700 folder, it says so', { skip: isRoot ? false : 'needs root' }, async (t) => {
  withFailing(t, 'unshare', 'setpriv')
  const dataDir = freshFolder(t)
  t.match((await refusalOf(startEmbeddedPostgres({ dataDir, log: () => {} }))).exitLine, /^PostgreSQL does not run as root, and uid 65534 cannot be made to reach /)
})

t.test('a process id that now belongs to something else does not stop a start', async (t) => {
  const dataDir = shared
  await (await start(t, dataDir)).stop()
  const cluster = join(dataDir, 'postgres')
  const file = join(cluster, 'postmaster.pid')
  writeFileSync(file, [process.pid, cluster, 1, 5432, cluster, '', ''].join('\n'))
  clearStalePid(cluster)
  t.ok(existsSync(file), 'a young file may be of one that starts just now')
  utimesSync(file, 1, 1)
  t.same(await ask(await start(t, dataDir), 'SELECT 1 AS n'), [{ n: 1 }])
})

t.test('what cannot start says why in one line', async (t) => {
  const file = join(t.testdir({ file: '' }), 'file')
  t.match((await refusalOf(startEmbeddedPostgres({ dataDir: join(file, 'data'), log: () => {} }))).exitLine, /^GATEHOUSE_DATA_DIR cannot be used: ENOTDIR/)

  const version = join(shared, 'postgres/PG_VERSION')
  const real = readFileSync(version)
  t.teardown(() => writeFileSync(version, real))
  writeFileSync(version, '12\n')
  const refusal = await refusalOf(startEmbeddedPostgres({ dataDir: shared, log: () => {} }))
  t.match(refusal.exitLine, /^PostgreSQL did not start: .*version 12/)
  t.notMatch(refusal.exitLine, /\n/)
})

t.test('the reason is what PostgreSQL called fatal, else its last word', async (t) => {
  t.equal(reasonOf('2026-01-01 00:00:00.000 UTC [1] LOG:  starting\n2026-01-01 00:00:00.000 UTC [1] FATAL:  no room\n2026-01-01 00:00:00.000 UTC [1] HINT:  make some\n'), 'no room; make some')
  t.equal(reasonOf('postgres: error while loading shared libraries: libx.so\n'), 'postgres: error while loading shared libraries: libx.so')
  t.equal(reasonOf(''), 'it ended without a word')
})

t.test('library links that a blocked install script left out are made', async (t) => {
  const folder = t.testdir({
    native: {
      lib: { 'libx.so.6.18': 'library', present: '' },
      'pg-symlinks.json': JSON.stringify(['libx.so', 'libx.so.6', 'present'].map((name) => ({ source: 'native/lib/libx.so.6.18', target: `native/lib/${name}` }))),
    },
  })
  linkLibraries(folder)
  t.equal(readFileSync(join(folder, 'native/lib/libx.so'), 'utf8'), 'library')
  t.equal(readFileSync(join(folder, 'native/lib/libx.so.6'), 'utf8'), 'library')
  t.equal(readFileSync(join(folder, 'native/lib/present'), 'utf8'), '', 'what is there stays')
  t.doesNotThrow(() => linkLibraries(t.testdirName), 'a second time nothing is left to do')
})

t.test('the secret is made once, for its owner only', async (t) => {
  const dataDir = freshFolder(t)
  const secret = embeddedSecret(dataDir)
  t.ok(secret.length >= 64)
  t.equal(statSync(join(dataDir, 'secret')).mode & 0o777, 0o600)
  t.equal(embeddedSecret(dataDir), secret)
  t.not(embeddedSecret(freshFolder(t)), secret)
})

t.test('a secret that is lost or damaged is never replaced in silence', async (t) => {
  const dataDir = freshFolder(t)
  mkdirSync(join(dataDir, 'postgres'), { recursive: true })
  t.match((await refusalOf(() => embeddedSecret(dataDir))).exitLine, /^GATEHOUSE_SECRET is not set and .*secret, .* is missing/)
  t.notOk(existsSync(join(dataDir, 'secret')))
  writeFileSync(join(dataDir, 'secret'), 'short')
  t.match((await refusalOf(() => embeddedSecret(dataDir))).exitLine, /is damaged/)
  const loop = join(t.testdir(), 'loop')
  symlinkSync(loop, loop)
  t.match((await refusalOf(() => embeddedSecret(loop))).exitLine, /^GATEHOUSE_DATA_DIR cannot be used: /)
})

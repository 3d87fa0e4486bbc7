// The built program from the outside: how it starts, what it says, how it ends, and what a kill -9 costs.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createBareDatabase, fromSetUp, onServer } from '../support/database.js'
import { build, emptyFolder, launch, type Program } from '../support/program.js'

const PASSWORD = 'correct horse battery staple'
const SECRET = 'a secret of the tests, 32 characters or more'

// a build on a busy machine takes its time, and each test starts real processes
t.setTimeout(240_000)
build()
// tests that need no empty database share this folder: making a cluster takes longer than most of them
const shared = emptyFolder(t)
const postmasterFile = join(shared, 'data/postgres/postmaster.pid')

interface TokenPair {
  accessToken: string
}

async function post(origin: string, path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${origin}/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

interface LogLine {
  level: number
  msg: string
  [field: string]: unknown
}

/** What was printed, each line of it. Throws when one is no JSON. */
function linesOf(program: Program): LogLine[] {
  return program.out().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as LogLine)
}

/** The set-up as it was told: where to post and what. */
function setUpCommand(program: Program): { post: string; body: Record<string, string> } {
  return linesOf(program).find(({ setup }) => setup !== undefined)?.['setup'] as { post: string; body: Record<string, string> }
}

/** A request whose body is announced and not yet sent. */
async function openRequest(origin: string): Promise<{ finish: () => void; answer: Promise<string> }> {
  const body = JSON.stringify({ email: 'nobody@example.com', password: PASSWORD })
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`)
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => (text += part))
  socket.on('error', () => undefined)
  const answer = once(socket, 'close').then(() => text)
  // "100 Continue" says that the server has the head and waits for the body
  while (!text.includes('100 Continue')) await delay(5)
  return { finish: () => void socket.write(body), answer }
}

async function refusesConnections(origin: string): Promise<void> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  const outcome = await new Promise<string>((resolve) => {
    socket.once('connect', () => resolve('connected')).once('error', () => resolve('refused'))
  })
  socket.destroy()
  if (outcome === 'connected') await delay(10).then(() => refusesConnections(origin))
}

t.test('on an empty folder it starts, says in one JSON line how to set it up, which works once, and SIGTERM ends it with 0', async (t) => {
  const program = launch(t, shared)
  const origin = await program.listening
  t.match(linesOf(program), [{
    level: 30, msg: 'Gatehouse listens', version: /^\d+\.\d+\.\d+$/, url: /^http:\/\/localhost:\d+$/, docs: /^http:\/\/localhost:\d+\/docs$/,
    database: /^PostgreSQL 18\.\d+, embedded in .*data$/, store: /^in this process/,
  }])
  const { post: url, body } = setUpCommand(program)
  t.equal(url, `${origin}/api/v1/setup`)
  t.equal((await post(origin, '/setup', body)).status, 201)
  t.equal((await post(origin, '/setup', body)).status, 409)
  writeFileSync(join(shared, 'admin.json'), JSON.stringify(body))
  program.child.kill('SIGTERM')
  t.same(await program.exit, { code: 0, signal: null })
  t.notOk(existsSync(postmasterFile), 'its PostgreSQL is down')
  t.equal(program.err(), '')
})

t.test('a second start says nothing of set-up, and a second program on the folder is refused in one line', async (t) => {
  const cluster = { GATEHOUSE_PORT: 'tcp://10.0.0.1:3000', GATEHOUSE_SERVICE_HOST: '10.0.0.1', GATEHOUSE_PORT_3000_TCP: 'tcp://10.0.0.1:3000' } // a Kubernetes service called gatehouse
  const first = launch(t, shared, cluster)
  await first.listening
  t.equal(first.err(), '')
  t.notMatch(first.out(), /setup/)
  const second = launch(t, shared)
  t.same(await second.exit, { code: 1, signal: null })
  t.match(second.err(), /^Another Gatehouse is running on .+\n$/)
  t.equal(second.err().split('\n').length, 2)
  t.equal(second.out(), '')
  t.equal((await fetch(`${await first.listening}/livez`)).status, 200, 'the first goes on')
})

t.test('a stop lets a request in flight finish, cuts one that never does, and takes under 10 s', async (t) => {
  const program = launch(t, shared)
  const origin = await program.listening
  const [finished, stuck] = await Promise.all([openRequest(origin), openRequest(origin)])
  const askedMs = performance.now()
  program.child.kill('SIGINT')
  await refusesConnections(origin)
  program.child.kill('SIGINT') // npm repeats a Ctrl-C that the terminal has delivered already
  finished.finish()
  t.match(await finished.answer, /HTTP\/1\.1 401 .*credentials\.invalid/s)
  t.notMatch(await stuck.answer, /HTTP\/1\.1 [2345]/)
  t.same(await program.exit, { code: 0, signal: null })
  t.ok(performance.now() - askedMs < 10_000)
})

t.test('kill -9 loses no acknowledged write, and the next start takes over the database left running', async (t) => {
  const first = launch(t, shared, { SIGN_UP: 'open' })
  const origin = await first.listening
  const pid = readFileSync(postmasterFile, 'utf8').split('\n')[0]
  const acknowledged: string[] = []
  const signUp = async (worker: number, count: number): Promise<void> => {
    const email = `w${worker}-${count}@example.com`
    const { status } = await post(origin, '/auth/signup', { email, password: PASSWORD })
    if (status === 201) acknowledged.push(email)
    if (acknowledged.length >= 12) first.child.kill('SIGKILL')
    else await signUp(worker, count + 1)
  }
  await Promise.allSettled([1, 2, 3, 4].map((worker) => signUp(worker, 1)))
  t.same(await first.exit, { code: null, signal: 'SIGKILL' })
  t.ok(acknowledged.length >= 12)

  const second = launch(t, shared)
  const next = await second.listening
  t.equal(readFileSync(postmasterFile, 'utf8').split('\n')[0], pid, 'the same server goes on')
  const { email, password } = JSON.parse(readFileSync(join(shared, 'admin.json'), 'utf8')) as Record<string, string>
  const { accessToken } = (await post(next, '/auth/login', { email, password })).body as TokenPair
  const response = await fetch(`${next}/api/v1/users?limit=200`, { headers: { authorization: `Bearer ${accessToken}` } })
  const { data } = await response.json() as { data: { email: string }[] }
  const kept = new Set(data.map((user) => user.email))
  t.same(acknowledged.filter((one) => !kept.has(one)), [])
  second.child.kill('SIGTERM')
  t.same(await second.exit, { code: 0, signal: null })
  t.notOk(existsSync(postmasterFile), 'the adopted server is stopped too')
})

t.test('a signal during the start ends it with 0 and leaves nothing running', async (t) => {
  const program = launch(t, shared)
  while (!existsSync(postmasterFile)) await delay(2)
  program.child.kill('SIGTERM')
  t.same(await program.exit, { code: 0, signal: null })
  t.notOk(existsSync(postmasterFile))
})

t.test('a signal while the database is made for the first time ends it with 0 and leaves nothing of it', async (t) => {
  const folder = emptyFolder(t)
  const dataDir = join(folder, 'data')
  const program = launch(t, folder)
  while (!existsSync(dataDir) || !readdirSync(dataDir).some((name) => name.startsWith('postgres.new-'))) await delay(2)
  program.child.kill('SIGTERM')
  t.same(await program.exit, { code: 0, signal: null })
  t.same(readdirSync(dataDir), ['secret'])
  t.equal(program.err(), '')
})

t.test('a database that cannot serve is refused in one line', async (t) => {
  const { name, url } = await createBareDatabase(t)
  const start = async (): Promise<string> => {
    const program = launch(t, emptyFolder(t), { DATABASE_URL: url, GATEHOUSE_SECRET: SECRET })
    t.same(await program.exit, { code: 1, signal: null })
    return program.err()
  }
  await onServer(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`)
  t.match(await start(), /^DATABASE_URL cannot be used: it is read-only \(default_transaction_read_only\)\n$/)
  for (const encoding of ['LATIN1', 'SQL_ASCII']) {
    await onServer(`DROP DATABASE "${name}"`)
    await onServer(`CREATE DATABASE "${name}" ENCODING '${encoding}' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0`)
    t.match(await start(), new RegExp(`^DATABASE_URL cannot be used: the database's encoding is ${encoding}: .*\\n$`))
  }
})

t.test('bad values stop the start with one line each, from .env too, and nothing else', async (t) => {
  const folder = emptyFolder(t)
  writeFileSync(join(folder, '.env'), 'LOG_LEVEL=loud\nACCESS_TOKEN_SECONDS=ten\n')
  const program = launch(t, folder, { PORT: '70000', LOG_LEVEL: 'info', DATABASE_URL: 'postgres://localhost/x', GATEHOUSE_DATADIR: 'typo' })
  t.same(await program.exit, { code: 1, signal: null })
  t.equal(program.out(), '')
  const lines = program.err().trimEnd().split('\n')
  t.same(new Set(lines.map((line) => line.split(' ')[0])), new Set(['ACCESS_TOKEN_SECONDS', 'GATEHOUSE_DATADIR', 'GATEHOUSE_SECRET', 'PORT']), 'the environment goes before .env')
  t.notOk(existsSync(join(folder, 'data')))
})

t.test('a port in use stops the start with one line, and its PostgreSQL too', async (t) => {
  const squatter = createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  t.teardown(() => squatter.close())
  const { port } = squatter.address() as AddressInfo
  const program = launch(t, shared, { PORT: String(port) })
  t.same(await program.exit, { code: 1, signal: null })
  t.equal(program.err(), `PORT ${port} is in use on 127.0.0.1\n`)
  t.notOk(existsSync(postmasterFile))
})

t.test('on DATABASE_URL it runs beside others, with the administrator of the environment', async (t) => {
  const { url } = await createBareDatabase(t)
  const variables = { DATABASE_URL: url, GATEHOUSE_SECRET: SECRET, GATEHOUSE_ADMIN_EMAIL: 'root@example.com', GATEHOUSE_ADMIN_PASSWORD: PASSWORD }
  const folder = emptyFolder(t)
  const nodes = [launch(t, folder, variables), launch(t, folder, variables)] as const
  const origins = await Promise.all(nodes.map((node) => node.listening))
  t.match(linesOf(nodes[0]), [{ database: new RegExp(`^PostgreSQL [\\d.]+, \\S*${new URL(url).pathname}$`) }])
  t.notMatch(nodes[0].out(), /setup/)
  const answers = await Promise.all(origins.map((origin) => post(origin, '/auth/login', { email: 'root@example.com', password: PASSWORD })))
  t.same(answers.map(({ status }) => status), [200, 200])
  t.notOk(existsSync(join(folder, 'data')), 'no folder is made')
})

t.test('a DATABASE_URL that cannot be used stops the start with one line without its password', async (t) => {
  const url = new URL(fromSetUp('GATEHOUSE_TEST_DATABASE_URL'))
  url.pathname = '/gatehouse_no_such_database'
  url.password = 'hunter2hunter2'
  const program = launch(t, emptyFolder(t), { DATABASE_URL: url.href, GATEHOUSE_SECRET: SECRET })
  t.same(await program.exit, { code: 1, signal: null })
  t.match(program.err(), /^DATABASE_URL cannot be used: .*gatehouse_no_such_database.*\n$/)
  t.notMatch(program.err(), /hunter2/)
})

t.test('an administrator password that is easy to guess stops the start with one line', async (t) => {
  const { url } = await createBareDatabase(t)
  const program = launch(t, emptyFolder(t), { DATABASE_URL: url, GATEHOUSE_SECRET: SECRET, GATEHOUSE_ADMIN_EMAIL: 'root@example.com', GATEHOUSE_ADMIN_PASSWORD: 'short' })
  t.same(await program.exit, { code: 1, signal: null })
  t.match(program.err(), /^GATEHOUSE_ADMIN_PASSWORD .+\n$/)
})

// npm run admin: the way back in from the host, beside a running Gatehouse, with none running, and on a database of its own.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { runAdmin } from '../../src/admin/main.js'
import { createBareDatabase } from '../support/database.js'
import { expectJson, PASSWORD, SECRET, startApp } from '../support/app.js'
import { build, emptyFolder, launch } from '../support/program.js'

const ROOT = join(import.meta.dirname, '../..')
const BUSY = { timeout: 240_000 }

interface Outcome {
  status: number
  out: string
  err: string
}

async function admin(args: string[], variables: Record<string, string>, input = ''): Promise<Outcome> {
  const said = { out: '', err: '' }
  const status = await runAdmin(args, { BCRYPT_COST: '10', ...variables }, {
    out: (text) => (said.out += `${text}\n`), err: (text) => (said.err += `${text}\n`), input: Readable.from([input]),
  })
  return { status, ...said }
}

t.test('what cannot be done is one line: no such command, nothing installed, a bad variable, a database that is not there', async (t) => {
  const empty = join(emptyFolder(t), 'data')
  const { url } = await createBareDatabase(t)
  const table: [string[], Record<string, string>, RegExp][] = [
    [['open-sesame'], {}, /unknown command/],
    [['create'], {}, /missing required argument/],
    [['create', 'a@example.com'], { GATEHOUSE_DATA_DIR: empty }, /holds no installation yet: run npm start first/],
    [['create', 'a@example.com'], { GATEHOUSE_DATA_DIR: empty, BCRYPT_COST: '99' }, /^BCRYPT_COST must be/],
    [['create', 'a@example.com'], { DATABASE_URL: 'postgres://root:hunter2hunter2@127.0.0.1:1/x', GATEHOUSE_SECRET: SECRET }, /^DATABASE_URL cannot be used: .*ECONNREFUSED/],
    [['create', 'a@example.com'], { DATABASE_URL: url, GATEHOUSE_SECRET: SECRET }, /not that of this version yet: run npm start once/],
  ]
  for (const [args, variables, line] of table) {
    const { status, out, err } = await admin(args, variables)
    t.equal(status, 1)
    t.equal(out, '')
    t.match(err, line)
    t.match(err, /^[^\n]+\n$/, err)
    t.notMatch(err, 'hunter2')
  }
  t.notOk(existsSync(empty), 'and nothing was made')
})

t.test('beside a running Gatehouse, on DATABASE_URL', BUSY, async (t) => {
  const { app, as, database, clock } = await startApp(t)
  const variables = { DATABASE_URL: database.url, GATEHOUSE_SECRET: SECRET }
  const email = 'root@example.com'
  const logIn = (who: string, password: string) => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: who, password } })
  const headersOf = async (who: string, password: string) => as.bearer(expectJson<{ accessToken: string }>(await logIn(who, password), 200).accessToken)
  let password = ''

  await t.test('create opens an administrator, prints the password alone on stdout, and is the set-up', async (t) => {
    const { status, out, err } = await admin(['create', ' Root@example.com'], variables)
    t.equal(status, 0, err)
    t.match(out, /^\w{20}\n$/)
    password = out.trim()
    t.notMatch(err, password)
    t.match((await logIn(email, password)).json(), { user: { email, roles: ['admin'] } })
    t.equal(await app.setup.isDone(), true)
    const events = await database.prisma.auditEvent.findMany({ where: { actorType: 'host' }, orderBy: { id: 'asc' } })
    t.same(events.map(({ action, actorId }) => [action, actorId]), [['user.created', ''], ['installation.set_up', '']])
    t.notMatch(JSON.stringify(events), password)
  })

  await t.test('a taken or odd address, a weak or no password, a service and nobody change nothing', async (t) => {
    const made = await app.inject({ method: 'POST', url: '/api/v1/users', headers: await headersOf(email, password), payload: { email: 'robot@example.com' } })
    await database.prisma.user.update({ where: { id: expectJson<{ id: string }>(made, 201).id }, data: { kind: 'service' } })
    const table: [string[], string, RegExp][] = [
      [['create', email], '', /belongs to another account/], [['create', 'nobody'], '', /e-mail address/], [['reset-password', 'nobody@example.com'], '', /No such user/],
      [['grant-admin', 'nobody@example.com'], '', /No such user/], [['reset-password', email, '--password-stdin'], 'short\n', /fewer than 12 characters/],
      [['reset-password', email, '--password-stdin'], '\n', /stdin holds no password/],
      [['grant-admin', 'robot@example.com'], '', /service account/], [['reset-password', 'robot@example.com'], '', /service account/],
    ]
    const events = await database.prisma.auditEvent.count()
    for (const [args, input, line] of table) {
      const { status, out, err } = await admin(args, variables, input)
      t.equal(status, 1, args.join(' '))
      t.equal(out, '')
      t.match(err, line)
    }
    t.equal(await database.prisma.auditEvent.count(), events)
  })

  await t.test('reset-password ends the sessions at once; with the password from stdin nothing is printed', async (t) => {
    const headers = await headersOf(email, password)
    t.match(await admin(['reset-password', email, '--password-stdin'], variables, `${PASSWORD}\n`), { status: 0, out: '' })
    await app.revocations.pollNow()
    t.equal((await app.inject({ url: '/api/v1/me', headers })).statusCode, 401)
    t.equal((await logIn(email, password)).statusCode, 401)
    t.equal((await logIn(email, PASSWORD)).statusCode, 200)
  })

  await t.test('grant-admin brings back who is suspended, and makes an administrator of a member', async (t) => {
    const member = await as.signUp('member@example.com')
    await database.prisma.user.updateMany({ data: { status: 'suspended' } })
    t.equal((await logIn('member@example.com', PASSWORD)).statusCode, 401)
    t.equal((await admin(['grant-admin', 'member@example.com'], variables)).status, 0)
    clock.advance(2_000)
    const headers = await headersOf('member@example.com', PASSWORD)
    t.match((await app.inject({ url: '/api/v1/me', headers })).json(), { id: member.user.id, status: 'active', roles: ['admin', 'member'] })
    t.equal((await app.inject({ url: '/api/v1/users', headers })).statusCode, 200)
  })
})

t.test('in the data folder: beside a live node, with none running, and beside what a killed one left', { timeout: 480_000 }, async (t) => {
  build()
  const folder = emptyFolder(t)
  const variables = { GATEHOUSE_DATA_DIR: join(folder, 'data') }
  const postmasterFile = join(folder, 'data/postgres/postmaster.pid')
  const signsIn = async (origin: string, email: string, password: string): Promise<boolean> => {
    const response = await fetch(`${origin}/api/v1/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password }) })
    return response.status === 200
  }
  const first = launch(t, folder)
  const origin = await first.listening
  const command = spawnSync(process.execPath, [join(ROOT, 'scripts/admin.mjs'), 'create', 'one@example.com'], {
    cwd: folder, encoding: 'utf8', env: { PATH: process.env['PATH'], NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '', BCRYPT_COST: '10' },
  })
  t.equal(command.status, 0, command.stderr)
  t.ok(await signsIn(origin, 'one@example.com', command.stdout.trim()))
  first.child.kill('SIGTERM')
  t.same(await first.exit, { code: 0, signal: null })
  t.equal(first.err(), '', 'the running node noticed nothing')

  const stopped = await admin(['create', 'two@example.com'], variables)
  t.equal(stopped.status, 0, stopped.err)
  t.notOk(existsSync(postmasterFile), 'the database that was started for it is down again')

  const second = launch(t, folder)
  t.ok(await signsIn(await second.listening, 'two@example.com', stopped.out.trim()))
  second.child.kill('SIGKILL')
  await second.exit
  t.equal((await admin(['create', 'three@example.com'], variables)).status, 0)
  t.ok(existsSync(postmasterFile), 'what a killed node left running is used and left')
  const third = launch(t, folder)
  t.ok(await signsIn(await third.listening, 'two@example.com', stopped.out.trim()))
  third.child.kill('SIGTERM')
  t.same(await third.exit, { code: 0, signal: null })
})

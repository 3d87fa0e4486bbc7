// Backups as docs/operations.md has them, each brought back by another start: the folder, the dump, and the way from the embedded
// PostgreSQL to a server. After each the keys made before are valid and the administrator signs in.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import pg from 'pg'
import t, { type Test } from 'tap'
import { runAdmin } from '../../src/admin/main.js'
import { PASSWORD } from '../support/app.js'
import { createBareDatabase, fromSetUp } from '../support/database.js'
import { build, emptyFolder, launch } from '../support/program.js'

const EMAIL = 'root@example.com'

// real processes, a database made from nothing, and a build, on a machine that does other things
t.setTimeout(480_000)
build()

interface Answer {
  status: number
  body: Record<string, unknown>
}

async function send(origin: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${origin}/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() as Record<string, unknown> }
}

async function signIn(origin: string): Promise<Record<string, string>> {
  const { body } = await send(origin, '/auth/login', { email: EMAIL, password: PASSWORD })
  return { authorization: `Bearer ${String(body['accessToken'])}` }
}

interface Before {
  key: string
  revoked: string
  refreshToken: string
}

/** Runs Gatehouse in a folder, asks it something, and stops it. */
async function running<T>(t: Test, folder: string, variables: Record<string, string>, work: (origin: string) => Promise<T>): Promise<T> {
  const program = launch(t, folder, variables)
  const result = await work(await program.listening)
  program.child.kill('SIGTERM')
  t.same(await program.exit, { code: 0, signal: null })
  t.equal(program.err(), '')
  return result
}

/** What the backup must hold, as clients see it. */
async function isAsBefore(t: Test, origin: string, { key, revoked }: Before): Promise<void> {
  const headers = await signIn(origin)
  t.match(await send(origin, '/keys/verify', { key }, headers), { status: 200, body: { valid: true, code: 'valid' } }, 'a key made before is valid')
  t.match(await send(origin, '/keys/verify', { key: revoked }, headers), { body: { valid: false, code: 'revoked' } }, 'one that was revoked is not')
  const made = await send(origin, '/keys', { name: 'made after' }, headers)
  t.equal(made.status, 201, 'and it takes changes')
  t.match(await send(origin, '/keys/verify', { key: made.body['key'] }, headers), { body: { valid: true } })
}

const major = (text: string): number => Number(/(\d+)(\.|devel|beta|rc|\b)/.exec(text)?.[1] ?? 0)

/** Why a dump cannot be made here, or false. The tools must be of the server's version, or newer. Throws in CI when they are missing. */
async function noDump(): Promise<string | false> {
  const client = new pg.Client({ connectionString: fromSetUp('GATEHOUSE_TEST_DATABASE_URL') })
  await client.connect()
  const server = major((await client.query<{ server_version: string }>('SHOW server_version')).rows[0]?.server_version ?? '')
  await client.end()
  for (const tool of ['pg_dump', 'pg_restore']) {
    const { status, stdout } = spawnSync(tool, ['--version'], { encoding: 'utf8' })
    if (status !== 0 && process.env['CI'] === 'true') throw new Error(`${tool} is missing`)
    if (status !== 0) return `no ${tool} on this machine`
    if (major(stdout) < server) return `${tool} is of version ${major(stdout)}, the server of ${server}`
  }
  return false
}

const missing = await noDump()

const original = emptyFolder(t)
const dataDir = join(original, 'data')
let before: Before = { key: '', revoked: '', refreshToken: '' }
let secret = ''

t.test('the original: an administrator, a key, and a key that was revoked', async (t) => {
  before = await running(t, original, { GATEHOUSE_ADMIN_EMAIL: EMAIL, GATEHOUSE_ADMIN_PASSWORD: PASSWORD }, async (origin) => {
    const headers = await signIn(origin)
    const [kept, ended] = [await send(origin, '/keys', { name: 'kept' }, headers), await send(origin, '/keys', { name: 'ended' }, headers)]
    t.same([kept.status, ended.status], [201, 201])
    t.equal((await fetch(`${origin}/api/v1/keys/${String(ended.body['id'])}`, { method: 'DELETE', headers })).status, 200)
    const { body } = await send(origin, '/auth/login', { email: EMAIL, password: PASSWORD })
    return { key: String(kept.body['key']), revoked: String(ended.body['key']), refreshToken: String(body['refreshToken']) }
  })
  secret = readFileSync(join(dataDir, 'secret'), 'utf8').trim()
})

t.test('a copy of a stopped node\'s data folder is what a start finds again, in another place and without the first', async (t) => {
  const copy = emptyFolder(t)
  t.equal(spawnSync('cp', ['-a', dataDir, join(copy, 'data')]).status, 0)
  renameSync(dataDir, join(original, 'gone'))
  await running(t, copy, {}, async (origin) => {
    await isAsBefore(t, origin, before)
    t.equal((await send(origin, '/auth/refresh', { refreshToken: before.refreshToken }, { 'sec-fetch-site': 'same-origin' })).status, 200, 'sessions go on')
  })
  t.notOk(existsSync(dataDir), 'the first was not needed')
  renameSync(join(original, 'gone'), dataDir)
})

t.test('from a stopped embedded folder to a server of one\'s own, by npm run admin -- copy-database', async (t) => {
  const { url } = await createBareDatabase(t)
  let said = ''
  const note = (text: string): void => void (said += `${text}\n`)
  const status = await runAdmin(['copy-database'], { GATEHOUSE_DATA_DIR: dataDir, BCRYPT_COST: '10' }, { out: note, err: note, input: Readable.from([`${url}\n`]) })
  t.equal(status, 0, said)
  t.match(said, /^api_keys: 2$/m)
  t.notOk(existsSync(join(dataDir, 'postgres/postmaster.pid')), 'the embedded one is down again')
  const folder = emptyFolder(t)
  const variables = { DATABASE_URL: url, GATEHOUSE_SECRET: secret }
  await running(t, folder, variables, async (origin) => isAsBefore(t, origin, before))
  t.notOk(existsSync(join(folder, 'data')), 'nothing of the folder is needed')

  await t.test('pg_dump, and pg_restore into an empty database', { skip: missing }, async (t) => {
    const file = join(folder, 'gatehouse.dump')
    const dump = spawnSync('pg_dump', ['--format=custom', url], { maxBuffer: 1e9 })
    t.equal(dump.status, 0, dump.stderr.toString())
    writeFileSync(file, dump.stdout)
    const restored = await createBareDatabase(t)
    const restore = spawnSync('pg_restore', ['--no-owner', '--dbname', restored.url, file], { encoding: 'utf8' })
    t.equal(restore.status, 0, restore.stderr)
    t.equal(restore.stderr, '')
    await running(t, emptyFolder(t), { ...variables, DATABASE_URL: restored.url }, async (origin) => isAsBefore(t, origin, before))
  })
})

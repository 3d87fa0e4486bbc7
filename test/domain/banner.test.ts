// What a started program says, and what one that cannot start says instead.
import t from 'tap'
import { banner, type BannerFacts, startFields } from '../../src/banner.js'
import { readConfig } from '../../src/config.js'
import { EmbeddedPostgresError } from '../../src/database/embedded-postgres-error.js'
import { MigrationError } from '../../src/database/migrate.js'
import { DatabaseUrlError } from '../../src/database/open.js'
import { problem } from '../../src/kernel/errors.js'
import { exitLineOf, InsideListenError } from '../../src/start-failure.js'

const facts: BannerFacts = {
  version: '1.2.3', publicOrigin: 'https://access.example.com', localOrigin: 'http://127.0.0.1:3000', inside: 'http://127.0.0.1:3001', database: 'PostgreSQL 18.4, db:5432/gatehouse',
  redisUrl: 'redis://user:hunter2@cache:6379/0', sharedStore: 'up', setup: null,
}

t.test('it names the version, the URL, the documentation, the database and the store, and no password', async (t) => {
  t.equal(banner(facts), [
    'Gatehouse 1.2.3',
    '  URL       https://access.example.com',
    '  Docs      https://access.example.com/docs',
    '  Inside    http://127.0.0.1:3001 (/gate, /metrics)',
    '  Database  PostgreSQL 18.4, db:5432/gatehouse',
    '  Store     redis://cache:6379/0',
  ].join('\n'))
})

t.test('it says when Redis does not answer, and when there is none', async (t) => {
  t.match(banner({ ...facts, sharedStore: 'degraded' }), /Store {5}redis:\/\/cache:6379\/0 \(does not answer yet: degraded\)$/)
  t.match(banner({ ...facts, redisUrl: null, sharedStore: 'memory' }), /Store {5}in this process \(one node\)$/)
  t.match(banner({ ...facts, redisUrl: 'rediss://:hunter2@cache:6380' }), /Store {5}rediss:\/\/cache:6380$/)
  t.match(banner({ ...facts, redisUrl: 'redis+sentinel://u:hunter2@a:1,b:2/main/3?sentinelPassword=hunter2' }), /Store {5}redis\+sentinel:\/\/a:1,b:2\/main\/3$/)
})

t.test('before the set-up it ends with the command that does it, for a shell to take as it stands', async (t) => {
  const text = banner({ ...facts, setup: { token: 'gs_token', password: 'Passw0rd' } })
  t.match(text, `curl -X POST http://127.0.0.1:3000/api/v1/setup -H 'content-type: application/json' \\\n  -d '{"token":"gs_token","email":"admin@example.com","password":"Passw0rd"}'\n`)
})

t.test('for a log it is fields, with no password of the store, and before the set-up with all that it takes', async (t) => {
  t.same(startFields(facts), {
    version: '1.2.3', url: 'https://access.example.com', docs: 'https://access.example.com/docs', listensAt: 'http://127.0.0.1:3000', inside: 'http://127.0.0.1:3001', database: 'PostgreSQL 18.4, db:5432/gatehouse',
    store: 'redis://cache:6379/0',
  })
  t.same(startFields({ ...facts, setup: { token: 'gs_token', password: 'Passw0rd' } })['setup'], {
    post: 'http://127.0.0.1:3000/api/v1/setup', body: { token: 'gs_token', email: 'admin@example.com', password: 'Passw0rd' },
  })
})

const outcome = readConfig({ PORT: '3000' })
const config = 'config' in outcome ? outcome.config : null

const inside = (code: string): Error => new InsideListenError('listen', { cause: Object.assign(new Error('listen'), { code }) })

const failures: [string, unknown, string | null][] = [
  ['an embedded PostgreSQL that fails', new EmbeddedPostgresError('It failed:\n  badly'), 'It failed: badly'],
  ['a database that cannot be reached', new DatabaseUrlError('DATABASE_URL cannot be used: refused'), 'DATABASE_URL cannot be used: refused'],
  ['a failed migration', new MigrationError('Migration x failed\nand was rolled back'), 'Migration x failed and was rolled back'],
  ['a weak administrator password', problem('password.weak'), 'GATEHOUSE_ADMIN_PASSWORD is too easy to guess'],
  ['a weak administrator password, with reasons', problem('password.weak', { detail: 'too short' }), 'GATEHOUSE_ADMIN_PASSWORD is too easy to guess: too short'],
  ['an administrator e-mail that is none', problem('request.invalid'), 'GATEHOUSE_ADMIN_EMAIL is not an e-mail address'],
  ['a port in use', Object.assign(new Error('listen'), { code: 'EADDRINUSE' }), 'PORT 3000 is in use on 127.0.0.1'],
  ['a port for root only', Object.assign(new Error('listen'), { code: 'EACCES' }), 'PORT 3000 may not be used by this user'],
  ['an address of another machine', Object.assign(new Error('listen'), { code: 'EADDRNOTAVAIL' }), 'HOST 127.0.0.1 is not an address of this machine'],
  ['a name that is not known', Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }), 'HOST 127.0.0.1 is not an address of this machine'],
  ['IPv6 that is switched off', Object.assign(new Error('listen'), { code: 'EAFNOSUPPORT', syscall: 'listen' }), 'HOST 127.0.0.1 is not an address of this machine'],
  ['a user who may not make tables', Object.assign(new Error('permission denied for schema public'), { code: '42501' }), "DATABASE_URL names a user who may not make Gatehouse's tables: permission denied for schema public"],
  ['a database that breaks off meanwhile', Object.assign(new Error('terminating connection'), { code: '57P01' }), 'The database broke off during the start: see that it runs and takes writes, and start again'],
  ['an inside port in use', inside('EADDRINUSE'), 'INSIDE_PORT 3001 is in use on 127.0.0.1: a second node on one machine needs another'],
  ['an inside port for root only', inside('EACCES'), 'INSIDE_PORT 3001 may not be used by this user'],
  ['an inside address of another machine', inside('ENOTFOUND'), 'INSIDE_HOST 127.0.0.1 is not an address of this machine'],
  ['a fault of our own at the inside listener', inside('EMFILE'), null],
  ['a fault of our own', new TypeError('undefined is not a function'), null],
  ['something that is no error', 'oops', null],
]
t.test('the line for an inside socket that cannot be opened', async (t) => {
  const read = readConfig({ INSIDE_SOCKET: '/run/gatehouse/inside.sock' })
  t.ok('config' in read)
  if ('mistakes' in read) return
  for (const [code, line] of [['EADDRINUSE', /in use/], ['EACCES', /may not be made/], ['ENOENT', /a folder that does not exist/]] as const) t.match(exitLineOf(inside(code), read.config), line, code)
  t.equal(exitLineOf(inside('EMFILE'), read.config), null)
})

for (const [what, error, line] of failures) {
  t.test(`the line for ${what}`, async (t) => {
    t.ok(config)
    if (config) t.equal(exitLineOf(error, config), line)
  })
}

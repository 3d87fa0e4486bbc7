// Where variables come from besides the environment: .env and the files of secrets. Each fault is one line that shows no value.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, ReadConfig } from '../../src/config.js'
import { loadConfig } from '../../src/environment.js'

const SECRET = 'thirty-two characters or more of it'

function configOf(read: ReadConfig): Config {
  if ('mistakes' in read) throw new Error(JSON.stringify(read.mistakes))
  return read.config
}

const linesOf = (read: ReadConfig): string[] => ('mistakes' in read ? read.mistakes.map(({ name, message }) => `${name} ${message}`) : [])

t.test('.env', async (t) => {
  const folder = t.testdir({})
  const at = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  t.test('adds what is not set; a mark at its beginning and Windows line ends are no part of it', async (t) => {
    t.equal(configOf(loadConfig({}, join(folder, 'none'))).port, 3000)
    for (const content of ['PORT=8080\nKEY_PREFIX=ab\n', '\uFEFFPORT=8080\r\nKEY_PREFIX=ab\r\n', '\uFEFFPORT="8080"\nKEY_PREFIX=\'ab\'']) {
      t.match(configOf(loadConfig({}, at('one', content))), { port: 8080, keyPrefix: 'ab' })
      t.match(configOf(loadConfig({ PORT: '9090' }, at('one', content))), { port: 9090, keyPrefix: 'ab' })
    }
  })
  t.test('what cannot be read is one line', async (t) => {
    mkdirSync(join(folder, 'dir'))
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'))
    const faults: [string, RegExp][] = [
      [join(folder, 'dir'), /^\.env is a folder, not a file$/], [join(folder, 'loop'), /^\.env is a link to itself$/], ['/dev/zero', /^\.env is no file$/],
      [at('utf16', Buffer.from('\uFEFFPORT=8080', 'utf16le')), /^\.env is not UTF-8 text$/], [at('latin1', Buffer.from('KEY_PREFIX=\u00e4', 'latin1')), /^\.env is not UTF-8 text$/],
    ]
    if (process.getuid?.() !== 0) {
      chmodSync(at('closed', 'PORT=8080'), 0)
      faults.push([join(folder, 'closed'), /^\.env may not be read by this user$/])
    }
    for (const [path, line] of faults) {
      const lines = linesOf(loadConfig({}, path))
      t.equal(lines.length, 1)
      t.match(lines[0], line)
    }
  })
})

t.test('secrets from files', async (t) => {
  const folder = t.testdir({})
  const at = (content: string | Buffer): string => {
    writeFileSync(join(folder, 'secret'), content)
    return join(folder, 'secret')
  }
  const NONE = join(folder, 'no.env')
  const load = (environment: Record<string, string>): ReadConfig => loadConfig(environment, NONE)

  t.test('NAME_FILE is read for every secret, without the one newline an editor closes it with', async (t) => {
    for (const end of ['', '\n', '\r\n']) t.equal(configOf(load({ GATEHOUSE_SECRET_FILE: at(`${SECRET}${end}`) })).secret, SECRET)
    t.equal(configOf(load({ GATEHOUSE_SECRET_FILE: at(`\uFEFF${SECRET}\n\n`) })).secret, `${SECRET}\n`)
    t.equal(configOf(load({ GATEHOUSE_ADMIN_EMAIL: 'a@example.com', GATEHOUSE_ADMIN_PASSWORD_FILE: at(' a long password \n') })).admin?.password, ' a long password ')
    t.equal(configOf(load({ REDIS_URL_FILE: at('redis://h/1\n') })).redisUrl, 'redis://h/1')
    t.equal(configOf(load({ DATABASE_URL_FILE: at('postgres://h/db\n'), GATEHOUSE_SECRET: SECRET })).databaseUrl, 'postgres://h/db')
    t.equal(configOf(load({ DATABASE_URL: 'postgres://h/db', DATABASE_DIRECT_URL_FILE: at('postgres://h:5433/db\n'), GATEHOUSE_SECRET: SECRET })).databaseDirectUrl, 'postgres://h:5433/db')
    t.same(load({ GATEHOUSE_SECRET_FILE: '', GATEHOUSE_SECRET: SECRET, KEY_PREFIX_FILE: '/none' }), load({ GATEHOUSE_SECRET: SECRET }), 'an empty one is unset; what is no secret has none')
  })
  t.test('what is wrong with one is one line, and its secret is not called missing, too', async (t) => {
    const database = { DATABASE_URL: 'postgres://h/db' }
    const faults: [Record<string, string>, RegExp][] = [
      [{ GATEHOUSE_SECRET_FILE: join(folder, 'none'), ...database }, /^GATEHOUSE_SECRET_FILE names a file that is not there$/],
      [{ GATEHOUSE_SECRET_FILE: folder, ...database }, /^GATEHOUSE_SECRET_FILE is a folder, not a file$/],
      [{ GATEHOUSE_SECRET_FILE: '/dev/zero', ...database }, /^GATEHOUSE_SECRET_FILE is no file$/],
      [{ GATEHOUSE_SECRET_FILE: at('\n'), ...database }, /^GATEHOUSE_SECRET_FILE names an empty file$/],
      [{ GATEHOUSE_SECRET_FILE: at(SECRET), GATEHOUSE_SECRET: SECRET }, /^GATEHOUSE_SECRET_FILE is set beside GATEHOUSE_SECRET: set one of the two$/],
      [{ REDIS_URL_FILE: at('hunter2') }, /^REDIS_URL must begin with redis:\/\/[^\n]+$/],
      [{ REDIS_URL_FILE: at(Buffer.from([0x72, 0xff])) }, /^REDIS_URL_FILE is not UTF-8 text$/],
    ]
    for (const [environment, line] of faults) {
      // the file is written anew by each row
      if (environment['GATEHOUSE_SECRET_FILE'] === join(folder, 'secret')) at(environment['GATEHOUSE_SECRET'] ?? '\n')
      if (environment['REDIS_URL_FILE'] !== undefined) at(line.source.includes('UTF') ? Buffer.from([0x72, 0xff]) : 'hunter2')
      const lines = linesOf(load(environment))
      t.equal(lines.length, 1, JSON.stringify(lines))
      t.match(lines[0], line)
      t.notMatch(lines.join(' '), /hunter2|thirty/)
    }
  })
})

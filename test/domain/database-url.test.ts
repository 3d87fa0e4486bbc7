// DATABASE_URL in libpq's forms: what each says, and each mistake in one phrase without what stands in the URL.
import t from 'tap'
import { parseDatabaseUrl, placeOf } from '../../src/kernel/database-url.js'
import { wayOf } from '../../src/database/way.js'

const NOTHING = { database: null, user: null, password: null, schema: null, sslMode: null, sslRootCert: null, sslCert: null, sslKey: null, options: null }
const at = (host: string, port = 5432): { host: string; port: number } => ({ host, port })

t.test('forms', async (t) => {
  const table: [string, object][] = [
    ['postgres://', { addresses: [at('localhost')] }],
    ['postgresql://u:p%40ss@h:5433/d%62', { addresses: [at('h', 5433)], user: 'u', password: 'p@ss', database: 'db' }],
    ['postgres://u:a@b:c@h/db', { addresses: [at('h')], user: 'u', password: 'a@b:c', database: 'db' }],
    ['postgres://[2001:db8::1]:6000/db', { addresses: [at('2001:db8::1', 6000)], database: 'db' }],
    ['postgresql:///db?host=/run/postgresql', { addresses: [at('/run/postgresql')], database: 'db' }],
    ['postgresql://%2Frun%2Fpostgresql:5433/db', { addresses: [at('/run/postgresql', 5433)], database: 'db' }],
    ['postgres://localhost:5434/db?host=/tmp/x', { addresses: [at('/tmp/x', 5434)], database: 'db' }],
    ['postgresql://h1:5432,h2:5433,[::1]/db?target_session_attrs=read-write', { addresses: [at('h1'), at('h2', 5433), at('::1')], database: 'db' }],
    ['postgresql:///db?host=h1,h2&port=1,2', { addresses: [at('h1', 1), at('h2', 2)], database: 'db' }],
    ['postgresql:///?host=h1,h2&port=7&dbname=db&user=u&password=p+q', { addresses: [at('h1', 7), at('h2', 7)], database: 'db', user: 'u', password: 'p+q' }],
    ['postgres://h/db?schema=gate_1&options=-c%20work_mem%3D3MB', { addresses: [at('h')], database: 'db', schema: 'gate_1', options: '-c work_mem=3MB' }],
    ['postgres://h/db?sslmode=verify-ca&sslrootcert=/c/ca.pem&sslcert=/c/c.pem&sslkey=/c/k.pem', { addresses: [at('h')], database: 'db', sslMode: 'verify-ca', sslRootCert: '/c/ca.pem', sslCert: '/c/c.pem', sslKey: '/c/k.pem' }],
    ['postgres://h/db?sslmode=verify-full&sslrootcert=system', { addresses: [at('h')], database: 'db', sslMode: 'verify-full' }],
    ['postgres://h/db?ssl=true', { addresses: [at('h')], database: 'db', sslMode: 'verify-full' }],
    ['postgres://h/db?application_name=x&connect_timeout=3', { addresses: [at('h')], database: 'db' }],
  ]
  for (const [text, said] of table) t.same(parseDatabaseUrl(text), { url: { ...NOTHING, ...said } }, text)
})

t.test('mistakes', async (t) => {
  const table: [string, RegExp][] = [
    ['postgres:/h', /is not a URL/], ['mysql://h', /is not a URL/], ['postgres://u:pa#hunter2@h/db', /has a # in it: write %23/], ['postgres://u:hunter2%zz@h/db', /has a % that/],
    ['postgres://h:hunter2/db', /has a host that is none|has a port that is none/], ['postgres://h:0/db', /port/], ['postgres://h:65536/db', /port/], ['postgres://h1,/db', /empty host/],
    ['postgres://[hunter2]/db', /host/], ['postgresql:///db?host=h1,h2&port=1,2,3', /another number of ports/], ['postgres://h/db?target_session_attrs=standby', /target_session_attrs other than read-write/],
    ['postgres://h/db?schema=hunter2%22;', /schema/], ['postgres://h/db?sslmode=hunter2', /sslmode other than disable, prefer, require, verify-ca and verify-full/],
    ['postgres://h/db?sslmode=require&sslcert=/hunter2', /one of sslcert and sslkey/], ['postgres://h/db?sslrootcert=/hunter2', /no sslmode that uses them/],
    ['postgres://h/db?sslmode=verify-ca', /needs an sslrootcert/], ['postgres://h/db?sslmode=verify-ca&sslrootcert=system', /needs an sslrootcert/],
  ]
  for (const [text, message] of table) {
    const parsed = parseDatabaseUrl(text)
    const mistake = 'mistake' in parsed ? parsed.mistake : ''
    t.match(mistake, message, text)
    t.notMatch(mistake, /hunter2|\n/, 'nothing of it is repeated')
  }
})

t.test('TLS means what it means in libpq', async (t) => {
  const sslOf = (query: string): unknown => wayOf(`postgres://h/db${query}`).ssl
  t.equal(sslOf(''), undefined)
  t.equal(sslOf('?sslmode=disable'), false)
  t.same(sslOf('?sslmode=require'), { rejectUnauthorized: false })
  t.same(sslOf('?sslmode=verify-full'), {})
  const ca = t.testdir({ 'ca.pem': 'CA' })
  t.match(sslOf(`?sslmode=require&sslrootcert=${ca}/ca.pem`), { ca: 'CA', checkServerIdentity: Function }, 'a root certificate is one to check')
  t.match(sslOf(`?sslmode=verify-ca&sslrootcert=${ca}/ca.pem`), { ca: 'CA', checkServerIdentity: Function })
  t.same(sslOf(`?sslmode=verify-full&sslrootcert=${ca}/ca.pem`), { ca: 'CA' })
  t.throws(() => sslOf('?sslmode=verify-full&sslrootcert=/nowhere/hunter2'), { message: 'the file of its sslrootcert cannot be read (ENOENT)' })
  t.equal(wayOf('postgresql:///db?host=/run/postgresql&sslmode=require').ssl, false, 'sockets know none')
  t.ok(wayOf('postgres://h/db?sslmode=prefer').places, 'prefer has two ways')
  t.notOk(wayOf('postgres://h/db').places)
})

t.test('people are told where it leads, and no password', async (t) => {
  t.equal(placeOf('postgres://u:hunter2@h1,[::1]:6000/db'), 'h1:5432,[::1]:6000/db')
  t.equal(placeOf('postgresql:///db?host=/run/postgresql'), '/run/postgresql/db')
})

// The environment in, a Config or every mistake in it out: one line a variable, and never a value.
import t from 'tap'
import { type Config, ConfigSchema, type Mistake, readConfig } from '../../src/config.js'

const SECRET = 'thirty-two characters or more of it'

function config(environment: Record<string, string | undefined>): Config {
  const read = readConfig(environment)
  if ('mistakes' in read) throw new Error(JSON.stringify(read.mistakes))
  return read.config
}

function warnings(environment: Record<string, string | undefined>): string[] {
  const read = readConfig(environment)
  return 'mistakes' in read ? [] : read.warnings.map(({ name }) => name)
}

function mistakes(environment: Record<string, string | undefined>): Mistake[] {
  const read = readConfig(environment)
  return 'mistakes' in read ? read.mistakes : []
}

t.test('an empty environment gives the defaults', async (t) => {
  t.same(config({}), {
    inside: { host: '127.0.0.1', port: 3001 },
    port: 3000, host: '127.0.0.1', publicUrl: null, databaseUrl: null, databaseDirectUrl: null, databasePooling: { isShared: null, prepares: null }, databasePoolMax: 10, redisUrl: null, secret: null, previousSecret: null, dataDir: './data', admin: null,
    trustedProxies: [], corsOrigins: [], corsCredentials: false, workers: 1, logLevel: 'info', logRequests: 'errors', drainSeconds: 5, uiDir: null, uiLocale: 'en', signUp: 'closed', anonymousUsers: false, anonymousUsersMax: 100_000, oauthRegistration: 'closed', oauthClientDocuments: false, oauthDynamicClientsMax: 10_000, anonymousUsersKeptDays: 30, bcryptCost: 12, accessTokenSeconds: 300, sessionIdleSeconds: 1_209_600,
    sessionAbsoluteSeconds: 7_776_000, keyPrefix: 'gk', limitsWithoutRedis: 'refuse', revocationLeaseMs: 1_500, decisionCacheEntries: 100_000, decisionCacheBytes: 67_108_864, usageMinutesKeptDays: 7, usageHoursKeptDays: 90, usageDaysKeptDays: 1_096,
    keysPerOwner: 100, soldKeysPerOwner: 1_000, auditRefusalsKeptDays: 30, sessionsPerUser: 100, requestsPerMinute: 6_000, outboundAllow: [], outboundAllowOrganizations: [], dnsServers: [], organizationDomainsKeptDays: 7, smtpUrl: null, mailFrom: null, mailDir: null, emailVerification: 'optional', magicLink: false, connectionsMax: 10_000, connectionsPerAddress: 1_024,
    eventsKeptDays: 30, eventStreamsMax: 4_000, eventStreamsPerOwner: 20, importMaxBytes: 2_147_483_648,
  })
  t.same(config(Object.fromEntries(Object.keys(ConfigSchema.properties).map((name) => [name, '']))), config({}), 'an empty value counts as unset')
  t.same(config({ PATH: '/bin', HOME: '/home/x', port: '1', GATEHOUSE_TEST_DATABASE_URL: 'x' }), config({}), 'variables of others are left alone')
})

t.test('every variable is read', async (t) => {
  t.same(config({
    PORT: '0', HOST: '::', INSIDE_HOST: '::1', INSIDE_PORT: '0', PUBLIC_URL: 'https://Auth.example.com/', DATABASE_URL: 'postgresql://u:p@db:5432/g', DATABASE_DIRECT_URL: 'postgres://u:p@db:5433/g', DATABASE_POOLING: 'transaction', DATABASE_PREPARE: 'on', DATABASE_POOL_MAX: '500', REDIS_URL: 'rediss://r:6380/1', GATEHOUSE_SECRET: SECRET, GATEHOUSE_SECRET_PREVIOUS: SECRET,
    GATEHOUSE_DATA_DIR: '/var/lib/g', GATEHOUSE_ADMIN_EMAIL: 'a@example.com', GATEHOUSE_ADMIN_PASSWORD: 'a long password', TRUSTED_PROXIES: ' 10.0.0.0/8, ::1 ,2001:db8::/32',
    CORS_ORIGINS: 'https://a.example, http://b.example:8080', CORS_CREDENTIALS: 'true', LOG_LEVEL: 'silent', LOG_REQUESTS: 'all', DRAIN_SECONDS: '0', GATEHOUSE_UI_DIR: '/etc/look', UI_LOCALE: 'de', SIGN_UP: 'open', ANONYMOUS_USERS: 'on', ANONYMOUS_USERS_MAX: '10', OAUTH_REGISTRATION: 'open', OAUTH_CLIENT_DOCUMENTS: 'on', OAUTH_DYNAMIC_CLIENTS_MAX: '5', ANONYMOUS_USERS_KEPT_DAYS: '7', BCRYPT_COST: '15', ACCESS_TOKEN_SECONDS: '30', SESSION_IDLE_SECONDS: '300', SESSION_ABSOLUTE_SECONDS: '300', KEY_PREFIX: 'acme2', LIMITS_WITHOUT_REDIS: 'share',
    USAGE_MINUTES_KEPT_DAYS: '1', USAGE_HOURS_KEPT_DAYS: '2', USAGE_DAYS_KEPT_DAYS: '36500', REVOCATION_LEASE_MS: '500', DECISION_CACHE_ENTRIES: '1', DECISION_CACHE_BYTES: '65536', KEYS_PER_OWNER: '1', SOLD_KEYS_PER_OWNER: '2', AUDIT_REFUSALS_KEPT_DAYS: '3', SESSIONS_PER_USER: '4',
    REQUESTS_PER_MINUTE: '1000', OUTBOUND_ALLOW: '127.0.0.0/8, fd12::/48', OUTBOUND_ALLOW_ORGANIZATIONS: '10.9.0.0/16', DNS_SERVERS: '127.0.0.1:5353, [2001:db8::53]:53, 192.0.2.53', ORGANIZATION_DOMAINS_KEPT_DAYS: '3', SMTP_URL: 'smtps://u:p%40x@mail.example.com', MAIL_FROM: 'Example <no-reply@example.com>', GATEHOUSE_MAIL_DIR: '/etc/mail', EMAIL_VERIFICATION: 'optional', MAGIC_LINK: 'on', CONNECTIONS_MAX: '200', CONNECTIONS_PER_ADDRESS: '100',
    EVENTS_KEPT_DAYS: '4', EVENT_STREAMS_MAX: '5', EVENT_STREAMS_PER_OWNER: '6', IMPORT_MAX_BYTES: '1048576',
  }), {
    port: 0, host: '::', inside: { host: '::1', port: 0 }, publicUrl: 'https://auth.example.com', databaseUrl: 'postgresql://u:p@db:5432/g', databaseDirectUrl: 'postgres://u:p@db:5433/g', databasePooling: { isShared: true, prepares: true }, databasePoolMax: 500, redisUrl: 'rediss://r:6380/1', secret: SECRET, previousSecret: SECRET,
    dataDir: '/var/lib/g', admin: { email: 'a@example.com', password: 'a long password' }, trustedProxies: ['10.0.0.0/8', '::1', '2001:db8::/32'],
    corsOrigins: ['https://a.example', 'http://b.example:8080'], corsCredentials: true, workers: 1, logLevel: 'silent', logRequests: 'all', drainSeconds: 0, uiDir: '/etc/look', uiLocale: 'de', signUp: 'open', anonymousUsers: true, anonymousUsersMax: 10, oauthRegistration: 'open', oauthClientDocuments: true, oauthDynamicClientsMax: 5, anonymousUsersKeptDays: 7, bcryptCost: 15, accessTokenSeconds: 30, sessionIdleSeconds: 300, sessionAbsoluteSeconds: 300, keyPrefix: 'acme2', limitsWithoutRedis: 'share',
    usageMinutesKeptDays: 1, usageHoursKeptDays: 2, usageDaysKeptDays: 36_500, revocationLeaseMs: 500, decisionCacheEntries: 1, decisionCacheBytes: 65_536, keysPerOwner: 1, soldKeysPerOwner: 2, auditRefusalsKeptDays: 3, sessionsPerUser: 4,
    requestsPerMinute: 1_000, outboundAllow: ['127.0.0.0/8', 'fd12::/48'], outboundAllowOrganizations: ['10.9.0.0/16'], dnsServers: ['127.0.0.1:5353', '[2001:db8::53]:53', '192.0.2.53'], organizationDomainsKeptDays: 3, smtpUrl: 'smtps://u:p%40x@mail.example.com', mailFrom: 'Example <no-reply@example.com>', mailDir: '/etc/mail', emailVerification: 'optional', magicLink: true, connectionsMax: 200, connectionsPerAddress: 100,
    eventsKeptDays: 4, eventStreamsMax: 5, eventStreamsPerOwner: 6, importMaxBytes: 1_048_576,
  })
})

t.test('the inside listener has an address or a path of its own', async (t) => {
  t.same(config({ INSIDE_SOCKET: '/run/g.sock' }).inside, { path: '/run/g.sock' })
  t.same(mistakes({ INSIDE_SOCKET: '/run/g.sock', INSIDE_PORT: '3001', INSIDE_HOST: '::1' }).map(({ name }) => name).toSorted(), ['INSIDE_HOST', 'INSIDE_PORT'])
  t.same(mistakes({ INSIDE_SOCKET: `/${'ü'.repeat(60)}` }).map(({ name }) => name), ['INSIDE_SOCKET'], 'of a length that a Unix socket can have')
  t.same(mistakes({ PORT: '3001' }).map(({ name }) => name), ['INSIDE_PORT'])
  t.same(mistakes({ PORT: '3001', HOST: '10.0.0.1' }), [], 'the same port of another address is another')
})

t.test('http is for loopback only', async (t) => {
  for (const url of ['http://localhost:3000', 'http://127.0.0.1', 'http://127.9.9.9:1', 'http://[::1]:3000', 'https://auth.example.com:8443']) t.equal(config({ PUBLIC_URL: url }).publicUrl, url)
})

const WRONG: Record<string, string[]> = {
  PORT: ['x', '-1', '65536', '3000.5', '0x10', '3e3', ' 3000', '3000 ', '1'.repeat(20), 'NaN', 'null', 'true'],
  PUBLIC_URL: ['x', 'auth.example.com', 'http://auth.example.com', 'https://a.example/path', 'https://a.example?x', 'https://a.example#x', 'https://u:p@a.example', 'ftp://a.example', 'https://*.example.com', 'http://127.0.0.1.evil.example'],
  DATABASE_URL: ['x', 'mysql://h/db', 'postgres:/h', '//h/db', 'postgres://h:port/db'],
  DATABASE_DIRECT_URL: ['x', 'mysql://h/db', 'postgres://h:port/db'],
  DATABASE_POOLING: ['statement', 'on', 'SESSION'],
  DATABASE_PREPARE: ['true', '1', 'ON'],
  DATABASE_POOL_MAX: ['0', '1', '501', 'ten'],
  REDIS_URL: ['x', 'http://h', 'redis:/h', 'redis://h:port', 'redis://h/abc', 'redis://h/-1', 'redis://h/1/2', 'redis://h/0x1', 'redis://h/1.5', 'redis://h/%31', 'redis://h?db=abc', 'redis://h?db=-1',
    'redis+sentinel://h', 'redis+sentinel://h:1', 'redis+sentinel://h:1/', 'redis+sentinel:///main', 'redis+sentinel://h:1,/main', 'redis+sentinel://h:0/main', 'redis+sentinel://h:65536/main', 'redis+sentinel://h:x/main',
    'redis+sentinel://h:1 h:2/main', 'redis+sentinel://h:1/main/x', 'redis+sentinel://h:1/main/-1', 'redis+sentinel://h:1/main/0/0', 'redis+sentinel://h:1/main#x', 'redis+sentinel://hunter2@h:1/main',
    'redis+sentinel://u:hun@ter2@h:1/main', 'redis+sentinel://u:hun/ter2@h:1/main', 'redis+sentinel://u:hun%zzter2@h:1/main', 'redis+sentinel://h:1/main?password=hunter2', 'redis+other://h:1', 'redis+cluster://h:1,', 'redis+cluster://h:1/1', 'redis+cluster://h:1?keyPrefix=', 'redis+cluster://h:1?keyPrefix={x'],
  GATEHOUSE_SECRET_PREVIOUS: ['short'],
  GATEHOUSE_SECRET: ['short', 'x'.repeat(31)],
  GATEHOUSE_DATA_DIR: ['/var/lib/\nx', '/a\tb', '\u007f'],
  TRUSTED_PROXIES: ['x', 'proxy.example', '10.0.0.0/8;10.1.0.0/8', 'true', '*', '999.999.999.999', '10.0.0.0/33', '10.0.0', '2001:db8::/129', ':::', '1.2.3.4.5', '10.0.0.1/', 'fe80::1%eth0',
    '0.0.0.0/0', '::/0', '0.0.0.0/1,128.0.0.0/1', '10.0.0.1,0.0.0.0/0', '128.0.0.0/1', '2000::/3', '::/6', '::ffff:0.0.0.0/96', '::ffff:0:0/97', '::/80', '::/64'],
  DNS_SERVERS: ['x', 'dns.example', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:70000', '[127.0.0.1', '1.2.3', '127.0.0.1/8'], ORGANIZATION_DOMAINS_KEPT_DAYS: ['0', 'x', '1.5'],
  OUTBOUND_ALLOW: ['x', 'idp.example', 'https://10.0.0.1', '10.0.0.0/33', '10.0.0', '*', '10.0.0.1:8080'],
  CORS_CREDENTIALS: ['yes', '1', 'TRUE'],
  CORS_ORIGINS: ['*', 'https://*.example.com', 'a.example', 'https://a.example/', 'https://a.example/path', 'null', 'https://u@a.example', 'ftp://a.example', 'https://A.example'],
  LOG_LEVEL: ['verbose', 'INFO', '30'],
  SIGN_UP: ['yes', 'OPEN', '1', 'everybody'],
  BCRYPT_COST: ['9', '16', '12.5', 'x'],
  ACCESS_TOKEN_SECONDS: ['29', '86401', '5m'],
  SESSION_IDLE_SECONDS: ['299', '31536001', '1d'],
  SESSION_ABSOLUTE_SECONDS: ['299', '31536001', '1d'],
  LOG_REQUESTS: ['error', 'ALL', '1', 'false'],
  DRAIN_SECONDS: ['-1', '301', '5s', '0.5'],
  SMTP_URL: ['x', 'mail.example.com', 'http://mail.example.com', 'smtp:', 'smtp://mail.example.com/inbox', 'smtp://mail.example.com?tls=no'],
  MAIL_FROM: ['x', 'a@b\nBcc: c@d', '@', `${'a'.repeat(320)}@b`],
  EMAIL_VERIFICATION: ['yes', 'REQUIRED'],
  MAGIC_LINK: ['yes', 'true'],
  UI_LOCALE: ['e', 'de_AT', 'german, please'],
  LIMITS_WITHOUT_REDIS: ['allow', 'SHARE', '1'],
  KEY_PREFIX: ['GK', '1a', 'a_b', 'a'.repeat(17), 'ä', 'g k'],
  GATEHOUSE_ADMIN_EMAIL: ['x', '@', 'a@', '@b', 'a b@c', `${'a'.repeat(250)}@example.com`],
  GATEHOUSE_ADMIN_PASSWORD: ['short', 'x'.repeat(257)],
}
// what a variable needs beside it, so that its own value is all that is wrong
const BESIDE: Record<string, Record<string, string>> = {
  DATABASE_URL: { GATEHOUSE_SECRET: SECRET },
  SMTP_URL: { PUBLIC_URL: 'https://auth.example.com' },
  DATABASE_DIRECT_URL: { DATABASE_URL: 'postgres://h/db', GATEHOUSE_SECRET: SECRET },
  GATEHOUSE_ADMIN_EMAIL: { GATEHOUSE_ADMIN_PASSWORD: 'a long password' },
  GATEHOUSE_ADMIN_PASSWORD: { GATEHOUSE_ADMIN_EMAIL: 'a@example.com' },
}

for (const [name, values] of Object.entries(WRONG)) {
  t.test(`wrong values of ${name} are one mistake each, in words, without the value`, async (t) => {
    for (const value of values) {
      const found = mistakes({ ...BESIDE[name], [name]: value })
      t.same(found.map((mistake) => mistake.name), [name], `${name}=${value.slice(0, 40)}`)
      for (const { message } of found) {
        t.match(message, /^(must|is|has) [^\n]+$/, message)
        if (value.length > 5) t.notOk(message.includes(value), 'the value is not echoed')
      }
    }
  })
}

t.test('a value that is too long is not called too short', async (t) => {
  const [mistake] = mistakes({ GATEHOUSE_ADMIN_EMAIL: 'a@example.com', GATEHOUSE_ADMIN_PASSWORD: 'x'.repeat(257) })
  t.match(mistake?.message, /256/)
})

t.test('variables that need each other', async (t) => {
  const table: [Record<string, string>, string][] = [
    [{ DATABASE_URL: 'postgres://h/db' }, 'GATEHOUSE_SECRET'],
    [{ DATABASE_DIRECT_URL: 'postgres://h/db' }, 'DATABASE_DIRECT_URL'],
    [{ GATEHOUSE_ADMIN_EMAIL: 'a@example.com' }, 'GATEHOUSE_ADMIN_PASSWORD'],
    [{ GATEHOUSE_ADMIN_PASSWORD: 'a long password' }, 'GATEHOUSE_ADMIN_EMAIL'],
    [{ SMTP_URL: 'smtp://mail.example.com' }, 'PUBLIC_URL'],
    [{ SESSION_IDLE_SECONDS: '7776001' }, 'SESSION_IDLE_SECONDS'],
    [{ SESSION_ABSOLUTE_SECONDS: '300' }, 'SESSION_IDLE_SECONDS'],
  ]
  for (const [environment, name] of table) t.same(mistakes(environment).map((mistake) => mistake.name), [name], JSON.stringify(environment))
})

t.test('what stands in front of the database is found out, or said', async (t) => {
  const pooling = (more: Record<string, string>): unknown => config(more).databasePooling
  t.same(pooling({ DATABASE_POOLING: 'session' }), { isShared: false, prepares: null })
  t.same(pooling({ DATABASE_PREPARE: 'off' }), { isShared: null, prepares: false })
  t.same(pooling({ DATABASE_POOLING: 'auto', DATABASE_PREPARE: 'auto' }), { isShared: null, prepares: null })
})

t.test('a mistyped variable of ours is told in one line, and stops nothing', async (t) => {
  t.same(warnings({ GATEHOUSE_SECERT: SECRET, GATEHOUSE_PORT: '3000' }), ['GATEHOUSE_SECERT', 'GATEHOUSE_PORT'])
})

t.test('what a cluster sets for services beside it is no variable of ours, whatever they are called', async (t) => {
  const link = (service: string, port: number, name?: string): Record<string, string> => ({
    [`${service}_SERVICE_HOST`]: '10.0.0.1', [`${service}_SERVICE_PORT`]: String(port), ...(name ? { [`${service}_SERVICE_PORT_${name}`]: String(port) } : {}), [`${service}_PORT`]: `tcp://10.0.0.1:${port}`,
    [`${service}_PORT_${port}_TCP`]: `tcp://10.0.0.1:${port}`, [`${service}_PORT_${port}_TCP_PROTO`]: 'tcp', [`${service}_PORT_${port}_TCP_PORT`]: String(port), [`${service}_PORT_${port}_TCP_ADDR`]: '10.0.0.1',
    [`${service}_PORT_53_UDP`]: 'udp://[fd00::1]:53', [`${service}_NAME`]: '/web/gatehouse', [`${service}_ENV_PATH`]: '/bin',
  })
  for (const service of ['GATEHOUSE', 'GATEHOUSE_DATA_DIR', 'GATEHOUSE_SECRET', 'GATEHOUSE_ADMIN', 'GATEHOUSE_2', 'DATABASE', 'REDIS', 'POSTGRES']) {
    t.same(readConfig(link(service, 3000, 'HTTP')), readConfig({}), service)
  }
})

t.test('a newline that closes a mounted value is not part of it; in GATEHOUSE_SECRET it is, for what it encrypted is there', async (t) => {
  for (const end of ['\n', '\r\n']) {
    t.same(config({ GATEHOUSE_ADMIN_EMAIL: `a@example.com${end}`, GATEHOUSE_ADMIN_PASSWORD: `a long password${end}`, PORT: `8080${end}` }).admin, { email: 'a@example.com', password: 'a long password' })
    t.equal(config({ GATEHOUSE_SECRET: `${SECRET}${end}` }).secret, `${SECRET}${end}`)
  }
  t.equal(config({ GATEHOUSE_ADMIN_EMAIL: 'a@example.com', GATEHOUSE_ADMIN_PASSWORD: 'a long password\n\n' }).admin?.password, 'a long password\n', 'one, not all')
})

t.test('every mistake is reported at once, each variable on one line', async (t) => {
  const secretParts = ['hunter2', 's3cr3t-token', 'p4ssw0rd']
  const found = mistakes({
    PORT: 'x', LOG_LEVEL: 'loud', BCRYPT_COST: '99', DATABASE_URL: 'mysql://root:hunter2@h/db', REDIS_URL: 'http://:s3cr3t-token@h', GATEHOUSE_SECRET: 'p4ssw0rd', GATEHOUSE_TYPO: 'hunter2',
    PUBLIC_URL: 'http://far.example', TRUSTED_PROXIES: 'everybody', CORS_ORIGINS: '*', GATEHOUSE_ADMIN_EMAIL: 'a@example.com',
  })
  const names = found.map(({ name }) => name)
  t.same(names.toSorted(), [
    'BCRYPT_COST', 'CORS_ORIGINS', 'DATABASE_URL', 'GATEHOUSE_ADMIN_PASSWORD', 'GATEHOUSE_SECRET', 'GATEHOUSE_TYPO', 'LOG_LEVEL', 'PORT', 'PUBLIC_URL', 'REDIS_URL', 'TRUSTED_PROXIES',
  ])
  const text = found.map(({ name, message }) => `${name} ${message}`).join('\n')
  t.equal(text.split('\n').length, new Set(names).size, 'one line a variable')
  for (const part of secretParts) t.notOk(text.includes(part), 'no secret in it')
})

t.test('every variable has a description, and a default or none', async (t) => {
  for (const [name, schema] of Object.entries(ConfigSchema.properties)) t.match(schema.description, /^[A-Z].{8}/i, name)
})

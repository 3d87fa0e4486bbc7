// Every environment variable Gatehouse reads, in one schema: names, defaults, limits and the text of
// docs/configuration.md. Pure: the environment goes in, a Config or a list of mistakes comes out.
import { availableParallelism } from 'node:os'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { SignUpMode } from './accounts/index.js'
import { isLoopbackHost } from './kernel/address.js'
import { isAddressRange, isEverybody, isResolver, WIDEST_IPV4, WIDEST_IPV6 } from './kernel/address-range.js'
import { parseDatabaseUrl } from './kernel/database-url.js'
import { REDIS_URL_BEGINS, REDIS_URL_PATTERN, redisUrlMistake } from './kernel/redis-url.js'

const seconds = (minimum: number, maximum: number, preset: number, description: string) =>
  Type.Integer({ minimum, maximum, default: preset, description })
const days = (preset: number, description: string) => Type.Integer({ minimum: 1, maximum: 36_500, default: preset, description })

export const ConfigSchema = Type.Object({
  PORT: Type.Integer({ minimum: 0, maximum: 65535, default: 3000, description: 'TCP port to listen on; 0 takes a free one' }),
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 or :: for all' }),
  INSIDE_HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address of the inside listener, for gateways and Prometheus: /gate/... and /metrics answer there only' }),
  INSIDE_PORT: Type.Integer({ minimum: 0, maximum: 65535, default: 3001, description: 'TCP port of the inside listener; 0 takes a free one. Another one for each node of a machine' }),
  INSIDE_SOCKET: Type.Optional(Type.String({ maxLength: 100, description: 'Path of a Unix socket to listen on instead of INSIDE_HOST and INSIDE_PORT; who may open it may ask. Its mode is 0660' })),
  PUBLIC_URL: Type.Optional(Type.String({ description: 'The URL clients use, without a path: https, or http on localhost. Decides cookie names, HSTS and what counts as same-origin. Default: http://localhost:PORT' })),
  DATABASE_URL: Type.Optional(Type.String({ pattern: '^postgres(ql)?://', description: 'PostgreSQL 14 or newer, postgres://user:password@host:5432/name. Without it Gatehouse runs its own in GATEHOUSE_DATA_DIR' })),
  DATABASE_DIRECT_URL: Type.Optional(Type.String({ pattern: '^postgres(ql)?://', description: 'The same database past the pooler that DATABASE_URL names: for migrations and for hearing of revocations' })),
  DATABASE_POOLING: Type.Union([Type.Literal('auto'), Type.Literal('session'), Type.Literal('transaction')], { default: 'auto', description: 'What the pooler in DATABASE_URL gives a client: a session of its own, as PostgreSQL itself does, or another one for each transaction; auto finds out at the start' }),
  DATABASE_PREPARE: Type.Union([Type.Literal('auto'), Type.Literal('on'), Type.Literal('off')], { default: 'auto', description: 'Whether statements are prepared by name; auto: unless a pooler in transaction mode was seen to lose them, as PgBouncer before 1.21 does' }),
  DATABASE_POOL_MAX: Type.Integer({ minimum: 2, maximum: 500, default: 10, description: 'Database connections of this node; up to 2 more serve what is read in the middle of a transaction' }),
  REDIS_URL: Type.Optional(Type.String({ pattern: REDIS_URL_PATTERN, description: 'redis://host:6379/0, redis+sentinel://host:26379,host:26379/NAME/0 or redis+cluster://host:6379,host:6379 (rediss: with TLS), ?keyPrefix=NAME: to share one Redis (default gatehouse:). Without it limits and fast copies are kept in this process, which is right for one node only' })),
  GATEHOUSE_SECRET: Type.Optional(Type.String({ minLength: 32, description: 'At least 32 random characters; all keys that sign or encrypt derive from it. Required with DATABASE_URL, the same on every node; without DATABASE_URL it is made once and kept in GATEHOUSE_DATA_DIR' })),
  GATEHOUSE_SECRET_PREVIOUS: Type.Optional(Type.String({ minLength: 32, description: 'The GATEHOUSE_SECRET before this one, while it is rotated: what was made under it is read, and made anew at its next use' })),
  GATEHOUSE_DATA_DIR: Type.String({ minLength: 1, default: './data', description: 'Folder of the embedded PostgreSQL and of its secret' }),
  GATEHOUSE_ADMIN_EMAIL: Type.Optional(Type.String({ pattern: '^[^@\\s]+@[^@\\s]+$', maxLength: 254, description: 'With GATEHOUSE_ADMIN_PASSWORD: this administrator is created when there is no user yet' })),
  GATEHOUSE_ADMIN_PASSWORD: Type.Optional(Type.String({ minLength: 12, maxLength: 256, description: 'See GATEHOUSE_ADMIN_EMAIL' })),
  TRUSTED_PROXIES: Type.String({ default: '', description: 'Comma-separated addresses or CIDR ranges whose X-Forwarded-* headers are believed; of anyone else they are ignored. Ranges wider than /8 (IPv6: /7) are refused' }),
  CORS_ORIGINS: Type.String({ default: '', description: 'Comma-separated origins (https://app.example.com) that browsers may call from' }),
  CORS_CREDENTIALS: Type.Union([Type.Literal('true'), Type.Literal('false')], { default: 'false', description: 'true: pages of CORS_ORIGINS may also sign in with the cookie. Browsers send it between origins of one site only (app.example.com and auth.example.com): see below' }),
  WORKERS: Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 1, maximum: 256 })], { default: 1, description: 'Processes of this node, each on a core of its own; auto: one a core. More than one needs REDIS_URL and DATABASE_URL, by which they share what one process keeps in its memory. SIGHUP replaces them one by one' }),
  LOG_LEVEL: Type.Union(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)), { default: 'info', description: 'Least level that is logged' }),
  SIGN_UP: Type.Union([Type.Literal('closed'), Type.Literal('invited'), Type.Literal('open')], { default: 'closed', description: 'Who may open an account by themselves: open lets everybody, closed nobody; invited is for those who have an invitation (`POST /invitations`), which open lets accept, too. Never anybody before the set-up' }),
  ANONYMOUS_USERS: Type.Union([Type.Literal('off'), Type.Literal('on')], { default: 'off', description: 'Whether somebody may sign in without saying who they are (POST /auth/anonymous) and make the account a real one later' }),
  ANONYMOUS_USERS_MAX: Type.Integer({ minimum: 1, maximum: 100_000_000, default: 100_000, description: 'About how many anonymous users there may be; more are refused until some have ended' }),
  ANONYMOUS_USERS_KEPT_DAYS: days(30, 'An anonymous user is deleted when no session and no key of theirs has been used for this long'),
  OAUTH_REGISTRATION: Type.Union([Type.Literal('closed'), Type.Literal('token'), Type.Literal('open')], { default: 'closed', description: 'Who may register OAuth clients by RFC 7591: nobody, whoever holds gatehouse:clients.write, or anybody' }),
  OAUTH_CLIENT_DOCUMENTS: Type.Union([Type.Literal('off'), Type.Literal('on')], { default: 'off', description: 'Whether a client may be named by the address of what it says of itself (client id metadata documents, an Internet-Draft)' }),
  OAUTH_DYNAMIC_CLIENTS_MAX: Type.Integer({ minimum: 1, maximum: 10_000_000, default: 10_000, description: 'Clients that came in these two ways, at a time; one that nobody signs in to is gone after a day, one that nobody uses after 90' }),
  LOG_REQUESTS: Type.Union([Type.Literal('errors'), Type.Literal('all'), Type.Literal('none')], { default: 'errors', description: 'Which answered requests get a line in the log: those of status 400 and above (at most 50 refusals a second), all, or none' }),
  GATEHOUSE_UI_DIR: Type.Optional(Type.String({ minLength: 1, description: 'Folder with the look of the hosted pages: theme.css, logo.svg, logo-dark.svg, messages/*.json. See pages.md' })),
  UI_LOCALE: Type.String({ pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$', maxLength: 35, default: 'en', description: 'Language of the hosted pages for whoever wishes for none that there is' }),
  DRAIN_SECONDS: seconds(0, 300, 5, 'After SIGTERM, how long /readyz answers 503 while requests are still answered, so that balancers go elsewhere; 0 when there is none in front. Ctrl-C never waits'),
  BCRYPT_COST: Type.Integer({ minimum: 10, maximum: 15, default: 12, description: 'bcrypt work factor; each step doubles the time of a sign-in' }),
  ACCESS_TOKEN_SECONDS: seconds(30, 86_400, 300, 'Life of an access token'),
  SESSION_IDLE_SECONDS: seconds(300, 31_536_000, 1_209_600, 'A session unused for this long ends (14 days); uses are noted once a minute'),
  SESSION_ABSOLUTE_SECONDS: seconds(300, 31_536_000, 7_776_000, 'A session ends this long after its sign-in (90 days)'),
  KEY_PREFIX: Type.String({ pattern: '^[a-z][a-z0-9]{0,15}$', default: 'gk', description: 'First part of every API key' }),
  KEYS_PER_OWNER: Type.Integer({ minimum: 1, maximum: 100_000, default: 100, description: 'Live keys that people, and accounts of services, may have of their own' }),
  SOLD_KEYS_PER_OWNER: Type.Integer({ minimum: 1, maximum: 100_000, default: 1_000, description: 'Live keys that may be sold to one owner; they do not count as the owner\'s own' }),
  LIMITS_WITHOUT_REDIS: Type.Union([Type.Literal('refuse'), Type.Literal('share')], { default: 'refuse', description: 'Of several nodes, one that has lost Redis: refuse keeps every limit and refuses until its window has passed; share goes on at once with its share, and may exceed a limit' }),
  REVOCATION_LEASE_MS: Type.Integer({ minimum: 500, maximum: 60_000, default: 1_500, description: 'No revoked credential is accepted later than this after its revocation. For as long a node goes on deciding while the database does not answer' }),
  DECISION_CACHE_ENTRIES: Type.Integer({ minimum: 1, maximum: 10_000_000, default: 100_000, description: 'Credentials whose decision is kept in memory' }),
  DECISION_CACHE_BYTES: Type.Integer({ minimum: 65_536, maximum: 17_179_869_184, default: 67_108_864, description: 'Memory for them, estimated; the least recently used go first' }),
  USAGE_MINUTES_KEPT_DAYS: days(7, 'How long usage is kept by the minute'),
  USAGE_HOURS_KEPT_DAYS: days(90, 'How long usage is kept by the hour'),
  USAGE_DAYS_KEPT_DAYS: days(1_096, 'How long usage is kept by the day (three years)'),
  EVENTS_KEPT_DAYS: days(30, 'How long events are kept to be read and replayed; the audit log keeps what happened'),
  EVENT_STREAMS_MAX: Type.Integer({ minimum: 1, maximum: 100_000, default: 4_000, description: 'Event streams (GET /events) that one node holds open' }),
  EVENT_STREAMS_PER_OWNER: Type.Integer({ minimum: 1, maximum: 100_000, default: 20, description: 'Of those, by one user and their keys' }),
  IMPORT_MAX_BYTES: Type.Integer({ minimum: 1_048_576, maximum: 1_099_511_627_776, default: 2_147_483_648, description: 'What one bulk import may hold, unpacked' }),
  AUDIT_REFUSALS_KEPT_DAYS: days(30, 'How long refusals stay in the audit log; security acts stay for ever'),
  SESSIONS_PER_USER: Type.Integer({ minimum: 1, maximum: 10_000, default: 100, description: 'Sessions that one user may have at a time' }),
  REQUESTS_PER_MINUTE: Type.Integer({ minimum: 60, maximum: 10_000_000, default: 6_000, description: 'Requests of one user, or one key, to the routes that manage; deciding about keys is not counted' }),
  SMTP_URL: Type.Optional(Type.String({ description: 'Mail server: smtp://user:password@host:587 (STARTTLS, insisted on beyond this machine) or smtps://...:465. Without it no mail is sent. Needs PUBLIC_URL' })),
  MAIL_FROM: Type.Optional(Type.String({ maxLength: 320, pattern: '^[^\\r\\n]+@[^\\r\\n]+$', description: 'Who mails are from: an address, or Name <address>. Without it, no-reply at the host of PUBLIC_URL' })),
  GATEHOUSE_MAIL_DIR: Type.Optional(Type.String({ minLength: 1, description: 'Folder with words and look of mails: messages/*.json, frame.html. See mail.md' })),
  EMAIL_VERIFICATION: Type.Optional(Type.Union([Type.Literal('required'), Type.Literal('optional')], { description: 'Is an account opened only once its address has been confirmed by mail? `required` when SMTP_URL is set, else `optional`' })),
  MAGIC_LINK: Type.Union([Type.Literal('off'), Type.Literal('on')], { default: 'off', description: 'May people sign in by a code or link that is mailed to them, without a password?' }),
  OUTBOUND_ALLOW: Type.String({ default: '', description: 'Comma-separated addresses or CIDR ranges of special use (127.0.0.0/8, 10.0.0.0/8) that Gatehouse may send requests to, also over plain http: identity providers of an intranet. Nothing else but the public Internet is asked, over https; link-local addresses and machines\' metadata never are' }),
  OUTBOUND_ALLOW_ORGANIZATIONS: Type.String({ default: '', description: 'The same for what organizations name themselves: addresses of their webhook endpoints. What OUTBOUND_ALLOW names is not open to them' }),
  DNS_SERVERS: Type.String({ default: '', description: 'Comma-separated addresses of resolvers (192.0.2.53, [2001:db8::53]:5353) that are asked for the records that prove organizations\' domains; best ones that validate DNSSEC. Without it those of the machine' }),
  ORGANIZATION_DOMAINS_KEPT_DAYS: days(7, 'How long the record that proves an organization\'s domain may be gone until the domain is its own no longer; nobody comes in by it meanwhile'),
  CONNECTIONS_MAX: Type.Integer({ minimum: 16, maximum: 1_000_000, default: 10_000, description: 'Connections of this node at a time' }),
  CONNECTIONS_PER_ADDRESS: Type.Integer({ minimum: 4, maximum: 1_000_000, default: 1_024, description: 'Connections of one address (IPv4 /32, IPv6 /56) at a time; TRUSTED_PROXIES are not counted' }),
})

type Environment = Static<typeof ConfigSchema>
type Name = keyof Environment

export const variableNames = Object.keys(ConfigSchema.properties) as Name[]

/** Does this variable hold a secret, so that NAME_FILE is read for it? A URL may hold a password. */
export function isSecretName(name: string): boolean {
  return /SECRET|PASSWORD|^(DATABASE|DATABASE_DIRECT|REDIS|SMTP)_URL$/.test(name)
}

// Kubernetes (and Docker's links) put these into every container for each service beside it, whatever the service is called
const LINK_NAME = /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|ENV_.+)$/
const LINK_VALUE = /^(tcp|udp|sctp):\/\//

/** Is this a variable that a cluster sets to tell of a service, not one that somebody meant for us? */
function isLink(name: string, value: string): boolean {
  return LINK_NAME.test(name) || (name.endsWith('_PORT') && LINK_VALUE.test(value)) || (name.endsWith('_NAME') && value.startsWith('/'))
}

export interface Config {
  port: number
  host: string
  inside: { host: string; port: number } | { path: string }
  /** origin only; null until the port is known, when PUBLIC_URL is unset */
  publicUrl: string | null
  databaseUrl: string | null
  databaseDirectUrl: string | null
  /** null: to be found out */
  databasePooling: { isShared: boolean | null; prepares: boolean | null }
  databasePoolMax: number
  redisUrl: string | null
  secret: string | null
  previousSecret: string | null
  dataDir: string
  admin: { email: string; password: string } | null
  trustedProxies: string[]
  corsOrigins: string[]
  corsCredentials: boolean
  /** how many processes answer */
  workers: number
  logLevel: string
  signUp: SignUpMode
  anonymousUsers: boolean
  anonymousUsersMax: number
  oauthRegistration: 'closed' | 'token' | 'open'
  oauthClientDocuments: boolean
  oauthDynamicClientsMax: number
  anonymousUsersKeptDays: number
  logRequests: 'errors' | 'all' | 'none'
  drainSeconds: number
  uiDir: string | null
  uiLocale: string
  bcryptCost: number
  accessTokenSeconds: number
  sessionIdleSeconds: number
  sessionAbsoluteSeconds: number
  keyPrefix: string
  keysPerOwner: number
  soldKeysPerOwner: number
  limitsWithoutRedis: 'refuse' | 'share'
  revocationLeaseMs: number
  decisionCacheEntries: number
  decisionCacheBytes: number
  usageMinutesKeptDays: number
  usageHoursKeptDays: number
  usageDaysKeptDays: number
  auditRefusalsKeptDays: number
  eventsKeptDays: number
  eventStreamsMax: number
  eventStreamsPerOwner: number
  importMaxBytes: number
  sessionsPerUser: number
  requestsPerMinute: number
  smtpUrl: string | null
  mailFrom: string | null
  mailDir: string | null
  emailVerification: 'required' | 'optional'
  magicLink: boolean
  outboundAllow: string[]
  outboundAllowOrganizations: string[]
  dnsServers: string[]
  organizationDomainsKeptDays: number
  connectionsMax: number
  connectionsPerAddress: number
}

/** What the environment says: a Config and what is odd about it, or every mistake in it. */
export type ReadConfig = { config: Config; warnings: Mistake[] } | { mistakes: Mistake[] }

/** One mistake: the variable and what is wrong with it, never its value. */
export interface Mistake {
  name: string
  message: string
}

/** Is this an http(s) origin? With `loopbackHttp`, plain http only on this machine. */
function isOrigin(text: string, loopbackHttp: boolean): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || text.includes('*')) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && (!loopbackHttp || isLoopbackHost(url.hostname)))
}

function isSmtpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, pathname, search, hash } = new URL(text)
  return ['smtp:', 'smtps:'].includes(protocol) && hostname !== '' && ['', '/'].includes(pathname) && search === '' && hash === ''
}

function listOf(text: string): string[] {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '')
}

function convert(name: Name, text: string): unknown {
  const isInteger = name === 'WORKERS' || ConfigSchema.properties[name].type === 'integer'
  return isInteger && /^-?\d{1,15}$/.test(text) ? Number(text) : text
}

function messageFor(name: Name, fallback: string): string {
  if (name === 'CORS_CREDENTIALS') return 'must be true or false'
  if (name === 'LIMITS_WITHOUT_REDIS') return 'must be refuse or share'
  if (name === 'WORKERS') return 'must be a whole number from 1 to 256, or auto'
  if (name === 'SIGN_UP') return 'must be closed, invited or open'
  if (name === 'EMAIL_VERIFICATION') return 'must be required or optional'
  if (name === 'MAGIC_LINK') return 'must be off or on'
  if (name === 'MAIL_FROM') return 'must be an address, or Name <address>'
  if (name === 'UI_LOCALE') return 'must be a language tag such as en or de-AT'
  if (name === 'LOG_LEVEL') return 'must be fatal, error, warn, info, debug, trace or silent'
  if (name === 'LOG_REQUESTS') return 'must be errors, all or none'
  if (name === 'DATABASE_POOLING') return 'must be auto, session or transaction'
  if (name === 'DATABASE_PREPARE') return 'must be auto, on or off'
  if (name === 'DATABASE_URL' || name === 'DATABASE_DIRECT_URL') return 'must begin with postgres:// or postgresql://'
  if (name === 'REDIS_URL') return REDIS_URL_BEGINS
  if (name === 'GATEHOUSE_ADMIN_EMAIL') return 'must be an e-mail address of at most 254 characters'
  const { minimum, maximum, minLength, maxLength, pattern } = ConfigSchema.properties[name] as Bounds
  if (minimum !== undefined) return `must be a whole number from ${minimum} to ${maximum}`
  if (pattern !== undefined) return `must match ${pattern}`
  if (maxLength !== undefined) return `must have ${minLength} to ${maxLength} characters`
  return minLength === undefined ? fallback : `must have at least ${minLength} characters`
}

interface Bounds {
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
}

const workersOf = (workers: number | 'auto'): number => (workers === 'auto' ? availableParallelism() : workers)

/** What no schema of one variable can say. Sees only the values that are good by themselves. */
function crossChecks(env: Partial<Environment>, given: ReadonlySet<string>): Mistake[] {
  const mistakes: Mistake[] = []
  const say = (name: Name, message: string): void => void mistakes.push({ name, message })
  if (env.INSIDE_SOCKET !== undefined && Buffer.byteLength(env.INSIDE_SOCKET) > 100) say('INSIDE_SOCKET', 'must be a path of at most 100 bytes')
  for (const name of ['INSIDE_HOST', 'INSIDE_PORT'] as const) {
    if (env.INSIDE_SOCKET !== undefined && given.has(name)) say(name, 'cannot be given together with INSIDE_SOCKET')
  }
  if (env.INSIDE_SOCKET === undefined && env.INSIDE_PORT === env.PORT && env.PORT !== 0 && env.INSIDE_HOST === env.HOST) say('INSIDE_PORT', 'must not be PORT')
  if (env.PUBLIC_URL !== undefined && !isOrigin(env.PUBLIC_URL, true)) say('PUBLIC_URL', 'must be an https:// origin without a path (http:// only on localhost or a loopback address)')
  if (env.DATABASE_URL !== undefined && !given.has('GATEHOUSE_SECRET')) say('GATEHOUSE_SECRET', 'is required with DATABASE_URL (32 characters or more, the same on every node)')
  for (const [name, text] of [['DATABASE_URL', env.DATABASE_URL], ['DATABASE_DIRECT_URL', env.DATABASE_DIRECT_URL]] as const) {
    const parsed = text === undefined ? null : parseDatabaseUrl(text)
    if (parsed && 'mistake' in parsed) say(name, parsed.mistake)
  }
  if (env.DATABASE_DIRECT_URL !== undefined && !given.has('DATABASE_URL')) say('DATABASE_DIRECT_URL', 'is of use only with DATABASE_URL')
  const badRedisUrl = env.REDIS_URL === undefined ? null : redisUrlMistake(env.REDIS_URL)
  if (badRedisUrl !== null) say('REDIS_URL', badRedisUrl)
  if (env.WORKERS !== undefined && workersOf(env.WORKERS) > 1) {
    if (env.REDIS_URL === undefined) say('WORKERS', 'needs REDIS_URL: several processes cannot count a limit in the memory of one')
    else if (env.DATABASE_URL === undefined) say('WORKERS', 'needs DATABASE_URL: the embedded PostgreSQL belongs to one process')
  }
  if (!given.has('GATEHOUSE_ADMIN_EMAIL') && given.has('GATEHOUSE_ADMIN_PASSWORD')) say('GATEHOUSE_ADMIN_EMAIL', 'is required with GATEHOUSE_ADMIN_PASSWORD')
  if (given.has('GATEHOUSE_ADMIN_EMAIL') && !given.has('GATEHOUSE_ADMIN_PASSWORD')) say('GATEHOUSE_ADMIN_PASSWORD', 'is required with GATEHOUSE_ADMIN_EMAIL')
  if (!listOf(env.TRUSTED_PROXIES ?? '').every(isAddressRange)) say('TRUSTED_PROXIES', 'must be addresses or CIDR ranges, comma-separated')
  else if (listOf(env.TRUSTED_PROXIES ?? '').some(isEverybody)) say('TRUSTED_PROXIES', `must name your proxies: a range wider than /${WIDEST_IPV4} (IPv6: /${WIDEST_IPV6}) would let anybody tell any address`)
  if (env.SMTP_URL !== undefined && !isSmtpUrl(env.SMTP_URL)) say('SMTP_URL', 'must be smtp:// or smtps:// with a host, and nothing behind it')
  else if (env.SMTP_URL !== undefined && !given.has('PUBLIC_URL')) say('PUBLIC_URL', 'is required with SMTP_URL: the links in mails begin with it')
  if (!listOf(env.OUTBOUND_ALLOW ?? '').every(isAddressRange)) say('OUTBOUND_ALLOW', 'must be addresses or CIDR ranges, comma-separated')
  if (!listOf(env.OUTBOUND_ALLOW_ORGANIZATIONS ?? '').every(isAddressRange)) say('OUTBOUND_ALLOW_ORGANIZATIONS', 'must be addresses or CIDR ranges, comma-separated')
  if (!listOf(env.DNS_SERVERS ?? '').every(isResolver)) say('DNS_SERVERS', 'must be addresses of resolvers, each with or without a port, comma-separated')
  if (/\p{Cc}/u.test(env.GATEHOUSE_DATA_DIR ?? '')) say('GATEHOUSE_DATA_DIR', 'must not hold line breaks or other control characters')
  if (!listOf(env.CORS_ORIGINS ?? '').every((origin) => isOrigin(origin, false) && new URL(origin).origin === origin)) say('CORS_ORIGINS', 'must be origins like https://app.example.com, comma-separated, no wildcard, no path')
  if ((env.SESSION_IDLE_SECONDS ?? 0) > (env.SESSION_ABSOLUTE_SECONDS ?? Infinity)) say('SESSION_IDLE_SECONDS', 'must not exceed SESSION_ABSOLUTE_SECONDS')
  return mistakes
}

/**
 * The value as it was meant: without the newline that a mounted secret ends with. GATEHOUSE_SECRET keeps its own, for what is
 * encrypted already was encrypted with it. What a cluster set for a service of that name was not meant for us.
 */
function meant(name: Name, text: string): string {
  if (name.endsWith('_PORT') && LINK_VALUE.test(text)) return ''
  return name.includes('SECRET') ? text : text.replace(/\r?\n$/, '')
}

/** Variables that begin as ours do and are none, nor of a cluster's making. */
function unknownVariables(environment: Record<string, string | undefined>): Mistake[] {
  const known = new Set<string>(variableNames.flatMap((name) => (isSecretName(name) ? [name, `${name}_FILE`] : [name])))
  return Object.entries(environment).flatMap(([name, value = '']) => {
    const isUnknown = name.startsWith('GATEHOUSE_') && !name.startsWith('GATEHOUSE_TEST_') && !known.has(name) && !isLink(name, value)
    return isUnknown ? [{ name, message: 'is not a variable of Gatehouse: it is ignored' }] : []
  })
}

/** Reads the environment; an empty value counts as unset. Every mistake is reported, one a variable, not only the first. */
export function readConfig(environment: Record<string, string | undefined>): ReadConfig {
  const given = variableNames.flatMap((name) => {
    const text = meant(name, environment[name] ?? '')
    return text === '' ? [] : [[name, convert(name, text)] as const]
  })
  const env: unknown = Value.Default(ConfigSchema, Object.fromEntries(given))
  const mistakes = new Map<string, Mistake>()
  for (const error of Value.Errors(ConfigSchema, env)) {
    const name = error.path.slice(1) as Name
    if (!mistakes.has(name)) mistakes.set(name, { name, message: messageFor(name, error.message) })
  }
  const good = Object.fromEntries(Object.entries(env as Record<string, unknown>).filter(([name]) => !mistakes.has(name)))
  for (const mistake of crossChecks(good, new Set(given.map(([name]) => name)))) {
    if (!mistakes.has(mistake.name)) mistakes.set(mistake.name, mistake)
  }
  if (mistakes.size === 0 && Value.Check(ConfigSchema, env)) return { config: toConfig(env), warnings: unknownVariables(environment) }
  return { mistakes: [...mistakes.values(), ...unknownVariables(environment)] }
}

/** Is it this one of two? null when it is to be found out. */
const chosen = (value: string, yes: string): boolean | null => (value === 'auto' ? null : value === yes)

function toConfig(env: Environment): Config {
  const admin = env.GATEHOUSE_ADMIN_EMAIL !== undefined && env.GATEHOUSE_ADMIN_PASSWORD !== undefined
    ? { email: env.GATEHOUSE_ADMIN_EMAIL, password: env.GATEHOUSE_ADMIN_PASSWORD }
    : null
  return {
    port: env.PORT, host: env.HOST, inside: env.INSIDE_SOCKET === undefined ? { host: env.INSIDE_HOST, port: env.INSIDE_PORT } : { path: env.INSIDE_SOCKET }, publicUrl: env.PUBLIC_URL === undefined ? null : new URL(env.PUBLIC_URL).origin, databaseUrl: env.DATABASE_URL ?? null,
    databaseDirectUrl: env.DATABASE_DIRECT_URL ?? null, databasePooling: { isShared: chosen(env.DATABASE_POOLING, 'transaction'), prepares: chosen(env.DATABASE_PREPARE, 'on') }, databasePoolMax: env.DATABASE_POOL_MAX, redisUrl: env.REDIS_URL ?? null, secret: env.GATEHOUSE_SECRET ?? null, previousSecret: env.GATEHOUSE_SECRET_PREVIOUS ?? null, dataDir: env.GATEHOUSE_DATA_DIR, admin,
    trustedProxies: listOf(env.TRUSTED_PROXIES), corsOrigins: listOf(env.CORS_ORIGINS), corsCredentials: env.CORS_CREDENTIALS === 'true', workers: workersOf(env.WORKERS), logLevel: env.LOG_LEVEL, logRequests: env.LOG_REQUESTS, drainSeconds: env.DRAIN_SECONDS, uiDir: env.GATEHOUSE_UI_DIR ?? null, uiLocale: env.UI_LOCALE, signUp: env.SIGN_UP,
    anonymousUsers: env.ANONYMOUS_USERS === 'on', anonymousUsersMax: env.ANONYMOUS_USERS_MAX, oauthRegistration: env.OAUTH_REGISTRATION, oauthClientDocuments: env.OAUTH_CLIENT_DOCUMENTS === 'on', oauthDynamicClientsMax: env.OAUTH_DYNAMIC_CLIENTS_MAX, anonymousUsersKeptDays: env.ANONYMOUS_USERS_KEPT_DAYS, bcryptCost: env.BCRYPT_COST,
    accessTokenSeconds: env.ACCESS_TOKEN_SECONDS, sessionIdleSeconds: env.SESSION_IDLE_SECONDS, sessionAbsoluteSeconds: env.SESSION_ABSOLUTE_SECONDS,
    revocationLeaseMs: env.REVOCATION_LEASE_MS, decisionCacheEntries: env.DECISION_CACHE_ENTRIES, decisionCacheBytes: env.DECISION_CACHE_BYTES,
    keyPrefix: env.KEY_PREFIX, keysPerOwner: env.KEYS_PER_OWNER, soldKeysPerOwner: env.SOLD_KEYS_PER_OWNER, limitsWithoutRedis: env.LIMITS_WITHOUT_REDIS, usageMinutesKeptDays: env.USAGE_MINUTES_KEPT_DAYS, usageHoursKeptDays: env.USAGE_HOURS_KEPT_DAYS,
    usageDaysKeptDays: env.USAGE_DAYS_KEPT_DAYS, auditRefusalsKeptDays: env.AUDIT_REFUSALS_KEPT_DAYS, sessionsPerUser: env.SESSIONS_PER_USER,
    requestsPerMinute: env.REQUESTS_PER_MINUTE, smtpUrl: env.SMTP_URL ?? null, mailFrom: env.MAIL_FROM ?? null, mailDir: env.GATEHOUSE_MAIL_DIR ?? null,
    emailVerification: env.EMAIL_VERIFICATION ?? (env.SMTP_URL === undefined ? 'optional' : 'required'), magicLink: env.MAGIC_LINK === 'on', outboundAllow: listOf(env.OUTBOUND_ALLOW), outboundAllowOrganizations: listOf(env.OUTBOUND_ALLOW_ORGANIZATIONS), dnsServers: listOf(env.DNS_SERVERS), organizationDomainsKeptDays: env.ORGANIZATION_DOMAINS_KEPT_DAYS, connectionsMax: env.CONNECTIONS_MAX, connectionsPerAddress: env.CONNECTIONS_PER_ADDRESS,
    eventsKeptDays: env.EVENTS_KEPT_DAYS, eventStreamsMax: env.EVENT_STREAMS_MAX, eventStreamsPerOwner: env.EVENT_STREAMS_PER_OWNER, importMaxBytes: env.IMPORT_MAX_BYTES,
  }
}

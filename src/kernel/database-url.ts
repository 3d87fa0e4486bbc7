// DATABASE_URL in the forms that libpq takes: several hosts, Unix sockets, schema, and TLS by libpq's words. Pure: text in, facts or one
// mistake out, which never repeats what stands in the URL.

export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

export interface DatabaseUrl {
  /** at least one, in the order in which they are tried; a host that begins with / is the folder of a Unix socket */
  addresses: { host: string; port: number }[]
  database: string | null
  user: string | null
  password: string | null
  schema: string | null
  /** null: nothing was said */
  sslMode: SslMode | null
  /** paths; a root certificate `system` is null */
  sslRootCert: string | null
  sslCert: string | null
  sslKey: string | null
  options: string | null
}

const FORM = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s
const ADDRESS = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d*))?$/i
const SCHEMA = /^[A-Za-z_][A-Za-z0-9_$]{0,62}$/
const SSL_MODES = new Set<string>(['disable', 'prefer', 'require', 'verify-ca', 'verify-full'])
const DEFAULT_PORT = 5432
const DEFAULT_HOST = 'localhost'

class Wrong extends Error {}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Wrong('has a % that begins no encoded character: write %25')
  }
}

/** An empty text is nothing. */
const some = (text: string | null | undefined): string | null => (text === undefined || text === null || text === '' ? null : text)

function portOf(text: string): number {
  const port = text === '' ? DEFAULT_PORT : Number(text)
  if (!/^\d{0,5}$/.test(text) || port < 1 || port > 65_535) throw new Wrong('has a port that is none')
  return port
}

function addressOf(text: string): { host: string; port: string } {
  const found = ADDRESS.exec(text)
  if (!found) throw new Wrong('has a host that is none: write host:port, [IPv6]:port or %2Ffolder')
  return { host: found[1] ?? decoded(found[2] ?? ''), port: found[3] ?? '' }
}

/** Hosts of the parameter win over those before the path; one port does for all, or each host has its own. */
function addressesOf(authority: string, { host, port }: { host: string | null; port: string | null }): DatabaseUrl['addresses'] {
  const written = authority.split(',').map(addressOf)
  const hosts = host?.split(',') ?? written.map((one) => one.host)
  const ports = port?.split(',') ?? written.map((one) => one.port)
  if (ports.length !== 1 && ports.length !== hosts.length) throw new Wrong('has another number of ports than of hosts')
  if (hosts.length > 1 && hosts.some((one) => one === '')) throw new Wrong('has an empty host among several')
  return hosts.map((one, at) => ({ host: one === '' ? DEFAULT_HOST : one, port: portOf((ports.length === 1 ? ports[0] : ports[at]) ?? '') }))
}

function sslModeOf(mode: string | null, ssl: string | null): SslMode | null {
  if (mode !== null) {
    if (!SSL_MODES.has(mode)) throw new Wrong('has an sslmode other than disable, prefer, require, verify-ca and verify-full')
    return mode as SslMode
  }
  // what pg itself takes
  if (ssl === 'true' || ssl === '1') return 'verify-full'
  return ssl === null ? null : 'disable'
}

function read(text: string): DatabaseUrl {
  if (text.includes('#')) throw new Wrong('has a # in it: write %23')
  const parts = FORM.exec(text)
  if (!parts) throw new Wrong('is not a URL')
  const [, account = '', authority = '', path = '', query = ''] = parts
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'))
  const given = (name: string): string | null => some(parameters.get(name))
  const colon = account.indexOf(':')
  const [user, password] = colon < 0 ? [account, ''] : [account.slice(0, colon), account.slice(colon + 1)]
  const attributes = given('target_session_attrs')
  if (attributes !== null && !['read-write', 'primary', 'any'].includes(attributes)) throw new Wrong('has a target_session_attrs other than read-write: Gatehouse writes')
  const schema = given('schema')
  if (schema !== null && !SCHEMA.test(schema)) throw new Wrong('has a schema whose name is not of letters, digits, _ and $')
  const sslMode = sslModeOf(given('sslmode'), given('ssl'))
  const [rootCert, sslCert, sslKey] = [given('sslrootcert'), given('sslcert'), given('sslkey')]
  if ((sslCert === null) !== (sslKey === null)) throw new Wrong('has one of sslcert and sslkey: it takes both')
  if ((sslMode === null || sslMode === 'disable') && (rootCert ?? sslCert) !== null) throw new Wrong('has certificates, and no sslmode that uses them')
  if (sslMode === 'verify-ca' && (rootCert === null || rootCert === 'system')) throw new Wrong('has sslmode=verify-ca, which needs an sslrootcert of your own')
  return {
    addresses: addressesOf(authority, { host: given('host'), port: given('port') }), database: some(decoded(path)) ?? given('dbname'), user: some(decoded(user)) ?? given('user'),
    password: some(decoded(password)) ?? given('password'), schema, sslMode, sslRootCert: rootCert === 'system' ? null : rootCert, sslCert, sslKey, options: given('options'),
  }
}

/** What the URL says, or what is wrong with it: `is ...` or `has ...`. */
export function parseDatabaseUrl(text: string): { url: DatabaseUrl } | { mistake: string } {
  try {
    return { url: read(text) }
  } catch (error) {
    if (error instanceof Wrong) return { mistake: error.message }
    throw error
  }
}

/** For people: where it leads, without user and password. */
export function placeOf(text: string): string {
  const parsed = parseDatabaseUrl(text)
  if ('mistake' in parsed) return ''
  const { addresses, database } = parsed.url
  return `${addresses.map(({ host, port }) => (host.startsWith('/') ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`)).join(',')}/${database ?? ''}`
}

// The forms of REDIS_URL. A single server has a URL that every client reads; several hosts in one URL are read here, for no URL parser does.
// Pure: a text goes in, what to connect to or what is wrong comes out, and what is wrong never repeats the text.
export interface Endpoint {
  host: string
  port: number
}

/** Redis behind sentinels; the user and the password are those of Redis, the sentinels may have others. */
export interface SentinelPlace {
  kind: 'sentinel'
  tls: boolean
  sentinels: Endpoint[]
  /** what the sentinels call the master */
  name: string
  db: number
  username: string | null
  password: string | null
  sentinelUsername: string | null
  sentinelPassword: string | null
  keyPrefix: string | null
}

/** One server: `url` without what is ours. */
export interface ServerPlace {
  kind: 'server'
  url: string
  db: number
  keyPrefix: string | null
}

/** A Redis Cluster, of which one slot is used. */
export interface ClusterPlace {
  kind: 'cluster'
  tls: boolean
  nodes: Endpoint[]
  username: string | null
  password: string | null
  keyPrefix: string | null
}

export type RedisPlace = ServerPlace | SentinelPlace | ClusterPlace

export const REDIS_URL_PATTERN = '^rediss?(\\+[a-z]+)?://'

export const REDIS_URL_BEGINS = 'must begin with redis://, redis+sentinel:// or redis+cluster://, or the same with rediss'

const SENTINEL_FORM = 'redis+sentinel://user:password@host:port,host:port/NAME/0'
const CLUSTER_FORM = 'redis+cluster://user:password@host:port,host:port'
const SENTINEL_PORT = 26_379
const CLUSTER_PORT = 6_379
const PARTS = /^(rediss?)\+([a-z]+):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/

/** What cannot be read, for people. */
export class RedisUrlError extends Error {}

function endpointsOf(text: string, form: string, usualPort: number): Endpoint[] {
  return text.split(',').map((one) => {
    const [, six, name, digits] = HOST.exec(one) ?? []
    const host = six ?? name
    const port = Number(digits ?? usualPort)
    if (host === undefined || port < 1 || port > 65_535) throw new RedisUrlError(`must name each host as host:port, like ${form}`)
    return { host, port }
  })
}

function decoded(text: string | undefined): string | null {
  if (text === undefined || text === '') return null
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RedisUrlError('must be percent-encoded in its user and password: a % is written %25')
  }
}

interface Parts {
  tls: boolean
  username: string | null
  password: string | null
  hosts: string
  path: string
  options: URLSearchParams
}

/** What all forms with several hosts have. */
function partsOf(text: string, form: string, known: readonly string[]): Parts {
  const parts = PARTS.exec(text)
  if (!parts) throw new RedisUrlError(`must have the form ${form}; @, / and ? in a password are written %40, %2F and %3F`)
  const [, scheme, , user = '', hosts = '', path = '', query] = parts
  const options = new URLSearchParams(query)
  if ([...options.keys()].some((name) => !known.includes(name))) throw new RedisUrlError(`must have no options but ${known.join(', ')}`)
  const colon = user.indexOf(':')
  if (user !== '' && colon < 0) throw new RedisUrlError('must have user:password@ or :password@ before its hosts')
  return { tls: scheme === 'rediss', username: decoded(user.slice(0, Math.max(0, colon))), password: decoded(user.slice(colon + 1)), hosts, path, options }
}

function readSentinel(text: string): SentinelPlace {
  const { tls, username, password, hosts, path, options } = partsOf(text, SENTINEL_FORM, ['keyPrefix', 'sentinelUsername', 'sentinelPassword'])
  const [, name, db] = /^\/([\w.-]+)(?:\/(\d{1,9})?)?$/.exec(path) ?? []
  if (name === undefined) throw new RedisUrlError(`must end with the master's name and, if it is not 0, the number of a database: ${SENTINEL_FORM}`)
  return {
    kind: 'sentinel', tls, sentinels: endpointsOf(hosts, SENTINEL_FORM, SENTINEL_PORT), name, db: Number(db ?? 0), username, password,
    sentinelUsername: options.get('sentinelUsername'), sentinelPassword: options.get('sentinelPassword'), keyPrefix: options.get('keyPrefix'),
  }
}

function readCluster(text: string): ClusterPlace {
  const { tls, username, password, hosts, path, options } = partsOf(text, CLUSTER_FORM, ['keyPrefix'])
  if (!/^(\/0?)?$/.test(path)) throw new RedisUrlError('must name no database but 0: a Redis Cluster has no other')
  const keyPrefix = options.get('keyPrefix')
  if (keyPrefix !== null && !/^[^{}]+$/.test(keyPrefix)) throw new RedisUrlError('must have a keyPrefix without { and }: it is the hash tag')
  return { kind: 'cluster', tls, nodes: endpointsOf(hosts, CLUSTER_FORM, CLUSTER_PORT), username, password, keyPrefix }
}

/** A URL whose path (or `db`) is no number can never work: nothing else may stand there. */
function readServer(text: string): ServerPlace {
  if (!URL.canParse(text)) throw new RedisUrlError('is not a URL')
  const url = new URL(text)
  const [path, option] = [url.pathname.slice(1), url.searchParams.get('db') ?? '']
  if (!/^\d{0,9}$/.test(path) || !/^\d{0,9}$/.test(option)) throw new RedisUrlError('must end with the number of a database, like /0, or with none')
  const keyPrefix = url.searchParams.get('keyPrefix')
  url.searchParams.delete('keyPrefix')
  return { kind: 'server', url: url.href, db: Number(option) || Number(path), keyPrefix }
}

/** Reads a REDIS_URL that matches REDIS_URL_PATTERN. Throws RedisUrlError. */
export function readRedisUrl(text: string): RedisPlace {
  const kind = /^rediss?(?:\+([a-z]+))?:/.exec(text)?.[1]
  if (kind === undefined) return readServer(text)
  if (kind === 'sentinel') return readSentinel(text)
  if (kind === 'cluster') return readCluster(text)
  throw new RedisUrlError(REDIS_URL_BEGINS)
}

/** What is wrong with it, for people; null: nothing. */
export function redisUrlMistake(text: string): string | null {
  try {
    readRedisUrl(text)
    return null
  } catch (error) {
    return error instanceof RedisUrlError ? error.message : 'is not a URL'
  }
}

/** The URL without users, passwords and options. */
export function describeRedisUrl(text: string): string {
  const [, scheme, kind, , hosts, path = ''] = PARTS.exec(text) ?? []
  if (kind !== undefined) return `${scheme}+${kind}://${hosts}${path}`
  const { protocol, host, pathname } = new URL(text)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

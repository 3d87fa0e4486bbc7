// From a DATABASE_URL to what pg takes: certificates are read, sslmode means what it means in libpq, and of several servers one is found.
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import { type DatabaseUrl, parseDatabaseUrl } from '../kernel/database-url.js'
import { createPlaces, type Place, type Places } from './places.js'

/** How connections are made. */
export interface Way extends pg.PoolConfig {
  /** where there is more than one way */
  places?: Places
  /** where the tables are, when it is not where the role's search_path leads first */
  schema?: string
}

function fileOf(name: string, path: string | null): string | undefined {
  if (path === null) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`the file of its ${name} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'})`, { cause: error })
  }
}

/** TLS by libpq's words: `require` checks nothing but with a root certificate, `verify-ca` who has signed, `verify-full` the name as well. */
function tlsOf({ sslMode, ...paths }: DatabaseUrl): ConnectionOptions {
  const [ca, cert, key] = [fileOf('sslrootcert', paths.sslRootCert), fileOf('sslcert', paths.sslCert), fileOf('sslkey', paths.sslKey)]
  const files = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
  if (sslMode === 'verify-full') return files
  if (sslMode === 'verify-ca' || (sslMode === 'require' && ca !== undefined)) return { ...files, checkServerIdentity: () => undefined }
  return { ...files, rejectUnauthorized: false }
}

/** The ways to each of its servers, in order. Sockets know no TLS; `prefer` goes in the clear where TLS does not work. */
function placesOf(url: DatabaseUrl): Place[] {
  const tls = url.sslMode === null || url.sslMode === 'disable' ? null : tlsOf(url)
  return url.addresses.flatMap((address): Place[] => {
    if (address.host.startsWith('/') || url.sslMode === 'disable') return [{ ...address, ssl: false }]
    if (tls === null) return [address]
    return url.sslMode === 'prefer' ? [{ ...address, ssl: tls }, { ...address, ssl: false }] : [{ ...address, ssl: tls }]
  })
}

/** Throws with what is wrong, in words that hold no secret. */
export function wayOf(text: string): Way {
  const parsed = parseDatabaseUrl(text)
  if ('mistake' in parsed) throw new Error(`it ${parsed.mistake}`)
  const { user, password, database, options, schema } = parsed.url
  const common: pg.ClientConfig = {
    ...(user === null ? {} : { user }), ...(password === null ? {} : { password }), ...(database === null ? {} : { database }), ...(options === null ? {} : { options }),
  }
  const places = placesOf(parsed.url)
  const [first] = places
  return { ...common, ...first, ...(places.length > 1 ? { places: createPlaces(common, places) } : {}), ...(schema === null ? {} : { schema }) }
}

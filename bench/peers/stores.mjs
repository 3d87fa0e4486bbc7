// Where the peers' stores are: PostgreSQL is the one that the measured Gatehouse runs on, Redis the one of REDIS_URL or of
// this machine, if there is one.
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { DATA_FOLDER } from '../../dist/bench/environment.js'
import { SUPERUSER } from '../../dist/src/database/embedded-postgres-cluster.js'
import { readPostmaster, SOCKET_PORT } from '../../dist/src/database/embedded-postgres-process.js'
import { SCHEMA } from './peer.mjs'

const LOCAL_REDIS = 'redis://127.0.0.1:6379/0?keyPrefix=gatehouse-bench:' // a prefix of its own: another Gatehouse may be on it

/** For pg. Without DATABASE_URL Gatehouse must be running, for it owns the embedded PostgreSQL. */
export function connectionOf(databaseUrl) {
  if (databaseUrl !== null) return { connectionString: databaseUrl }
  const postmaster = readPostmaster(join(DATA_FOLDER, 'postgres'))
  if (!postmaster) throw new Error('The embedded PostgreSQL is not running')
  return { host: postmaster.socketFolder, port: SOCKET_PORT, user: SUPERUSER, database: 'postgres', ssl: false }
}

/** Removes what the peers left. */
export async function dropSchema(connection) {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    await client.query(`SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  } finally {
    await client.end()
  }
}

/** The URL of a Redis that answers, or null when none was asked for and there is none. Throws when REDIS_URL does not answer. */
export async function findRedis(redisUrl) {
  const url = redisUrl ?? LOCAL_REDIS
  const client = new Redis(url, { lazyConnect: true, connectTimeout: 1_000, maxRetriesPerRequest: 0, retryStrategy: null })
  client.on('error', () => {}) // connect() tells
  try {
    await client.connect()
    await client.ping()
    return url
  } catch (error) {
    if (redisUrl === null) return null
    throw new Error(`REDIS_URL does not answer: ${error.message}`, { cause: error })
  } finally {
    client.disconnect()
  }
}

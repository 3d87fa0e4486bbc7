// The embedded PostgreSQL of a data folder for one command of its operator: the server that a live node runs is used beside it,
// without owning it; when none answers, one is started for the command and stopped again. Never makes a new cluster.
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { startEmbeddedPostgres } from './embedded-postgres.js'
import { findBinaries } from './embedded-postgres-binaries.js'
import { isInitialised, isPrivate, SUPERUSER } from './embedded-postgres-cluster.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { readPostmaster, SOCKET_PORT } from './embedded-postgres-process.js'
import { chooseRunAs } from './embedded-postgres-user.js'

// a server that starts or stops says so: ten seconds of it are waited for
const BUSY_MS = 50
const BUSY_TIMES = 200

export interface Visit {
  connection: pg.PoolConfig
  close: () => Promise<void>
}

async function answers(connection: pg.PoolConfig): Promise<boolean | 'busy'> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 2_000, application_name: 'gatehouse admin' })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === '57P03' ? 'busy' : false
  } finally {
    await client.end().catch(() => {})
  }
}

/** Connects to the folder's server, running or not. Throws EmbeddedPostgresError, also for a folder without an installation. */
export async function visitEmbeddedPostgres(dataDir: string, log: (message: string) => void): Promise<Visit> {
  const dataFolder = resolve(dataDir)
  const cluster = join(dataFolder, 'postgres')
  if (!isInitialised(cluster)) throw new EmbeddedPostgresError(`GATEHOUSE_DATA_DIR ${dataDir} holds no installation yet: run npm start first`)
  const runAs = chooseRunAs(findBinaries().postgres, dataFolder, cluster)
  for (let times = 0; times < BUSY_TIMES; times += 1) {
    const found = readPostmaster(cluster)
    if (!found || !isPrivate(found.socketFolder, runAs)) break
    const connection = { host: found.socketFolder, port: SOCKET_PORT, user: SUPERUSER, database: 'postgres', ssl: false }
    const answer = await answers(connection)
    if (answer === true) return { connection, close: async () => {} }
    if (answer === false) break
    await delay(BUSY_MS)
  }
  const embedded = await startEmbeddedPostgres({ dataDir, log })
  return { connection: embedded.connection, close: () => embedded.stop() }
}

// Two PostgreSQL servers of this run's own: a primary, and a hot standby that has each commit on its disk before the client hears of it. Both
// are made of one new data folder, copied before its first start, so that nothing but npm's PostgreSQL is needed.
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Binaries, findBinaries } from '../src/database/embedded-postgres-binaries.js'
import { initialise, SUPERUSER } from '../src/database/embedded-postgres-cluster.js'
import { readPostmaster, spawnServer, stopServer } from '../src/database/embedded-postgres-process.js'
import { chooseRunAs, giveTo, type RunAs } from '../src/database/embedded-postgres-user.js'
import { killFamily } from './family.js'
import type { Part } from './part.js'
import { freePort } from './stores.js'

export interface PostgresPair {
  /** both servers, for whichever takes writes */
  url: string
  part: Part
  close: () => Promise<void>
}

const STANDBY = 'standby'
const DATABASE = 'gatehouse_faults'
const START_MAX_MS = 30_000
const STEP_MS = 20
const SETTINGS = { listen_addresses: '127.0.0.1', max_connections: '100', wal_keep_size: '512' }

async function on<Row extends pg.QueryResultRow>(port: number, statement: string): Promise<Row[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: SUPERUSER, database: 'postgres', ssl: false, connectionTimeoutMillis: 1_000, query_timeout: START_MAX_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Row>(statement)).rows
  } finally {
    client.end().catch(() => undefined)
  }
}

async function until(holds: () => Promise<boolean>, said: () => string): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_MAX_MS; waitedMs += STEP_MS) {
    if (await holds().catch(() => false)) return
    await delay(STEP_MS)
  }
  throw new Error(`PostgreSQL and its standby did not come up:\n${said()}`)
}

interface Server {
  cluster: string
  port: number
  said: () => string
}

async function startServer(cluster: string, port: number, given: { binaries: Binaries; runAs: RunAs }, settings: Record<string, string>): Promise<Server> {
  const { said } = spawnServer({ ...given, cluster, socketFolder: cluster, logFile: `${cluster}.log`, settings: { ...SETTINGS, ...settings, port: String(port) } })
  await until(async () => (await on(port, 'SELECT 1')).length === 1, said)
  return { cluster, port, said }
}

export async function openPostgresPair(folder: string): Promise<PostgresPair> {
  const dataFolder = join(folder, 'pair')
  mkdirSync(dataFolder, { mode: 0o700 })
  const [first, second] = [join(dataFolder, 'a'), join(dataFolder, 'b')]
  const binaries = findBinaries()
  const given = { binaries, runAs: chooseRunAs(binaries.postgres, dataFolder, first) }
  await initialise(first, dataFolder, binaries, given.runAs)
  cpSync(first, second, { recursive: true })
  chmodSync(second, 0o700)
  writeFileSync(join(second, 'standby.signal'), '')
  for (const cluster of [first, second]) giveTo(given.runAs, cluster)

  const primary = await startServer(first, await freePort(), given, { synchronous_standby_names: STANDBY })
  const standby = await startServer(second, await freePort(), given, { primary_conninfo: `host=127.0.0.1 port=${primary.port} user=${SUPERUSER} application_name=${STANDBY}` })
  await until(async () => (await on<{ state: string }>(primary.port, 'SELECT sync_state AS state FROM pg_stat_replication'))[0]?.state === 'sync', standby.said)
  await on(primary.port, `CREATE DATABASE ${DATABASE}`)

  return {
    url: `postgres://${SUPERUSER}@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/${DATABASE}?target_session_attrs=read-write`,
    part: {
      async lose() {
        const postmaster = readPostmaster(primary.cluster)
        if (postmaster) killFamily(postmaster.pid)
      },
      // what pg_ctl promote does, and returns when it is done
      mend: async () => void await on(standby.port, 'SELECT pg_promote()'),
      // the old one would have to be rewound first
      rejoin: async () => undefined,
    },
    async close() {
      for (const { cluster } of [standby, primary]) {
        const postmaster = readPostmaster(cluster)
        if (postmaster) await stopServer(cluster, postmaster)
      }
    },
  }
}

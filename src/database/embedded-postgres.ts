// The embedded PostgreSQL of one data folder, and who owns it. A lock inside the database, held by one connection for the
// life of the process, makes the owner: a second Gatehouse is refused, and a server whose owner was killed is taken over.
// The server is watched: if it dies, it is started again and the lock taken anew.
import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Binaries, findBinaries } from './embedded-postgres-binaries.js'
import { initialise, isInitialised, isPrivate, SUPERUSER, socketFolderFor } from './embedded-postgres-cluster.js'
import { DataFolderInUse, EmbeddedPostgresError, messageOf } from './embedded-postgres-error.js'
import { clearStalePid, readPostmaster, reasonOf, type ServerProcess, SOCKET_PORT, spawnServer, stopServer } from './embedded-postgres-process.js'
import { chooseRunAs, giveTo, type RunAs } from './embedded-postgres-user.js'

const OWNER_LOCK = 7160684915 // any constant of ours
const SILENCE_MAX_MS = 60_000
// a killed owner's connection is closed by the kernel at once, and its lock given back a moment later
const HELD_MAX_MS = 1_500
const RESPAWN_AFTER_MS = 250

export interface EmbeddedPostgres {
  connection: pg.PoolConfig
  /** a server left running by a killed process was taken over */
  adopted: boolean
  /** Stops the server, within about 5 s. */
  stop: () => Promise<void>
}

export interface EmbeddedPostgresOptions {
  dataDir: string
  /** told, in one line each, what an operator should know */
  log: (message: string) => void
  /** PostgreSQL's own settings, unitless (`max_connections`) */
  settings?: Readonly<Record<string, string>>
  /** calls the making of a new cluster off; what was made of it is removed */
  signal?: AbortSignal
}

interface Place {
  dataFolder: string
  cluster: string
  logFile: string
  socketFolder: string
  binaries: Binaries
  runAs: RunAs
  settings: Readonly<Record<string, string>>
}

function connectionTo(socketFolder: string): pg.PoolConfig {
  return { host: socketFolder, port: SOCKET_PORT, user: SUPERUSER, database: 'postgres', ssl: false }
}

type Attempt = pg.Client | 'held' | 'busy' | 'silent'

/** Connects and takes the owner's lock. `busy`: there is a server, starting or stopping; `silent`: nobody answers. */
async function tryToOwn(socketFolder: string): Promise<Attempt> {
  const client = new pg.Client({ ...connectionTo(socketFolder), connectionTimeoutMillis: 2_000, application_name: 'gatehouse owner' })
  client.on('error', () => {}) // 'end' follows, and is what counts
  try {
    await client.connect()
    const { rows } = await client.query<{ owned: boolean }>('SELECT pg_try_advisory_lock($1) AS owned', [OWNER_LOCK])
    if (rows[0]?.owned === true) return client
    await client.end()
    return 'held'
  } catch (error) {
    await client.end().catch(() => {})
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === '53300') return 'held' // no connection is left: somebody uses it
    return code === '57P03' ? 'busy' : 'silent'
  }
}

/** Waits until this process owns a running server, starting one when none answers. Throws DataFolderInUse and EmbeddedPostgresError. */
async function own(place: Place): Promise<{ client: pg.Client; adopted: boolean }> {
  let server: ServerProcess | null = null
  let spawnedAt = -Infinity
  let heldSince = Infinity
  let heardAt = performance.now()
  for (;;) {
    const found = readPostmaster(place.cluster)
    const attempt = found && isPrivate(found.socketFolder, place.runAs) ? await tryToOwn(found.socketFolder) : 'silent'
    const now = performance.now()
    if (typeof attempt !== 'string') {
      if (found) place.socketFolder = found.socketFolder
      return { client: attempt, adopted: server === null }
    }
    if (attempt !== 'silent') heardAt = now
    heldSince = attempt === 'held' ? Math.min(heldSince, now) : Infinity
    if (now - heldSince > HELD_MAX_MS) throw new DataFolderInUse(`Another Gatehouse is running on ${place.dataFolder}: stop it, or give this one its own GATEHOUSE_DATA_DIR`)
    if (server && server.child.exitCode === null && server.child.signalCode === null && server.child.pid !== undefined) {
      if (now - heardAt > SILENCE_MAX_MS) throw new EmbeddedPostgresError(`PostgreSQL was started and does not answer; its log is ${place.logFile}`)
    } else if (attempt === 'silent' && now - spawnedAt > RESPAWN_AFTER_MS) {
      // "lock file exists": another server is starting or stopping here, and may be the one to own
      const said = server?.said() ?? ''
      if (server && (!/lock file ".*" already exists|pre-existing shared memory/.test(said) || now - heardAt > SILENCE_MAX_MS)) {
        throw new EmbeddedPostgresError(`PostgreSQL did not start: ${reasonOf(said)} (log: ${place.logFile})`)
      }
      clearStalePid(place.cluster)
      server = spawnServer(place)
      spawnedAt = now
    }
    await delay(20)
  }
}

/** Does the running server have other settings than those asked for? */
async function differs(client: pg.Client, settings: Readonly<Record<string, string>>): Promise<boolean> {
  const { rows } = await client.query<{ name: string; setting: string }>('SELECT name, setting FROM pg_settings WHERE name = ANY($1)', [Object.keys(settings)])
  return rows.some(({ name, setting }) => settings[name] !== setting)
}

async function halt(place: Place): Promise<void> {
  const postmaster = readPostmaster(place.cluster)
  if (postmaster) await stopServer(place.cluster, postmaster)
}

async function prepare({ dataDir, settings = {}, signal }: EmbeddedPostgresOptions): Promise<Place> {
  const dataFolder = resolve(dataDir)
  const cluster = join(dataFolder, 'postgres')
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
    const binaries = findBinaries()
    const runAs = chooseRunAs(binaries.postgres, dataFolder, cluster)
    if (!isInitialised(cluster)) await initialise(cluster, dataFolder, binaries, runAs, signal)
    giveTo(runAs, cluster)
    return { dataFolder, cluster, logFile: join(dataFolder, 'postgres.log'), socketFolder: socketFolderFor(cluster, runAs, readPostmaster(cluster)?.socketFolder), binaries, runAs, settings }
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error
    throw new EmbeddedPostgresError(`GATEHOUSE_DATA_DIR cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Starts PostgreSQL on a data folder, making both when they are not there, or takes over the one a killed process left.
 * Throws DataFolderInUse when another process owns the folder, and EmbeddedPostgresError for all else; both have an exitLine.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const place = await prepare(options)
  let { client, adopted } = await own(place)
  if (adopted && await differs(client, place.settings)) {
    await halt(place)
    await client.end().catch(() => {})
    ;({ client, adopted } = await own(place))
  }
  const { socketFolder } = place
  const state = { stopping: false }

  const watch = (owner: pg.Client): void => {
    owner.once('end', () => {
      if (!state.stopping) void recover()
    })
  }
  async function recover(): Promise<void> {
    options.log('The embedded PostgreSQL broke off; it is being started again')
    while (!state.stopping) {
      try {
        place.socketFolder = socketFolder // the pool knows this one
        ;({ client } = await own(place))
        watch(client)
        options.log('The embedded PostgreSQL is back')
        return
      } catch (error) {
        options.log(`The embedded PostgreSQL is not back yet: ${messageOf(error)}`)
        await delay(1_000, undefined, { ref: false })
      }
    }
  }
  watch(client)
  return {
    connection: connectionTo(socketFolder),
    adopted,
    async stop() {
      if (state.stopping) return
      state.stopping = true
      // the lock is held until the server is down: nobody can take over what is about to end
      await halt(place)
      await client.end().catch(() => {})
      if (socketFolder !== place.cluster) rmSync(socketFolder, { recursive: true, force: true })
    },
  }
}

// The stores that are made to fail: a PostgreSQL and a Redis of this run's own, in a folder that is deleted at the end. Signals
// go to processes that were started here, and to their children, and to nobody else.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.js'
import { freeze, signalAll } from './family.js'

export interface Postgres {
  /** of a new database */
  url: string
  /** stops it for a while as a machine that stands still would; null where the server is somebody else's */
  suspend: (() => void) | null
  resume: () => void
  close: () => Promise<void>
}

export interface PrivateRedis {
  url: string
  start: () => Promise<void>
  /** SIGKILL. With `forget`, it comes back empty: else with what it saved last. */
  kill: (options: { forget: boolean }) => Promise<void>
  suspend: () => void
  resume: () => void
  command: (name: string, ...args: string[]) => Promise<unknown>
  close: () => Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return address !== null && typeof address === 'object' ? address.port : 0
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A new database on the server of `given`, or on an embedded one started for it below `folder`. */
export async function openPostgres(folder: string, given: string | undefined): Promise<Postgres> {
  const name = `gatehouse_faults_${randomBytes(6).toString('hex')}`
  if (given !== undefined && given !== '') {
    await onServer(given, `CREATE DATABASE ${name}`)
    const url = new URL(given)
    url.pathname = `/${name}`
    return { url: url.href, suspend: null, resume: () => {}, close: () => onServer(given, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
  }
  const dataDir = join(folder, 'data')
  const embedded = await startEmbeddedPostgres({ dataDir, log: (line) => console.error(line), settings: { max_connections: '100' } })
  const { host = '', port = 5432, user = '' } = embedded.connection
  const base = `postgres://${user}@localhost:${port}/postgres?host=${encodeURIComponent(host)}`
  await onServer(base, `CREATE DATABASE ${name}`)
  const postmaster = Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
  let suspended: number[] = []
  const resume = (): void => {
    signalAll(suspended.toReversed(), 'SIGCONT')
    suspended = []
  }
  return {
    url: base.replace('/postgres?', `/${name}?`),
    suspend() {
      suspended = freeze(postmaster)
    },
    resume,
    async close() {
      resume()
      await embedded.stop()
    },
  }
}

export function isRedisInstalled(): boolean {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0
}

/** A redis-server on a free port that saves only when told to. */
export async function openRedisServer(folder: string): Promise<PrivateRedis> {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  let child: ChildProcess | null = null

  async function command(name: string, ...args: string[]): Promise<unknown> {
    const client = new Redis(url, { retryStrategy: null, lazyConnect: true, connectTimeout: 500 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return await client.call(name, ...args)
    } finally {
      client.disconnect()
    }
  }

  async function start(): Promise<void> {
    child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder], { stdio: 'ignore' })
    for (let attempt = 0; ; attempt += 1) {
      const answer = await command('PING').catch(() => null)
      if (answer === 'PONG') return
      if (attempt > 500) throw new Error('redis-server does not answer')
      await delay(10)
    }
  }

  async function stop(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  await start()
  return {
    url, start, command,
    async kill({ forget }) {
      await stop()
      if (forget) rmSync(join(folder, 'dump.rdb'), { force: true })
    },
    suspend: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    close: stop,
  }
}

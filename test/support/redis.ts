// Redis for tests: the run's shared one under a key prefix of the test's own, or a private server to be killed, paused and flushed.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { FastLog } from '../../src/redis/guard.js'
import type { Teardown } from './database.js'

/** The run's Redis, or null: skip what needs it with `{ skip: NO_REDIS }`. */
export const REDIS_URL = process.env['GATEHOUSE_TEST_REDIS_URL'] ?? null
export const NO_REDIS = REDIS_URL === null ? 'no Redis for this run' : false

export const SILENT: FastLog = { info: () => undefined, warn: () => undefined }

/** The run's Redis with a prefix of its own in the URL; what was kept under it is deleted when `t` ends. Throws without Redis. */
export function ownRedis(t: Teardown): { url: string; keyPrefix: string; client: Redis } {
  if (REDIS_URL === null) throw new Error('GATEHOUSE_TEST_REDIS_URL is not set')
  const keyPrefix = `gatehouse-test-${randomBytes(6).toString('hex')}:`
  const url = new URL(REDIS_URL)
  url.searchParams.set('keyPrefix', keyPrefix)
  const client = new Redis(REDIS_URL)
  t.teardown(async () => {
    const keys = await client.keys(`${keyPrefix}*`)
    if (keys.length > 0) await client.del(...keys)
    client.disconnect()
  })
  return { url: url.href, keyPrefix, client }
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface PrivateRedis {
  url: string
  /** SIGKILL; returns when the process is gone */
  kill: () => Promise<void>
  /** starts it again on the same port, empty */
  start: () => Promise<void>
  /** SIGSTOP: connections stay open and nothing answers */
  pause: () => void
  resume: () => void
  /** Runs a command on a connection of its own. */
  command: (name: string, ...args: string[]) => Promise<unknown>
}

/** A redis-server of this test's own, without persistence, ended with `t`. `running: false` only reserves its port. */
export async function privateRedis(t: Teardown, { running = true } = {}): Promise<PrivateRedis> {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  let child: ChildProcess | undefined

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
    child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir(), '--enable-debug-command', 'local'], { stdio: 'ignore' })
    await eventually(() => command('PING'), 5_000)
  }
  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  t.teardown(kill)
  if (running) await start()
  return { url, kill, start, command, pause: () => void child?.kill('SIGSTOP'), resume: () => void child?.kill('SIGCONT') }
}

/** Asks again and again until the answer is true (or, for a promise of something, until it does not reject); throws after `limitMs`. */
export async function eventually(ask: () => unknown, limitMs: number): Promise<number> {
  const from = performance.now()
  for (;;) {
    try {
      if ((await ask()) !== false) return performance.now() - from
    } catch (error) {
      if (performance.now() - from > limitMs) throw error
    }
    if (performance.now() - from > limitMs) throw new Error(`not within ${limitMs} ms`)
    await wait(10)
  }
}

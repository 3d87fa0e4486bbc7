// Redis for tests: the run's shared one under a key prefix of the test's own, or a private server to be killed, paused and flushed.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { StoreLog } from '../../src/shared-store/guard.js'
import type { Teardown } from './database.js'

/** The run's Redis, or null: skip what needs it with `{ skip: NO_REDIS }`. */
export const REDIS_URL = process.env['GATEHOUSE_TEST_REDIS_URL'] ?? null
export const NO_REDIS = REDIS_URL === null ? 'no Redis for this run' : false

export const SILENT: StoreLog = { info: () => undefined, warn: () => undefined }

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

/** A redis-server of a test's own. */
export interface Member {
  port: number
  /** SIGKILL; returns when the process is gone */
  kill: () => Promise<void>
  /** starts it, again on the same port and with the same arguments; returns when it answers */
  start: () => Promise<void>
  /** SIGSTOP: connections stay open and nothing answers */
  pause: () => void
  resume: () => void
  /** Runs a command on a connection of its own. */
  command: (name: string, ...args: string[]) => Promise<unknown>
}

export interface PrivateRedis extends Member {
  url: string
}

/** A redis-server with these arguments, not started yet; ended with `t`. */
function member(t: Teardown, port: number, args: readonly string[], password?: string): Member {
  let child: ChildProcess | undefined
  async function command(name: string, ...given: string[]): Promise<unknown> {
    const client = new Redis({ host: '127.0.0.1', port, ...(password === undefined ? {} : { password }), retryStrategy: null, lazyConnect: true, connectTimeout: 500, enableReadyCheck: false })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return await client.call(name, ...given)
    } finally {
      client.disconnect()
    }
  }
  async function start(): Promise<void> {
    child = spawn('redis-server', args, { stdio: 'ignore' })
    await eventually(() => command('PING'), 10_000)
  }
  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  t.teardown(kill)
  return { port, kill, start, command, pause: () => void child?.kill('SIGSTOP'), resume: () => void child?.kill('SIGCONT') }
}

/** A redis-server with these arguments, answering; ended with `t`. */
export async function startMember(t: Teardown, port: number, args: readonly string[], password?: string): Promise<Member> {
  const one = member(t, port, args, password)
  await one.start()
  return one
}

/** A redis-server of this test's own, without persistence: a start finds it empty. Ended with `t`. `running: false` only reserves its port. */
export async function privateRedis(t: Teardown, { running = true } = {}): Promise<PrivateRedis> {
  const port = await freePort()
  const one = member(t, port, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir(), '--enable-debug-command', 'local'])
  if (running) await one.start()
  return { url: `redis://127.0.0.1:${port}`, ...one }
}

/** What waits for something that does not come takes longer than this, or for ever; what does not wait takes less, however busy a machine is. */
export const HELD_UP_MS = 15_000

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

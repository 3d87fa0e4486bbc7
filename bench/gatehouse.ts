// The measured server: dist/src/main.js as a process of its own, started as anybody would, and waited for.
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Api, createApi } from './api.js'
import { coreSecondsOf } from './core-time.js'
import { DATA_FOLDER, NODE_FLAGS, serverEnvironment } from './environment.js'
import { type Child, startChild } from './processes.js'

const READY_MAX_MS = 90_000
const IDLE_MAX_MS = 20_000
const IDLE_LOOK_MS = 500
// of a core: its polls take less
const IDLE_PART = 0.08

export interface Gatehouse {
  api: Api
  child: Child
  /** Throws when it does not end with 0. */
  stop: () => Promise<void>
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0))
    })
  })
}

async function waitUntilReady(api: Api, child: Child): Promise<void> {
  const deadlineMs = performance.now() + READY_MAX_MS
  while (performance.now() < deadlineMs) {
    if (child.process.exitCode !== null || child.process.signalCode !== null) throw new Error(`Gatehouse did not start:\n${child.said()}`)
    const status = await api.send('/readyz').then((answer) => answer.status, () => 0)
    if (status === 200) return
    await delay(50)
  }
  throw new Error(`Gatehouse was not ready after ${READY_MAX_MS / 1000} s:\n${child.said()}`)
}

/** Resolves when the server does nothing any more: after its start it compiles what nobody has asked for yet, a piece a turn, and whoever measures then measures that. */
async function waitUntilIdle({ process: { pid } }: Child): Promise<void> {
  const deadlineMs = performance.now() + IDLE_MAX_MS
  for (let before = coreSecondsOf(pid); before !== null && performance.now() < deadlineMs;) {
    await delay(IDLE_LOOK_MS)
    const now = coreSecondsOf(pid) ?? before
    if (now - before <= IDLE_LOOK_MS / 1_000 * IDLE_PART) return
    before = now
  }
}

export interface StartOptions {
  /** beside serverEnvironment, and stronger */
  environment?: Readonly<Record<string, string>>
  nodeFlags?: readonly string[]
}

/** Starts it on the stores that the environment names. Throws with what it printed when it does not come up. */
export async function startGatehouse(prefix: readonly string[] = [], { environment = {}, nodeFlags = [] }: StartOptions = {}): Promise<Gatehouse> {
  const [port, insidePort] = await Promise.all([freePort(), freePort()])
  const child = startChild('../src/main.js', prefix, { ...serverEnvironment(process.env, port, insidePort), ...environment }, { cwd: DATA_FOLDER, ipc: false, nodeFlags: [...NODE_FLAGS, ...nodeFlags] })
  const api = createApi(`http://127.0.0.1:${port}`, `http://127.0.0.1:${insidePort}`)
  await waitUntilReady(api, child)
  await waitUntilIdle(child)
  return {
    api,
    child,
    async stop() {
      await child.stop()
      if (child.process.exitCode !== 0) throw new Error(`Gatehouse ended with ${child.process.exitCode ?? child.process.signalCode}:\n${child.said()}`)
    },
  }
}

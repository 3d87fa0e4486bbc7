// The Gatehouse nodes: the built program as anybody would start it, three times, on one database, one Redis and one secret.
import { randomBytes } from 'node:crypto'
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type Child, startChild } from '../bench/processes.js'
import { familyOf, killFamily, signalAll } from './family.js'
import { freePort } from './stores.js'

const READY_MAX_MS = 90_000
const STEP_MS = 25
const LISTENS = 'a worker listens'

export interface GatehouseNode {
  origin: string
  /** Returns when all of its processes are ready for traffic. Throws with what it printed when it does not come up. */
  start: () => Promise<void>
  /** SIGKILL of all its processes; returns when it is gone */
  kill: () => Promise<void>
  /** to all its processes */
  signal: (name: 'SIGSTOP' | 'SIGCONT') => void
  /** SIGKILL of one of its workers; returns when another one listens in its place */
  killWorker: () => Promise<void>
  /** the last of what it printed */
  said: () => string
  /** state of Redis by its own account: ok, degraded */
  redis: () => Promise<string>
  /** Does it say that all is well, by its own account? */
  isWhole: () => Promise<boolean>
}

export const ADMIN = { email: 'admin@faults.example', password: 'the fault test signs in with this' }

export interface NodeSettings {
  databaseUrl: string
  /** each node's way to the one Redis */
  redisUrls: readonly string[]
  dataDir: string
  /** processes of each node */
  workers: number
}

interface Readiness {
  status: string
  checks: Record<string, string>
}

/** On a connection of its own, so that any worker may be the one that answers. */
async function readinessOf(origin: string): Promise<Readiness | null> {
  return new Promise((resolve) => {
    const asked = get(`${origin}/readyz`, { agent: false, timeout: 3_000 }, (response) => {
      let said = ''
      response.setEncoding('utf8').on('data', (part: string) => { said += part })
      response.on('error', () => resolve(null))
      response.on('end', () => {
        try {
          resolve(JSON.parse(said) as Readiness)
        } catch {
          resolve(null)
        }
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('timeout')))
    asked.on('error', () => resolve(null))
  })
}

function environmentOf({ databaseUrl, dataDir, workers }: NodeSettings, port: number, redisUrl: string, secret: string): NodeJS.ProcessEnv {
  const { PATH = '', HOME = '' } = process.env
  return {
    PATH, HOME, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), INSIDE_PORT: '0', LOG_LEVEL: workers > 1 ? 'info' : 'error', LOG_REQUESTS: 'none', DRAIN_SECONDS: '0',
    // one for all: it is the issuer of tokens, which every node must accept
    PUBLIC_URL: 'http://localhost:3000', WORKERS: String(workers), DATABASE_POOL_MAX: String(workers > 1 ? 6 : 10),
    DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, GATEHOUSE_SECRET: secret, GATEHOUSE_DATA_DIR: dataDir, KEYS_PER_OWNER: '100000',
    GATEHOUSE_ADMIN_EMAIL: ADMIN.email, GATEHOUSE_ADMIN_PASSWORD: ADMIN.password, BCRYPT_COST: '10', ACCESS_TOKEN_SECONDS: '86400', REQUESTS_PER_MINUTE: '10000000',
  }
}

/** Nodes that are not started yet. The same ports for ever, so that one comes back where it was. */
export async function makeNodes(count: number, settings: NodeSettings): Promise<GatehouseNode[]> {
  const secret = randomBytes(32).toString('base64url')
  return Promise.all(Array.from({ length: count }, async (_, at): Promise<GatehouseNode> => {
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const environment = environmentOf(settings, port, settings.redisUrls[at] ?? '', secret)
    let child: Child | null = null
    let listening = 0
    const running = (): Child => {
      if (!child) throw new Error('the node was not started')
      return child
    }
    /** Waits until so many of its processes have said that they listen, and it is ready. */
    async function ready(count: number): Promise<void> {
      const { process: target, said } = running()
      for (let waitedMs = 0; waitedMs < READY_MAX_MS; waitedMs += STEP_MS) {
        if (target.exitCode !== null || target.signalCode !== null) break
        if (listening >= count && (await readinessOf(origin))?.status === 'ok') return
        await delay(STEP_MS)
      }
      throw new Error(`A node did not come up:\n${said()}`)
    }
    const processes = (): number[] => familyOf(running().process.pid ?? 0)
    return {
      origin,
      async start() {
        child = startChild('../src/main.js', [], environment, { cwd: settings.dataDir, ipc: false })
        listening = 0
        child.process.stdout?.on('data', (data: Buffer) => { listening += data.toString().split(LISTENS).length - 1 })
        await ready(settings.workers > 1 ? settings.workers : 0)
      },
      async kill() {
        const { process: target } = running()
        const gone = new Promise((resolve) => { target.once('exit', resolve) })
        killFamily(target.pid ?? 0)
        await gone
      },
      signal: (name) => signalAll(processes(), name),
      async killWorker() {
        const wanted = listening + 1
        signalAll(processes().slice(1, 2), 'SIGKILL')
        await ready(wanted)
      },
      said: () => running().said(),
      redis: async () => (await readinessOf(origin))?.checks['redis'] ?? 'no answer',
      isWhole: async () => (await readinessOf(origin))?.status === 'ok',
    }
  }))
}

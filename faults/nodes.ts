// The Gatehouse nodes: the built program as anybody would start it, three times, on one database, one Redis and one secret.
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Child, startChild } from '../bench/processes.js'
import { freePort } from './stores.js'

const READY_MAX_MS = 60_000
const STEP_MS = 25

export interface GatehouseNode {
  origin: string
  child: () => Child
  /** Returns when it is ready for traffic. Throws with what it printed when it does not come up. */
  start: () => Promise<void>
  /** SIGKILL; returns when it is gone */
  kill: () => Promise<void>
  signal: (name: 'SIGSTOP' | 'SIGCONT') => void
  /** state of Redis by its own account: ok, degraded */
  redis: () => Promise<string>
}

export const ADMIN = { email: 'admin@faults.example', password: 'the fault test signs in with this' }

interface Readiness {
  status: string
  checks: Record<string, string>
}

async function readinessOf(origin: string): Promise<Readiness | null> {
  try {
    const response = await fetch(`${origin}/readyz`, { signal: AbortSignal.timeout(3_000) })
    return await response.json() as Readiness
  } catch {
    return null
  }
}

/** Nodes that are not started yet, each with its way to the one Redis. The same ports for ever, so that one comes back where it was. */
export async function makeNodes(count: number, stores: { databaseUrl: string; redisUrls: string[]; dataDir: string }): Promise<GatehouseNode[]> {
  const secret = randomBytes(32).toString('base64url')
  return Promise.all(Array.from({ length: count }, async (_, at): Promise<GatehouseNode> => {
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const { PATH = '', HOME = '' } = process.env
    const environment = {
      PATH, HOME, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), INSIDE_PORT: '0', LOG_LEVEL: 'error', DRAIN_SECONDS: '0',
      // one for all: it is the issuer of tokens, which every node must accept
      PUBLIC_URL: 'http://localhost:3000',
      DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrls[at] ?? '', GATEHOUSE_SECRET: secret, GATEHOUSE_DATA_DIR: stores.dataDir,
      GATEHOUSE_ADMIN_EMAIL: ADMIN.email, GATEHOUSE_ADMIN_PASSWORD: ADMIN.password, BCRYPT_COST: '10', ACCESS_TOKEN_SECONDS: '86400', REQUESTS_PER_MINUTE: '10000000',
    }
    let child: Child | null = null
    const running = (): Child => {
      if (!child) throw new Error('the node was not started')
      return child
    }
    return {
      origin,
      child: running,
      async start() {
        child = startChild('../src/main.js', [], environment, { cwd: stores.dataDir, ipc: false })
        for (let waitedMs = 0; waitedMs < READY_MAX_MS; waitedMs += STEP_MS) {
          if (child.process.exitCode !== null || child.process.signalCode !== null) break
          if ((await readinessOf(origin))?.status === 'ok') return
          await delay(STEP_MS)
        }
        throw new Error(`A node did not come up:\n${child.said()}`)
      },
      async kill() {
        const { process: target } = running()
        const gone = new Promise((resolve) => { target.once('exit', resolve) })
        target.kill('SIGKILL')
        await gone
      },
      signal: (name) => void running().process.kill(name),
      redis: async () => (await readinessOf(origin))?.checks['redis'] ?? 'no answer',
    }
  }))
}

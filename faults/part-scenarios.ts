// What is done to systems of several servers, and to nodes of several processes: one part is lost for good or for a while, and another takes
// its place.
import { setTimeout as delay } from 'node:timers/promises'
import type { GatehouseNode } from './nodes.js'
import type { Part } from './part.js'
import { type Answer, steadyMs } from './protocol.js'
import { during, type Fault, lasting, never, type Rules } from './scenarios.js'

/** What the nodes of a scenario run on: docs/reliability.md. */
export type PartStage = 'failover' | 'pooler-session' | 'pooler-transaction' | 'cluster' | 'sentinel'

export interface PartScenario extends Rules {
  stage: PartStage
  cause: (part: Part) => Promise<Fault>
}

/** less than the lease, and than what may be left of it after a poll that was answered late */
const CACHED_MS = 900

/** Refused for want of the database, though not while what is in memory still holds. */
function withoutDatabase(answer: Answer, fault: Fault, isCached: boolean): boolean {
  return answer.status === 503 && answer.code === 'database.unavailable' && during(answer, fault) && !(isCached && answer.receivedMs < fault.fromMs + CACHED_MS)
}

/** It comes back by itself: whoever keeps it notices, and gives its work to another. */
async function failover(part: Part, noticedMs: number): Promise<Fault> {
  const fault = await lasting(part.lose, noticedMs, part.mend)
  await part.rejoin()
  return fault
}

export const PART_SCENARIOS: readonly PartScenario[] = [
  {
    name: 'postgres-failover', stage: 'failover', quick: false, excuses: withoutDatabase,
    does: 'the primary of two PostgreSQL servers: SIGKILL of all its processes; 3 s later its synchronous standby is promoted', cause: (part) => failover(part, 3_000),
  },
  {
    name: 'pgbouncer-killed', stage: 'pooler-transaction', quick: false, excuses: withoutDatabase,
    does: 'PgBouncer in transaction mode: SIGKILL, 3 s without it, then it is started again', cause: (part) => failover(part, 3_000),
  },
  {
    name: 'pgbouncer-restarted', stage: 'pooler-transaction', quick: false, excuses: withoutDatabase,
    does: 'the same, ended and started again at once, three times within 6 s',
    cause: (part) => lasting(async () => {
      for (let time = 0; time < 3; time += 1) {
        await failover(part, 0)
        await delay(2_000)
      }
    }, 0, () => undefined),
  },
  {
    name: 'pgbouncer-killed-sessions', stage: 'pooler-session', quick: false, excuses: withoutDatabase,
    does: 'PgBouncer in session mode: SIGKILL, 3 s without it, then it is started again', cause: (part) => failover(part, 3_000),
  },
  {
    name: 'redis-cluster-failover', stage: 'cluster', quick: true, excuses: never,
    does: 'Redis Cluster (3 masters, 3 replicas): SIGKILL of the master that holds the slot; its replica takes over, and it comes back as a replica', cause: (part) => failover(part, 0),
  },
  {
    name: 'redis-sentinel-failover', stage: 'sentinel', quick: true, excuses: never,
    does: 'Redis behind three sentinels: SIGKILL of the master; they make its replica the master, and it comes back as a replica', cause: (part) => failover(part, 0),
  },
]

export interface WorkerScenario extends Rules {
  cause: (nodes: readonly GatehouseNode[]) => Promise<Fault>
}

/** how long after a kill the connections that it cut may be told of */
const CUT_MS = 1_000

export const WORKER_KILLED: WorkerScenario = {
  name: 'worker-killed', quick: false, does: 'one of the two workers of a node: SIGKILL; the supervisor starts another',
  // whoever was connected to it is cut off; whoever asks anew is answered by the other worker
  excuses: ({ node, status, code, receivedMs }, fault) => node === fault.node && status === 0 && code === 'ECONNRESET' && receivedMs >= fault.fromMs && receivedMs < fault.fromMs + CUT_MS,
  async cause(nodes) {
    const node = 1
    const killedMs = steadyMs()
    return { ...await lasting(() => nodes[node]?.killWorker(), 0, () => undefined), node, killedMs }
  },
}

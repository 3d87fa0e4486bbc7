// What is done to the system, and which answers that excuses. Each scenario begins and ends in a sound state, under load all along.
import { setTimeout as delay } from 'node:timers/promises'
import type { GatehouseNode } from './nodes.js'
import type { Answer } from './protocol.js'
import { steadyMs } from './protocol.js'
import type { Postgres, PrivateRedis } from './stores.js'
import type { Wire } from './wire.js'

export interface World {
  nodes: GatehouseNode[]
  postgres: Postgres
  redis: PrivateRedis
  /** the first node's way to Redis */
  wire: Wire
}

/** When something was broken, on the steady clock, and until when it was. */
export interface Fault {
  fromMs: number
  toMs: number
  /** the node that was hit, if one was */
  node?: number
  /** when it was killed: what it had not written down by then may be missing in the ledger */
  killedMs?: number
}

/** What a scenario is judged by. */
export interface Rules {
  name: string
  /** for docs/reliability.md */
  does: string
  /** must requests be answered about as quickly as before? */
  quick: boolean
  /** May this answer be other than 2xx? `isCached`: every node has what it takes to give it in memory, for the key is asked about all along and never revoked. */
  excuses: (answer: Answer, fault: Fault, isCached: boolean) => boolean
}

export interface Scenario extends Rules {
  needs?: 'suspendable postgres'
  cause: (world: World) => Promise<Fault>
}

/** From the end of a fault on, this long may pass until all is well again, without anybody's help. */
export const RECOVERY_MS = 3_000

export const during = ({ sentMs, receivedMs }: Answer, { fromMs, toMs }: Fault): boolean => receivedMs >= fromMs && sentMs <= toMs + RECOVERY_MS
export const never = (): boolean => false
const atNode = (answer: Answer, fault: Fault): boolean => answer.node === fault.node && during(answer, fault)

export async function lasting(breakIt: () => unknown, ms: number, mend: () => unknown): Promise<Fault> {
  const fromMs = steadyMs()
  await breakIt()
  await delay(ms)
  await mend()
  return { fromMs, toMs: steadyMs() }
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'calm', does: 'nothing fails', quick: false, excuses: never,
    cause: () => lasting(() => undefined, 8_000, () => undefined),
  },
  {
    name: 'redis-killed', does: 'Redis: SIGKILL, 5 s without it, then it comes back empty', quick: true, excuses: never,
    cause: ({ redis }) => lasting(() => redis.kill({ forget: true }), 5_000, redis.start),
  },
  {
    name: 'redis-paused', does: 'Redis: SIGSTOP for 5 s; connections stay open and nothing answers', quick: true, excuses: never,
    cause: ({ redis }) => lasting(redis.suspend, 5_000, redis.resume),
  },
  {
    name: 'redis-flushed', does: 'Redis: FLUSHALL, three times within 5 s', quick: true, excuses: never,
    cause: ({ redis }) => lasting(() => redis.command('FLUSHALL'), 2_500, async () => {
      await redis.command('FLUSHALL')
      await delay(2_500)
      await redis.command('FLUSHALL')
    }),
  },
  {
    name: 'redis-restored', does: 'Redis: SAVE, 4 s more of work, SIGKILL, restart from that dump', quick: true, excuses: never,
    async cause({ redis }) {
      await redis.command('SAVE')
      await delay(4_000)
      return lasting(() => redis.kill({ forget: false }), 300, redis.start)
    },
  },
  {
    name: 'redis-slow', does: 'one node: what Redis answers arrives 150 ms late for 6 s, where it gets 100 ms', quick: true, excuses: never,
    cause: ({ wire }) => lasting(() => wire.delay(150), 6_000, () => wire.delay(0)),
  },
  {
    name: 'redis-hiccups', does: 'one node: nothing passes between it and Redis for 200 ms, twelve times within 6 s; what was sent arrives late', quick: true, excuses: never,
    cause: ({ wire }) => lasting(async () => {
      for (let time = 0; time < 12; time += 1) {
        wire.hold()
        await delay(200)
        wire.release()
        await delay(300)
      }
    }, 0, () => undefined),
  },
  {
    name: 'redis-cut-off', does: 'one node: nothing passes between it and Redis for 12 s, while the others have it', quick: true, excuses: never,
    cause: ({ wire }) => lasting(wire.hold, 12_000, wire.release),
  },
  {
    name: 'node-paused', does: 'one node: SIGSTOP for 5 s, with requests waiting on its connections', quick: false,
    // it knows that it has slept, and may say so
    excuses: (answer, fault) => answer.status === 503 && atNode(answer, fault),
    async cause({ nodes }) {
      const node = 1
      return { ...await lasting(() => nodes[node]?.signal('SIGSTOP'), 5_000, () => nodes[node]?.signal('SIGCONT')), node }
    },
  },
  {
    name: 'node-cut-off', quick: false,
    needs: 'suspendable postgres', does: 'one node: SIGSTOP for 5 s; when it goes on, neither Redis nor PostgreSQL answers for a second more',
    excuses: (answer, fault) => answer.status === 503 && atNode(answer, fault),
    async cause({ nodes, postgres, redis }) {
      const node = 0
      // its memory is all it has to go by, and the lease must keep it from doing so
      redis.suspend()
      const fault = await lasting(() => nodes[node]?.signal('SIGSTOP'), 5_000, postgres.suspend ?? (() => undefined))
      nodes[node]?.signal('SIGCONT')
      await delay(1_000)
      postgres.resume()
      redis.resume()
      return { ...fault, toMs: steadyMs(), node }
    },
  },
  {
    name: 'postgres-paused', does: 'PostgreSQL: SIGSTOP of all its processes for 4 s', needs: 'suspendable postgres', quick: false,
    excuses: (answer, fault) => answer.status === 503 && during(answer, fault),
    cause: ({ postgres }) => lasting(() => postgres.suspend?.(), 4_000, postgres.resume),
  },
  {
    name: 'node-killed', does: 'one node: SIGKILL, 3 s without it, then it is started again', quick: false, excuses: atNode,
    async cause({ nodes }) {
      const node = 2
      const killedMs = steadyMs()
      return { ...await lasting(() => nodes[node]?.kill(), 3_000, () => nodes[node]?.start()), node, killedMs }
    },
  },
]

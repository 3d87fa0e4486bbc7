// This node among those that share limits through Redis. While it is a member, it has told Redis all that it let through and promises, a
// few seconds ahead, not to decide alone; the others then need not keep its share of the quotas. A node that loses Redis waits for the end of
// what it promised. Promises are in Redis's time and name their end, so one that arrives late promises nothing that is not kept.
import type { Redis } from 'ioredis'
import { newId } from '../../kernel/ids.js'
import { HELLO_SCRIPT, NODES_KNOWN_MS, PROMISE_MS } from './presence-script.js'

interface Commands {
  gatehouseHello: (key: string, ...values: (string | number)[]) => Promise<[string, number, number, number]>
}

/** What Redis remembers: another id, or a number that does not grow, is a Redis that has forgotten. */
export interface Epoch {
  id: string
  seq: number
}

/** What a question to Redis carries, so that a Redis that has forgotten does not answer it. */
export interface Ticket extends Epoch {
  node: string
}

/** Redis does not remember what this node knows of it, or this node has not told it everything yet. */
export class ForgottenError extends Error {
  constructor() {
    super('Redis has forgotten')
  }
}

export interface Membership {
  /** What Redis said last; null: never asked. */
  lastEpoch: () => Epoch | null
  /** Looks at Redis; a member renews its promise with it. `renew`: this memory is to be given up, and all must tell anew. */
  hello: (renew?: string) => Promise<Epoch>
  /** Becomes a member of what `hello` answered last, which has been told everything. Rejects when Redis has forgotten it meanwhile. */
  join: () => Promise<void>
  leave: () => void
  isMember: () => boolean
  /** null: not a member */
  ticket: () => Ticket | null
  /** Promises itself not to decide alone for now. */
  quiet: () => void
  /** when all that was promised is over for certain, on the clock of `now` */
  quietUntilMs: () => number
  /** Leaves for good, promising for as long as the others count this node. Never rejects. */
  farewell: () => Promise<void>
}

export interface MembershipOptions {
  client: Redis
  keyPrefix: string
  /** whole ms, this node's monotonic clock */
  now: () => number
  /** grows with each connection that is over */
  connections?: () => number
  /** only tests pass it, see redis-limit-store.ts */
  redisNow?: () => number
  /** wraps every command; only tests pass it */
  run?: <T>(command: () => Promise<T>) => Promise<T>
}

// a clock that runs this much slower than Redis's is still in time
const SLOWEST = 0.95

/** The key that holds who shares the limits. */
export function presenceKey(keyPrefix: string): string {
  return `${keyPrefix}limit-nodes`
}

export function createMembership({ client, keyPrefix, now, connections = () => 0, redisNow, run = (command) => command() }: MembershipOptions): Membership {
  client.defineCommand('gatehouseHello', { lua: HELLO_SCRIPT, numberOfKeys: 1 })
  const commands = client as Redis & Commands
  const node = newId()
  let last: (Epoch & { redisMs: number; atMs: number; connections: number }) | null = null
  // may this user not ask which server it is? Then behind each new connection there may be another
  let knowsServer = true
  let joined: string | null = null
  let quietUntilMs = -Infinity

  function quiet(forMs = PROMISE_MS): void {
    quietUntilMs = Math.max(quietUntilMs, now() + Math.ceil(forMs / SLOWEST) + 1)
  }

  async function say({ to = '', renew = '', forMs = PROMISE_MS }: { to?: string; renew?: string; forMs?: number }): Promise<Epoch> {
    // never later than Redis's own time, so the promise ends there before it ends here
    const redisMs = last ? last.redisMs + Math.floor((now() - last.atMs) * SLOWEST) : 0
    if (to !== '') quiet(forMs)
    const over = connections()
    const giveUp = last && !knowsServer && last.connections !== over ? last.id : renew
    const [id, seq, at, known] = await run(() => commands.gatehouseHello(presenceKey(keyPrefix), redisNow ? redisNow() : '', newId(), giveUp, node, to, redisMs + forMs))
    knowsServer = known === 1
    last = { id, seq, redisMs: at, atMs: now(), connections: over }
    return last
  }

  return {
    lastEpoch: () => last,
    hello: (renew = '') => say({ to: joined ?? '', renew }),
    async join() {
      if (!last) throw new Error('not before hello')
      const to = last.id
      const { id } = await say({ to })
      if (id !== to) throw new Error('Redis has forgotten what it was told')
      joined = id
    },
    leave() {
      joined = null
    },
    isMember: () => joined !== null,
    ticket: () => (joined !== null && last ? { id: joined, seq: last.seq, node } : null),
    quiet: () => quiet(),
    quietUntilMs: () => quietUntilMs,
    async farewell() {
      const to = joined
      joined = null
      if (to !== null) await say({ to, forMs: NODES_KNOWN_MS }).catch(() => undefined)
    },
  }
}

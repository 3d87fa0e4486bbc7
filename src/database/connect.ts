// One pg.Pool serves Prisma and the named hot statements. `transact` opens a transaction or joins the one that is open
// in this asynchronous context, so that an audit row or an idempotency record commits with the change it belongs to.
import { AsyncLocalStorage } from 'node:async_hooks'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { clientFor } from './clients.js'
import { PrismaClient } from './generated/client.js'
import { withInstants } from './instants.js'
import { OWN_SESSIONS, type Pooling } from './pooling.js'
import { settled, settleSession } from './session.js'
import type { Transact, Tx } from './transaction.js'
import type { Way } from './way.js'

export interface Database {
  pool: pg.Pool
  prisma: PrismaClient
  /** Runs `work` in one transaction: it commits when `work` resolves and rolls back when it throws. Nested calls join the outer one. */
  transact: Transact
  /** Runs `work` once the transaction that is open in this context has committed (never when it rolls back); at once when none is open. */
  afterCommit: (work: () => Promise<void>) => Promise<void>
  /**
   * A connection outside the pool, past the pooler where there is a way past it; nothing on it takes longer than `withinMs`. It is the
   * caller's to end, and to listen to. Rejects within twice that time.
   */
  connectAlone: (name: string, withinMs: number) => Promise<pg.Client>
  /** how the pool reaches the database */
  pooling: Pooling
  close: () => Promise<void>
}

export interface DatabaseOptions {
  connection: Way
  /** what stands in front of it: nothing that one would notice, when this is left out */
  pooling?: Pooling
  /** past the pooler */
  direct?: Way
  poolMax: number
  /** told of errors of idle connections (a restarted server); the pool replaces them by itself */
  onError: (error: Error) => void
}

// What is read past a transaction in the middle of one waits for a second connection while it holds its own. Were both of one pool, as many transactions as it has connections
// would wait for each other, and a caller's fifty requests at once would stop a node for everybody, two seconds at a time. These are held by single statements alone.
const INNER_MAX = 2
// PostgreSQL's own limits are set by session.ts; these hold for a server that does not answer
const LIMITS = { connectionTimeoutMillis: 2_000, query_timeout: 12_000 }

function aloneBy(connection: Way, pooling: Pooling): Database['connectAlone'] {
  const Client = clientFor(pooling, connection.places)
  return async (name, withinMs) => {
    const client = new Client({ ...connection, connectionTimeoutMillis: withinMs, query_timeout: withinMs, application_name: name })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await settleSession(client, { isShared: pooling.isShared, schema: connection.schema, withinMs, statementTimeout: withinMs % 1_000 === 0 ? `${withinMs / 1_000}s` : `${withinMs}ms` })
      return client
    } catch (error) {
      discard(client)
      throw error
    }
  }
}

/** Ends a connection at once: end() first says goodbye, and a server that does not answer would never let it go. */
export function discard(client: pg.Client): void {
  client.connection.stream.destroy()
}

export function connectDatabase({ connection, poolMax, onError, pooling = OWN_SESSIONS, direct }: DatabaseOptions): Database {
  const poolOf = (max: number): pg.Pool => settled(new pg.Pool({ ...LIMITS, ...connection, max, application_name: 'gatehouse', Client: clientFor(pooling, connection.places) }), { isShared: pooling.isShared, schema: connection.schema }).on('error', onError)
  const pool = poolOf(poolMax)
  const inner = poolOf(INNER_MAX)
  const prisma = new PrismaClient({
    adapter: withInstants(new PrismaPg(pool, connection.schema === undefined ? {} : { schema: connection.schema })),
    // a little longer than for a connection, whose own error says more
    transactionOptions: { maxWait: (connection.connectionTimeoutMillis ?? LIMITS.connectionTimeoutMillis) + 500, timeout: 20_000 },
  })
  const open = new AsyncLocalStorage<{ tx: Tx; afterCommit: (() => Promise<void>)[] }>()
  // of both forms: whoever has a transaction open is given a connection of the others
  const connect = pool.connect.bind(pool) as (...given: unknown[]) => unknown
  const connectInner = inner.connect.bind(inner) as (...given: unknown[]) => unknown
  Object.assign(pool, { connect: (...given: unknown[]) => (open.getStore() ? connectInner : connect)(...given) })
  let running = 0
  return {
    pool,
    prisma,
    pooling,
    connectAlone: direct ? aloneBy(direct, OWN_SESSIONS) : aloneBy(connection, pooling),
    async transact(work) {
      const outer = open.getStore()
      if (outer) return work(outer.tx)
      const afterCommit: (() => Promise<void>)[] = []
      running += 1
      let result
      try {
        result = await prisma.$transaction((tx) => open.run({ tx, afterCommit }, () => work(tx)))
      } finally {
        running -= 1
        // while a storage is in use, Node before 24 runs a hook for every promise of the process, and every request pays
        if (running === 0) open.disable()
      }
      for (const step of afterCommit) await step()
      return result
    },
    async afterCommit(work) {
      const outer = open.getStore()
      if (outer) outer.afterCommit.push(work)
      else await work()
    },
    async close() {
      await prisma.$disconnect()
      await Promise.all([pool, inner].map(async (one) => (one.ended ? undefined : one.end())))
    },
  }
}

// One pg.Pool serves Prisma and the named hot statements. `transact` opens a transaction or joins the one that is open
// in this asynchronous context, so that an audit row or an idempotency record commits with the change it belongs to.
import { AsyncLocalStorage } from 'node:async_hooks'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { Prisma, PrismaClient } from './generated/client.js'
import { InstantClient, withInstants } from './instants.js'
import { settled } from './session.js'
import type { Transact, Tx } from './transaction.js'

export interface Database {
  pool: pg.Pool
  prisma: PrismaClient
  /** Runs `work` in one transaction: it commits when `work` resolves and rolls back when it throws. Nested calls join the outer one. */
  transact: Transact
  /** Runs `work` once the transaction that is open in this context has committed (never when it rolls back); at once when none is open. */
  afterCommit: (work: () => Promise<void>) => Promise<void>
  close: () => Promise<void>
}

export interface DatabaseOptions {
  connection: pg.PoolConfig
  poolMax: number
  /** told of errors of idle connections (a restarted server); the pool replaces them by itself */
  onError: (error: Error) => void
}

const LIMITS = { connectionTimeoutMillis: 2_000, statement_timeout: 10_000, idle_in_transaction_session_timeout: 30_000, query_timeout: 12_000 }

export function connectDatabase({ connection, poolMax, onError }: DatabaseOptions): Database {
  const pool = settled(new pg.Pool({ ...LIMITS, ...connection, max: poolMax, application_name: 'gatehouse', Client: InstantClient }))
  pool.on('error', onError)
  const prisma = new PrismaClient({
    adapter: withInstants(new PrismaPg(pool)),
    transactionOptions: { maxWait: 2_500, timeout: 20_000 },
  })
  const open = new AsyncLocalStorage<{ tx: Tx; afterCommit: (() => Promise<void>)[] }>()
  let running = 0
  return {
    pool,
    prisma,
    async transact(work) {
      const outer = open.getStore()
      if (outer) return work(outer.tx)
      const afterCommit: (() => Promise<void>)[] = []
      running += 1
      let result
      try {
        result = await prisma.$transaction((tx) => open.run({ tx, afterCommit }, () => work(tx)), { isolationLevel: Prisma.TransactionIsolationLevel.ReadCommitted })
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
      if (!pool.ended) await pool.end()
    },
  }
}

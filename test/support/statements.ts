// How many statements a piece of work sends to PostgreSQL: counted where they leave, at the pool and at the clients that it lends.
// What runs beside the work (polls, batches) is not counted.
import { AsyncLocalStorage } from 'node:async_hooks'
import type pg from 'pg'

export interface Statements {
  /** Runs `work`; the texts of the statements that it sent, BEGIN and COMMIT included. */
  during: (work: () => Promise<unknown>) => Promise<string[]>
}

type Query = (...args: unknown[]) => unknown

const textOf = (statement: unknown): string => (typeof statement === 'string' ? statement : String((statement as { text?: unknown }).text))

/** Watches a pool from now on. */
export function watchStatements(pool: pg.Pool): Statements {
  const watched = new AsyncLocalStorage<string[]>()
  const plain = { query: pool.query.bind(pool) as unknown as Query, connect: pool.connect.bind(pool) as unknown as () => Promise<pg.PoolClient> }
  // the pool's own query lends itself a client: that is one statement, not two
  const inner = Object.create(pool, { connect: { value: plain.connect } }) as pg.Pool
  const queryOf = Object.getPrototypeOf(pool) as { query: Query }
  Object.assign(pool, {
    query(this: unknown, ...args: unknown[]) {
      watched.getStore()?.push(textOf(args[0]))
      return queryOf.query.apply(inner, args)
    },
    async connect(...args: unknown[]) {
      if (args.length > 0) return (plain.connect as Query)(...args)
      const texts = watched.getStore()
      const client = await plain.connect()
      if (!texts) return client
      const query = client.query.bind(client) as unknown as Query
      const release = client.release.bind(client)
      Object.assign(client, {
        query(...queried: unknown[]) {
          texts.push(textOf(queried[0]))
          return query(...queried)
        },
        release(error?: Error | boolean) {
          Reflect.deleteProperty(client, 'query')
          release(error)
        },
      })
      return client
    },
  })
  return {
    async during(work) {
      const texts: string[] = []
      await watched.run(texts, work)
      return texts
    },
  }
}

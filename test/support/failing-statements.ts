// The database goes away at the n-th statement of a piece of work, before it is sent or after it has been done: what a kill at that point leaves behind.
import { AsyncLocalStorage } from 'node:async_hooks'
import type pg from 'pg'

export interface FailingStatements {
  /** Runs `work`, whose n-th statement (from 1) fails; `after`: it is done, and nobody hears of it. True: so many there were. */
  during: (n: number, after: boolean, work: () => Promise<unknown>) => Promise<boolean>
}

type Query = (...args: unknown[]) => Promise<unknown>

class Gone extends Error {
  readonly code = 'ECONNRESET'
}

/** Sits in a pool from now on. */
export function failStatements(pool: pg.Pool): FailingStatements {
  const running = new AsyncLocalStorage<{ left: number; after: boolean; hit: boolean }>()
  const connect = pool.connect.bind(pool) as unknown as () => Promise<pg.PoolClient>
  const inner = Object.create(pool, { connect: { value: connect } }) as pg.Pool
  const { query } = Object.getPrototypeOf(pool) as { query: Query }

  async function send(ask: () => Promise<unknown>): Promise<unknown> {
    const state = running.getStore()
    if (!state || state.hit || (state.left -= 1) > 0) return ask()
    state.hit = true
    if (state.after) await ask()
    throw new Gone('the connection is gone')
  }

  Object.assign(pool, {
    query(...args: unknown[]) {
      return send(async () => query.apply(inner, args))
    },
    async connect(...args: unknown[]) {
      if (args.length > 0) return (connect as unknown as Query)(...args)
      const client = await connect()
      if (!running.getStore()) return client
      const plain = client.query.bind(client) as unknown as Query
      const release = client.release.bind(client)
      let isGone = false
      return Object.assign(client, {
        async query(...queried: unknown[]) {
          if (isGone) throw new Gone('the connection is gone')
          try {
            return await send(() => plain(...queried))
          } catch (error) {
            isGone = error instanceof Gone
            throw error
          }
        },
        release(error?: Error | boolean) {
          Reflect.deleteProperty(client, 'query')
          // a connection that is gone takes its transaction along
          release(isGone ? true : error)
        },
      })
    },
  })
  return {
    async during(n, after, work) {
      const state = { left: n, after, hit: false }
      await running.run(state, () => work().catch(() => undefined))
      return state.hit
    },
  }
}

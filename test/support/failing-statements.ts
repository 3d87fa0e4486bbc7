// The database goes away at the n-th statement of a piece of work, before it is sent or after it has been done: what a kill at that point leaves behind.
import { AsyncLocalStorage } from 'node:async_hooks'
import type pg from 'pg'

export interface FailingStatements {
  /** Runs `work`, whose n-th statement (from 1) fails; `after`: it is done, and nobody hears of it. True: so many there were. */
  during: (n: number, after: boolean, work: () => Promise<unknown>) => Promise<boolean>
  /** From now on the n-th statement of anybody that is of this kind fails. The function it returns ends that; true: it has. */
  next: (n: number, after: boolean, kind: RegExp) => () => boolean
}

type Query = (...args: unknown[]) => Promise<unknown>

interface State {
  left: number
  after: boolean
  hit: boolean
  kind?: RegExp
}

/** The name and the text of a statement. */
function labelOf(statement: unknown): string {
  if (typeof statement === 'string') return statement
  const { name = '', text = '' } = statement as { name?: string; text?: string }
  return `${name} ${text}`
}

class Gone extends Error {
  readonly code = 'ECONNRESET'
}

/** Sits in a pool from now on. */
export function failStatements(pool: pg.Pool): FailingStatements {
  const running = new AsyncLocalStorage<State>()
  let everywhere: State | null = null
  const connect = pool.connect.bind(pool) as unknown as () => Promise<pg.PoolClient>
  const inner = Object.create(pool, { connect: { value: connect } }) as pg.Pool
  const { query } = Object.getPrototypeOf(pool) as { query: Query }

  async function send(ask: () => Promise<unknown>, statement: unknown): Promise<unknown> {
    const state = running.getStore() ?? everywhere
    if (!state || state.hit || state.kind?.test(labelOf(statement)) === false || (state.left -= 1) > 0) return ask()
    state.hit = true
    if (state.after) await ask()
    throw new Gone('the connection is gone')
  }

  Object.assign(pool, {
    query(...args: unknown[]) {
      return send(async () => query.apply(inner, args), args[0])
    },
    async connect(...args: unknown[]) {
      if (args.length > 0) return (connect as unknown as Query)(...args)
      const client = await connect()
      if (!running.getStore() && !everywhere) return client
      const plain = client.query.bind(client) as unknown as Query
      const release = client.release.bind(client)
      let isGone = false
      return Object.assign(client, {
        async query(...queried: unknown[]) {
          if (isGone) throw new Gone('the connection is gone')
          try {
            return await send(() => plain(...queried), queried[0])
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
    next(n, after, kind) {
      const state: State = { left: n, after, hit: false, kind }
      everywhere = state
      return () => {
        everywhere = null
        return state.hit
      }
    },
  }
}

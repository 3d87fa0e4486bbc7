// What comes of a request while another transaction is under way: it is made when `work` is done and not committed yet, which is committed, after `last`, once the request waits for it, or is answered.
import type { TestDatabase } from './database.js'
import type { Tx } from '../../src/database/transaction.js'

const WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

export async function meanwhile<T>({ pool, prisma }: Pick<TestDatabase, 'pool' | 'prisma'>, work: (tx: Tx) => Promise<unknown>, ask: () => Promise<T>, last: (tx: Tx) => Promise<unknown> = async () => undefined): Promise<{ waited: boolean; answer: T }> {
  const state = { waited: false, answered: false }
  // not by `transact`: the request would be part of the transaction
  const asked = await prisma.$transaction(async (tx) => {
    await work(tx)
    const answer = ask()
    const over = (): boolean => (state.answered = true)
    void answer.then(over, over)
    while (!state.answered && !state.waited) state.waited = (await pool.query(WAITING)).rows.length > 0
    await last(tx)
    // in a list, for what waits is answered after the commit
    return [answer] as const
  }, { timeout: 20_000 })
  return { waited: state.waited, answer: await asked[0] }
}

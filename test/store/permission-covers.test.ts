// permission_covers in SQL says what covers() says.
import t from 'tap'
import { covers } from '../../src/kernel/permissions.js'
import { createTestDatabase } from '../support/database.js'

t.test('the database and the program agree on what covers what', async (t) => {
  const { pool } = await createTestDatabase(t)
  const all = ['*:*', 'a:*', 'a:b', 'a:b:*', 'a:b:c', 'ab:c', 'gatehouse:*', 'gatehouse:users.read', 'gatehouse', 'a', 'b:*', 'gatehousex:y']
  const { rows } = await pool.query<{ granted: string; wanted: string; covered: boolean }>(
    'SELECT g AS granted, w AS wanted, permission_covers(g, w) AS covered FROM unnest($1::text[]) g, unnest($1::text[]) w', [all])
  t.equal(rows.length, all.length ** 2)
  for (const { granted, wanted, covered } of rows) t.equal(covered, covers(granted, wanted), `${granted} and ${wanted}`)
})

t.test('times of the gate: a lock that is waited for is not overtaken', async (t) => {
  const { pool } = await createTestDatabase(t)
  const [holder, narrower, late] = [await pool.connect(), await pool.connect(), await pool.connect()]
  t.teardown(() => { for (const client of [holder, narrower, late]) client.release(true) })
  const order: string[] = []
  for (const client of [holder, narrower, late]) await client.query('BEGIN')
  await holder.query("SELECT authority_gate(7101, '{u}', '{}')")
  const waiting = async (): Promise<number> => (await pool.query<{ n: number }>("SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")).rows[0]?.n ?? 0
  const until = async (n: number): Promise<void> => { while ((await waiting()) < n) { /* asked again until it waits */ } }
  const alone = narrower.query("SELECT authority_gate(7101, '{}', '{u}')").then(() => order.push('narrower'))
  await until(1)
  const shared = late.query("SELECT authority_gate(7101, '{u}', '{}')").then(() => order.push('late'))
  await until(2)
  await holder.query('COMMIT')
  await alone
  await narrower.query('COMMIT')
  await shared
  t.same(order, ['narrower', 'late'], 'who came after the narrower waits for it')
})

// Who is alive: heartbeats in the database, counted by every node.
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { createNodeTable } from '../../src/cluster/node-table.js'
import { createNodeRegistry, type NodeStore } from '../../src/cluster/node-registry.js'
import { createTestDatabase } from '../support/database.js'
import { SILENT } from '../support/redis.js'

t.test('nodes on one database', async (t) => {
  const { pool } = await createTestDatabase(t)
  const store = createNodeTable({ pool })
  const open = () => createNodeRegistry({ store, id: newId(), log: SILENT })
  const [a, b] = [open(), open()]
  const ids = async (): Promise<string[]> => (await pool.query<{ id: string }>('SELECT id FROM nodes ORDER BY id')).rows.map(({ id }) => id)

  t.test('count themselves and each other', async (t) => {
    t.equal(a.liveNodes(), 1)
    await a.start()
    t.equal(a.liveNodes(), 1)
    await b.start()
    await a.beat()
    t.same([a.liveNodes(), b.liveNodes()], [2, 2])
    t.same(await ids(), [a.id, b.id].toSorted())
  })

  t.test('a node not seen for 15 s does not count, and its row goes after an hour', async (t) => {
    await pool.query(`UPDATE nodes SET seen_at = now() - interval '16 seconds' WHERE id = $1`, [b.id])
    await a.beat()
    t.equal(a.liveNodes(), 1)
    t.same((await ids()).length, 2)
    await pool.query(`UPDATE nodes SET seen_at = now() - interval '61 minutes' WHERE id = $1`, [b.id])
    await a.beat()
    t.same(await ids(), [a.id])
    await b.beat()
    t.equal(b.liveNodes(), 2)
  })

  t.test('a node that stops is gone at once', async (t) => {
    await b.stop()
    await a.beat()
    t.equal(a.liveNodes(), 1)
    t.same(await ids(), [a.id])
    await a.stop()
    t.same(await ids(), [])
  })
})

t.test('a database that fails leaves the last count, is counted, and does not stop the heartbeats', async (t) => {
  let works = true
  let asked = 0
  const store: NodeStore = {
    async beat() {
      asked += 1
      if (!works) throw new Error('the database of the test is down')
      return 3
    },
    delete: async () => Promise.reject(new Error('still down')),
  }
  const warnings: string[] = []
  const registry = createNodeRegistry({ store, id: newId(), log: { ...SILENT, warn: (_details, message) => warnings.push(message) } })
  await registry.start()
  works = false
  await Promise.all([registry.beat(), registry.beat()])
  t.same([registry.liveNodes(), registry.failures(), warnings.length, asked], [3, 1, 1, 2])
  works = true
  await registry.beat()
  t.equal(asked, 3)
  await registry.stop()
})

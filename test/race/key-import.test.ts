// POST /keys/import under fire: the n-th statement of a request fails, for every n, before it is done or after it. Keys are there by whole batches, each
// with its audit row and its owner, those that were answered are there, and the same rows under the same Idempotency-Key bring the rest and nothing twice.
import { createHash } from 'node:crypto'
import t from 'tap'
import { formatKey } from '../../src/keys/key-format.js'
import { expectJson, startApp } from '../support/app.js'
import { failStatements } from '../support/failing-statements.js'
import { createCustomers } from '../support/organizations.js'
import { eventually } from '../support/redis.js'

interface Row { name: string; hash: string; start: string; permissions: string[]; ownerUserId?: string; organizationId?: string }
interface Line { row?: number; status?: string; id?: string; done?: boolean; rows?: number; created?: number; updated?: number; unchanged?: number; failed?: number; code?: string }

t.test('keys that are brought along while the database goes away', async (t) => {
  const { app, as, database } = await startApp(t, { config: { soldKeysPerOwner: 100_000 } })
  const { prisma } = database
  const admin = await as.admin()
  const { open, someone } = createCustomers(app, admin)
  const [owner, { id: organizationId }] = [await someone(), await open({ entitlement: ['reports:*'] })]
  const seller = await as.key(['gatehouse:keys.write', 'reports:*'])
  const failing = failStatements(database.pool)

  const rowsOf = (name: string, count: number): Row[] => Array.from({ length: count }, (_, at) => {
    const { key, start } = formatKey('acme')
    return { name, hash: createHash('sha256').update(key).digest('hex'), start, permissions: ['reports:read'], ...(at % 2 === 0 ? { ownerUserId: owner.user.id } : { organizationId }) }
  })
  async function send(rows: readonly Row[], key: string, mode = 'insert'): Promise<Line[]> {
    const answer = await app.inject({
      method: 'POST', url: `/api/v1/keys/import?report=all&mode=${mode}`, headers: { ...seller.headers, 'content-type': 'application/x-ndjson', 'idempotency-key': key }, payload: rows.map((row) => JSON.stringify(row)).join('\n'),
    })
    // what fails before the first row is an answer of its own
    if (answer.statusCode < 500 && answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${answer.body}`)
    return answer.statusCode === 200 ? answer.body.trim().split('\n').map((line) => JSON.parse(line) as Line) : [{ done: false, rows: 0, created: 0 }]
  }
  const there = (name: string) => prisma.apiKey.findMany({ where: { name }, select: { id: true, ownerUserId: true, organizationId: true, keyHash: true } })
  const issued = (ids: string[]) => prisma.auditEvent.count({ where: { action: 'key.issued', targetId: { in: ids } } })
  const lastOf = (lines: readonly Line[]): Line => lines.at(-1) ?? {}

  /** Sends rows while the n-th statement fails. Null: so many there are not. */
  async function broken(rows: readonly Row[], name: string, n: number, after: boolean, mode?: string): Promise<Line[] | null> {
    let lines: Line[] = []
    const hit = await failing.during(n, after, async () => {
      lines = await send(rows, name, mode)
    })
    return hit ? lines : null
  }

  for (const [count, step] of [[4, 1], [502, 2]] as const) {
    for (const after of [false, true]) {
      t.test(`${count} keys, the database gone ${after ? 'after' : 'before'} the n-th statement`, async (t) => {
        let tried = 0
        for (let n = after ? step : 1; n < 200; n += step) {
          const name = `${count}-${n}-${after ? 'after' : 'before'}`
          const rows = rowsOf(name, count)
          const lines = await broken(rows, name, n, after)
          if (!lines) break
          tried += 1
          const left = await there(name)
          const ids = left.map(({ id }) => id)
          t.ok([0, 500, count].includes(left.length), `${name}: ${left.length} keys, whole batches`)
          const answered = lines.flatMap(({ id, status }) => (status === 'created' && id !== undefined ? [id] : []))
          t.same(answered.filter((id) => !ids.includes(id)), [], 'what was answered is there')
          t.equal(lastOf(lines).created ?? 0, answered.length, 'as many as the last line counts')
          // only a commit of which nobody heard leaves more behind than was answered
          if (!after) t.equal(left.length, answered.length, 'and nothing else')
          t.equal(await issued(ids), left.length, 'each with its audit row')

          t.match(lastOf(await send(rows, name)), { done: true, rows: count, created: count, failed: 0 })
          const all = await there(name)
          t.same(all.map(({ keyHash }) => Buffer.from(keyHash).toString('hex')).toSorted(), rows.map(({ hash }) => hash).toSorted(), 'each key once')
          t.equal(await issued(all.map(({ id }) => id)), count)
          const owners = new Map(rows.map((row) => [row.hash, row]))
          t.ok(all.every((key) => {
            const row = owners.get(Buffer.from(key.keyHash).toString('hex'))
            return key.ownerUserId === (row?.ownerUserId ?? null) && key.organizationId === (row?.organizationId ?? null)
          }), 'each its owner\'s')
          t.match(lastOf(await send(rows, name)), { done: true, rows: count, created: count, resumedAfter: count })
        }
        t.ok(tried >= 10, `${tried} places`)
      })
    }
  }

  t.test('keys that are known: each row is done whole or not at all, and the same request does the rest', async (t) => {
    let tried = 0
    for (const after of [false, true]) {
      for (let n = 1; n < 200; n += 1) {
        const name = `known-${n}-${after}`
        const rows = rowsOf(name, 2)
        await send(rows, name)
        const narrowed = rows.map((row) => ({ ...row, permissions: [] }))
        const lines = await broken(narrowed, `${name}-narrowed`, n, after, 'upsert')
        if (!lines) break
        tried += 1
        /** Of each key: is it as its row says, and how often does the log say that it was changed? */
        const changes = async (): Promise<[boolean, number][]> => Promise.all((await prisma.apiKey.findMany({ where: { name } })).map(
          async ({ id, permissions }): Promise<[boolean, number]> => [permissions.length === 0, await prisma.auditEvent.count({ where: { action: 'key.updated', targetId: id } })]))
        t.same((await changes()).filter(([isDone, times]) => times !== (isDone ? 1 : 0)), [], `${name}: a change has its audit row`)
        const last = lastOf(await send(narrowed, `${name}-narrowed`, 'upsert'))
        t.match(last, { done: true, rows: 2, created: 0, failed: 0 })
        t.equal((last.updated ?? 0) + (last.unchanged ?? 0), 2)
        t.same(await changes(), [[true, 1], [true, 1]])
      }
    }
    t.ok(tried >= 20, `${tried} places`)
  })

  t.test('nothing of it is left open', async (t) => {
    expectJson(await app.inject({ url: '/api/v1/keys?limit=1', headers: admin }), 200)
    // the node asks for itself, too, now and then
    await eventually(async () => database.pool.idleCount === database.pool.totalCount, 5_000)
    t.pass()
  })
})

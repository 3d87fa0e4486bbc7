// Sweeps of keys that cannot go on: they stay, are tried again less and less often, and keep no other from it.
import t from 'tap'
import { createAuditStore } from '../../src/audit/audit-store.js'
import { createAuthorityService } from '../../src/authority/authority-service.js'
import { createAuthorityStore } from '../../src/authority/authority-store.js'
import { newId } from '../../src/kernel/ids.js'
import { createCursors } from '../../src/kernel/page.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { createKeySweepService } from '../../src/keys/key-sweep-service.js'
import { createKeySweepStore } from '../../src/keys/key-sweep-store.js'
import { SECRET } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase } from '../support/database.js'

const { pool, prisma, transact } = await createTestDatabase(t)
const clock = fakeClock()
/** A node without the job that runs sweeps by itself. */
const node = () => createKeySweepService({
  store: createKeySweepStore({ prisma }), authority: createAuthorityService({ store: createAuthorityStore(), clock }), audit: createAuditStore({ pool, cursors: createCursors(createSecrets(SECRET)), clock }),
  transact, clock, publishRevocations: async () => undefined,
})

/** A sweep as a request leaves it; without a filter it throws whenever it is tried. */
async function sweep(filter: object): Promise<string> {
  const id = newId()
  const now = new Date(clock.now())
  await prisma.keySweep.create({ data: { id, filter, reach: [], requestedBy: '', requestedVia: 'host', before: now, frontier: ['*'], createdAt: now } })
  return id
}

async function userWithKeys(count: number): Promise<string> {
  const id = newId()
  await pool.query("INSERT INTO users (id, email, created_at, updated_at) VALUES ($1, $2, $3, $3)", [id, `${id}@example.com`, new Date(clock.now())])
  await pool.query(`
    INSERT INTO api_keys (id, owner_user_id, name, start, key_hash, permissions, limit_group_id, created_at, updated_at, kind, issued_by, issued_via, issued_at)
    SELECT gen_random_uuid(), $1::uuid, 'k', 'gk_', sha256(($1::uuid || '-' || n)::bytea), '{}', gen_random_uuid(), '2020-01-01', '2020-01-01', 'standing', $1::uuid, 'host', '2020-01-01' FROM generate_series(1, $2::int) n`, [id, count])
  return id
}

const live = (ownerUserId: string): Promise<number> => prisma.apiKey.count({ where: { ownerUserId, revokedAt: null } })
const failures = async (): Promise<number> => node().runPending().then(() => 0, (error: AggregateError) => error.errors.length)
const rowOf = (id: string) => prisma.keySweep.findUniqueOrThrow({ where: { id } })

t.afterEach(() => prisma.keySweep.deleteMany())

t.test('a hundred sweeps that always fail keep no other waiting for longer than their first failure', async (t) => {
  const poisoned: string[] = []
  for (let n = 0; n < 100; n += 1) poisoned.push(await sweep({}))
  clock.advance(1)
  const ada = await userWithKeys(3)
  const good = await sweep({ ownerUserId: ada })
  t.equal(await failures(), 100)
  t.equal(await failures(), 0, 'what failed is put off')
  t.equal(await live(ada), 0, 'and the others go on')
  t.ok((await rowOf(good)).finishedAt)
  // all of them are due again: who has not failed comes first
  clock.advance(3_600_000)
  const bob = await userWithKeys(3)
  await sweep({ ownerUserId: bob })
  t.equal(await failures(), 99)
  t.equal(await live(bob), 0)
  t.equal(await prisma.keySweep.count({ where: { id: { in: poisoned }, finishedAt: null } }), 100, 'none is given up')
})

t.test('one that fails is tried again after a second, two, four, and then each minute', async (t) => {
  const id = await sweep({})
  const waits: number[] = []
  for (let round = 0; round < 9; round += 1) {
    t.equal(await failures(), 1)
    const waitMs = ((await rowOf(id)).nextAt?.getTime() ?? 0) - clock.now()
    clock.advance(waitMs - 1)
    t.equal(await failures(), 0, 'not before')
    clock.advance(1)
    waits.push(waitMs / 1_000)
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60])
})

t.test('when the cause is gone it goes on where it stood, and its failures are forgotten', async (t) => {
  const ada = await userWithKeys(600)
  const id = await sweep({})
  for (let round = 0; round < 3; round += 1) {
    t.equal(await failures(), 1)
    clock.advance(60_000)
  }
  t.equal((await rowOf(id)).attempts, 3)
  await prisma.keySweep.update({ where: { id }, data: { filter: { ownerUserId: ada } } })
  t.equal(await failures(), 0)
  t.match(await rowOf(id), { attempts: 0, nextAt: null, revoked: 600, finishedAt: Date })
})

t.test('two nodes at once count a failure once, and one that is put off can still be asked for by name', async (t) => {
  const id = await sweep({})
  await Promise.all([failures(), failures()])
  t.equal((await rowOf(id)).attempts, 1)
  const ada = await userWithKeys(1)
  await prisma.keySweep.update({ where: { id }, data: { filter: { ownerUserId: ada } } })
  t.match(await node().run(id), { revoked: 1, pending: false })
})

t.test('a node of the version before writes no waiting time, and its sweeps are due at once', async (t) => {
  const ada = await userWithKeys(2)
  await pool.query(`INSERT INTO key_sweeps (id, filter, reach, requested_by, requested_via, before, frontier, created_at) VALUES ($1, $2, '{}', '', 'host', now(), '{*}', now())`, [newId(), { ownerUserId: ada }])
  t.equal(await failures(), 0)
  t.equal(await live(ada), 0)
})

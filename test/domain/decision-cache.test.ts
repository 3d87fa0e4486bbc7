// The rules of docs/decision-engine.md one by one, on the state of revocations and the cache, with everything around them faked.
import t from 'tap'
import { createDecisionCache, type Found } from '../../src/decisions/decision-cache.js'
import { createRevocations, type LoggedRevocation, type Reading } from '../../src/revocation/revocations.js'
import { fakeClock } from '../support/clock.js'

const LEASE = 1_500

function createWorld(options: { maxIds?: number; maxEntries?: number; maxBytes?: number } = {}) {
  const clock = fakeClock()
  let wallShift = 0
  const shifting = { ...clock, now: () => clock.now() + wallShift }
  const revocations = createRevocations({ clock: shifting, leaseMs: LEASE, ...(options.maxIds ? { maxIds: options.maxIds } : {}) })
  let restores = 0
  let isLogDown = false
  let head = 0
  const poll = (rows: LoggedRevocation[] = [], server = 's'): void => {
    head = rows.at(-1)?.seq ?? head
    revocations.applyPoll({ startedAt: revocations.now(), server, head, rows })
  }
  const cache = createDecisionCache({
    revocations,
    restore: async () => {
      restores += 1
      if (!isLogDown) poll()
    },
    maxEntries: options.maxEntries ?? 100,
    maxBytes: options.maxBytes ?? 1_000_000,
  })
  let reads = 0
  const found = (changes: Partial<Found> = {}): Found => ({
    key: null, session: null, principal: { type: 'key', id: 'u', permissions: [], authenticatedBy: 'key' }, ids: ['a', 'u'], asOf: head, endsAtMs: Infinity, ...changes,
  })
  const read = (name = 'a', changes: Partial<Found> | null = {}) => cache.read('key', name, async () => {
    reads += 1
    return changes && found(changes)
  })
  return {
    clock, revocations, cache, poll, found, read,
    find: (name = 'a') => cache.find('key', name),
    shiftWall: (ms: number) => { wallShift += ms },
    reads: () => reads,
    restores: () => restores,
    cutLog: (down: boolean) => { isLogDown = down },
  }
}

t.test('R1 the lease counts from the sending of the poll', async (t) => {
  const { clock, revocations, cache } = createWorld()
  const startedAt = revocations.now()
  clock.advance(1_000)
  revocations.applyPoll({ startedAt, server: 's', head: 0, rows: [] })
  t.equal(revocations.leaseLeftMs(), 500)
  clock.advance(499)
  t.ok(revocations.isLeased(revocations.now()))
  clock.advance(1)
  t.notOk(revocations.isLeased(revocations.now()))
  t.equal(revocations.leaseLeftMs(), 0)
  revocations.applyPoll({ startedAt, server: 's', head: 0, rows: [] })
  t.notOk(revocations.isLeased(revocations.now()), 'an old poll prolongs nothing')
  t.equal(cache.entries(), 0)
})

t.test('R1 what cannot be followed drops everything', async (t) => {
  const cases: [string, (world: ReturnType<typeof createWorld>) => void][] = [
    ['a gap before the first row', ({ poll }) => poll([{ seq: 2, tag: 'x:1' }])],
    ['a gap between rows', ({ poll }) => poll([{ seq: 1, tag: 'x:1' }, { seq: 3, tag: 'x:1' }])],
    ['rows that do not reach the head', ({ revocations }) => revocations.applyPoll({ startedAt: revocations.now(), server: 's', head: 2, rows: [{ seq: 1, tag: 'x:1' }] })],
    ['numbers that go back', ({ revocations }) => revocations.applyPoll({ startedAt: revocations.now(), server: 's', head: -1, rows: [] })],
    ['another server', ({ poll }) => poll([], 'other')],
    ['everything revoked', ({ poll }) => poll([{ seq: 1, tag: '*' }])],
    ['too many to remember', ({ poll }) => poll([1, 2, 3, 4].map((n) => ({ seq: 1, tag: `x:${n}` })))],
  ]
  for (const [what, happen] of cases) {
    const world = createWorld({ maxIds: 3 })
    world.poll()
    await world.read()
    t.ok(world.find(), `${what}: held before`)
    happen(world)
    t.equal(world.find(), null, what)
    await world.read()
    t.equal(world.cache.entries(), 1, 'and held again')
  }
  const world = createWorld()
  world.poll()
  await world.read()
  world.poll([{ seq: 1, tag: 'x:1' }, { seq: 1, tag: 'x:2' }, { seq: 2, tag: 'x:1' }])
  t.ok(world.find(), 'several rows of one number are no gap, and other tags do not matter')
  t.equal(world.revocations.cursor(), 2)
})

t.test('R2 revocations are learnt in any order and any number of times, and only a poll moves cursor and lease', async (t) => {
  const { clock, revocations, poll, find, read } = createWorld()
  poll()
  await read()
  clock.advance(1_000)
  revocations.apply({ seq: 5, tag: 'user:u' })
  revocations.apply({ seq: 3, tag: 'user:u' })
  revocations.apply({ seq: 5, tag: 'user:u' })
  t.same([revocations.cursor(), revocations.leaseLeftMs(), revocations.size()], [0, 500, 1])
  t.equal(find(), null)
  await read('a', { asOf: 4 })
  t.equal(find(), null, 'older than the last revocation')
  await read('a', { asOf: 5 })
  t.ok(find())
})

t.test('R3 an entry is used for five minutes, until it ends, and as what it is', async (t) => {
  const { clock, revocations, cache, poll, find, read, reads } = createWorld()
  poll()
  await read()
  await read('ending', { endsAtMs: clock.now() + 1_000 })
  await read('ended', { endsAtMs: clock.now() })
  await read('none', null)
  t.same([cache.entries(), find('ended'), find('none')], [2, null, null], 'only what can be admitted is kept')
  t.equal(cache.find('cookie', 'a'), null, 'a key is no cookie')
  t.equal(find(), find(), 'the same object every time')
  clock.advance(999)
  t.ok(find('ending'))
  clock.advance(1)
  t.equal(find('ending'), null)
  for (let passed = 1_000; passed < 300_000; passed += 1_000) {
    poll()
    t.ok(find() ?? passed)
    clock.advance(1_000)
  }
  poll()
  t.equal(find(), null)
  t.equal(reads(), 4)
  t.ok(revocations.isLeased(revocations.now()))
})

t.test('R4 an answer that took longer than the lease is asked for again, and then not believed', async (t) => {
  const { clock, cache, poll, found } = createWorld()
  poll()
  let asked = 0
  const slow = async (): Promise<Found> => {
    asked += 1
    clock.advance(LEASE)
    return found()
  }
  await t.rejects(cache.read('key', 'a', slow), { code: 'database.unavailable', retryAfterSeconds: 1 })
  t.same([asked, cache.entries()], [3, 0])
})

t.test('R4 an answer that a revocation overtook is read again', async (t) => {
  const { revocations, cache, poll, found, find } = createWorld()
  poll()
  let asked = 0
  const overtaken = async (): Promise<Found> => {
    asked += 1
    if (asked === 1) revocations.apply({ seq: 1, tag: 'key:a' })
    return found({ asOf: asked - 1 })
  }
  t.match(await cache.read('key', 'a', overtaken), { asOf: 1 })
  t.equal(asked, 2)
  t.ok(find())
  const old = await cache.read('key', 'b', async () => found({ asOf: 0 }))
  t.match(old, { asOf: 0 }, 'a database that is older than what is known is believed for now')
  t.equal(find('b'), null, 'and not kept')
  const dropped = cache.read('key', 'c', async () => {
    if ((asked += 1) === 3) poll([], 'other')
    return found({ ids: ['c'] })
  })
  t.ok(await dropped)
  t.equal(asked, 4, 'nor is what was read before everything was dropped')
})

t.test('R4 one read for all who ask at the same moment; a failed one fails them all and is not remembered', async (t) => {
  const { cache, poll, found } = createWorld()
  poll()
  let asked = 0
  const load = async (): Promise<Found> => {
    asked += 1
    if (asked === 1) throw new Error('down')
    return found()
  }
  const failed = await Promise.allSettled([1, 2, 3].map(() => cache.read('key', 'a', load)))
  t.same([asked, failed.map(({ status }) => status)], [1, ['rejected', 'rejected', 'rejected']])
  await Promise.all([1, 2, 3].map(() => cache.read('key', 'a', load)))
  t.equal(asked, 2)
})

t.test('R6 a lapsed lease is renewed once for all who wait; without the log, a fresh read is proof by itself', async (t) => {
  const { clock, cache, poll, find, read, reads, restores, cutLog } = createWorld()
  poll()
  const first = await read()
  clock.advance(LEASE)
  t.equal(find(), null)
  t.equal(await read(), first, 'the poll has restored it')
  t.same([restores(), reads()], [1, 1])
  clock.advance(LEASE)
  cutLog(true)
  t.ok(await read())
  t.equal(find(), null, 'nothing is used without a lease')
  t.same([restores(), reads()], [2, 2])
  t.same([cache.hits(), cache.misses()], [1, 2])
})

t.test('R7 a wall clock that jumps ends lease and entries; a steady clock that stood still does not hide the time', async (t) => {
  const { clock, revocations, poll, find, read, shiftWall } = createWorld()
  poll()
  await read()
  shiftWall(-1)
  t.equal(find(), null, 'back by a millisecond')
  poll()
  t.equal(find(), null, 'its own time is in the future')
  await read()
  t.ok(find())
  shiftWall(LEASE)
  t.notOk(revocations.isLeased(revocations.now()), 'the machine slept')
  poll()
  t.ok(find())
  shiftWall(300_000)
  poll()
  t.equal(find(), null)
  clock.advance(1)
})

t.test('ids are forgotten after ten minutes', async (t) => {
  const { clock, revocations, poll } = createWorld()
  poll([{ seq: 1, tag: 'x:1' }])
  clock.advance(300_000)
  poll([{ seq: 2, tag: 'x:2' }])
  clock.advance(299_999)
  poll()
  t.equal(revocations.size(), 2)
  clock.advance(1)
  poll()
  t.equal(revocations.size(), 1)
})

t.test('the cache is bounded in entries and in bytes, the least recently used going first', async (t) => {
  const few = createWorld({ maxEntries: 2 })
  few.poll()
  await few.read('a')
  await few.read('b')
  few.find('a')
  await few.read('c')
  t.same([few.find('a') !== null, few.find('b'), few.find('c') !== null], [true, null, true])
  const small = createWorld({ maxBytes: 2_000 })
  small.poll()
  for (const name of ['a', 'b', 'c', 'd']) await small.read(name)
  t.ok(small.cache.entries() < 3 && small.cache.bytes() <= 2_000)
})

t.test('the bytes of an entry are those of its texts and of what it is bound to', async (t) => {
  const bound = { limits: [], charges: Array.from({ length: 2 }, () => ({ key: 'k', quota: 1, windowMs: 1, cost: 1 })) }
  const token = { scopes: ['ab', 'c'], audience: 'aud', bound: null }
  const cases: [number, object][] = [
    [720, {}], [720 + 27 + 26, { principal: { permissions: ['abc', 'de'] } }], [720 + 4 + 440 + 2 * 7, { key: { name: 'name', bound, metadata: { a: 1 } } }],
    [720 + 440, { session: { bound } }], [720 + 27 + 440, { session: { bound }, principal: { permissions: ['abc'] } }], [720, { session: { bound: null } }], [720 + 300 + 3 + 26 + 25, { token }], [720 + 300 + 3 + 26 + 25 + 440, { token: { ...token, bound } }],
  ]
  for (const [bytes, changes] of cases) {
    const { cache, poll, read } = createWorld()
    poll()
    await read('a', changes)
    t.equal(cache.bytes(), bytes, JSON.stringify(changes))
  }
})

t.test('what is held is what was read, under its own name, and is counted where it was found', async (t) => {
  const { clock, revocations, cache, poll, find, read } = createWorld()
  poll()
  const token = { scopes: [], audience: 'aud', bound: null } as never
  const [one, two] = await Promise.all([read('a', { token }), read('b')])
  t.equal(one?.token, token)
  t.notOk(two && 'token' in two)
  t.same([find() === one, find('b') === two, find('c')], [true, true, null], 'two that are read at one moment are two')
  t.same([cache.hits(), cache.misses()], [2, 2])
  t.ok(one && cache.isProof(one))
  revocations.apply({ seq: 1, tag: 'key:a' })
  t.notOk(one && cache.isProof(one), 'one revocation is enough')
  t.equal(find(), null)
  t.ok(cache.isProof({ ...two, ids: ['other'] } as never))
  clock.advance(LEASE)
  t.notOk(cache.isProof({ ...two, ids: ['other'] } as never), 'nor is it proof for longer than a lease')
})

t.test('a reading is checked against its ids only after something was revoked', async (t) => {
  const { revocations, poll } = createWorld()
  poll()
  let looks = 0
  const counting = new Proxy(['a'], {
    get(target, name) {
      if (name === Symbol.iterator) looks += 1
      return Reflect.get(target, name) as unknown
    },
  })
  const reading: Reading = { ids: counting, asOf: 0, ...revocations.now(), checkedVersion: -1 }
  for (let n = 0; n < 3; n += 1) t.ok(revocations.isCurrent(reading, revocations.now()))
  t.equal(looks, 1)
  revocations.apply({ seq: 1, tag: 'x:1' })
  t.ok(revocations.isCurrent(reading, revocations.now()))
  t.equal(looks, 2)
})

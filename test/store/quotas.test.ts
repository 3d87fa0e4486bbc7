// Calendar quotas in blocks from PostgreSQL: never above the quota over nodes, crashes and restarts, exact in the end, and a
// decision with other limits beside them charges all or none.
import t from 'tap'
import { createMemoryLimitStore } from '../../src/limits/stores/memory-limit-store.js'
import { createQuotaBlocks } from '../../src/limits/quota/quota-blocks.js'
import { createQuotaCounterStore, type QuotaCounterStore } from '../../src/limits/quota/quota-counter-store.js'
import { createQuotaLimitStore } from '../../src/limits/quota/quota-limit-store.js'
import type { LimitCharge, LimitDecision } from '../../src/shared-store/shared-store.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase } from '../support/database.js'

const database = await createTestDatabase(t)
const rows = createQuotaCounterStore({ pool: database.pool })

function house(nodes = 1) {
  const clock = fakeClock(Date.UTC(2031, 0, 31, 23, 0, 0))
  let asked = 0
  let broken = false
  const counted = <A extends unknown[], R>(work: (...args: A) => Promise<R>) => async (...args: A): Promise<R> => {
    asked += 1
    if (broken) throw new Error('cut off')
    return work(...args)
  }
  const store: QuotaCounterStore = { reserve: counted(rows.reserve), giveBack: counted(rows.giveBack), used: counted(rows.used) }
  const open = () => {
    const counters = createMemoryLimitStore({ clock })
    const blocks = createQuotaBlocks({ store, clock, liveNodes: () => nodes })
    const limits = createQuotaLimitStore({ counters, blocks })
    return { limits, blocks, take: async (...charges: LimitCharge[]): Promise<LimitDecision> => limits.take(charges) }
  }
  return { clock, open, asked: () => asked, breaks: (is: boolean) => void (broken = is) }
}

let series = 0
const charge = (changes: Partial<LimitCharge> = {}): LimitCharge => ({ key: `{q}:${series}`, quota: 100, windowMs: 0, cost: 1, algorithm: 'calendar', period: 'month', ...changes })
t.beforeEach(() => void (series += 1))

async function usedOf({ key }: LimitCharge): Promise<number> {
  const { rows: found } = await database.pool.query<{ used: number }>('SELECT sum(used)::float8 AS used FROM quota_counters WHERE key = $1', [key])
  return found[0]?.used ?? 0
}

t.test('three nodes at once, a thousand times: exactly the quota, mostly without asking', async (t) => {
  const { open, asked } = house(3)
  const nodes = [open(), open(), open()]
  const of = charge({ quota: 500 })
  let admitted = 0
  for (let round = 0; round < 20; round += 1) {
    const decisions = await Promise.all(Array.from({ length: 60 }, (_, at) => nodes[at % 3]?.take(of)))
    admitted += decisions.filter((decision) => decision?.allowed).length
  }
  t.ok(admitted <= 500 && admitted > 480, `${admitted}`)
  for (const { blocks } of nodes) await blocks.giveBack(true)
  const [last] = nodes
  for (let n = admitted; n <= 500; n += 1) if ((await last?.take(of))?.allowed) admitted += 1
  t.equal(admitted, 500)
  t.equal(await usedOf(of), 500)
  t.ok(asked() < 400, `PostgreSQL was asked ${asked()} times`)
})

t.test('a busy node answers at once, and asks about once a second', async (t) => {
  const { clock, open, asked } = house()
  const { limits } = open()
  const of = charge({ quota: 1_000_000 })
  for (let n = 0; n < 3_000; n += 1) {
    await limits.take([of])
    clock.advance(1)
  }
  t.ok(asked() < 25, `asked ${asked()} times in three seconds`)
})

t.test('a crash loses the block to the quota, never the other way round; a stop loses nothing', async (t) => {
  const { open } = house()
  const of = charge()
  const crashed = open()
  for (let n = 0; n < 10; n += 1) await crashed.take(of)
  const used = await usedOf(of)
  t.ok(used >= 10 && used <= 30, `${used} set aside for 10`)
  const next = open()
  t.equal((await next.take(of)).states[0]?.remaining, 100 - used - 1)
  await next.blocks.giveBack(true)
  t.equal(await usedOf(of), used + 1)
})

t.test('what is not needed for two seconds goes back by itself', async (t) => {
  const { clock, open } = house(2)
  const [a, b] = [open(), open()]
  const of = charge()
  for (let n = 0; n < 10; n += 1) await a.take(of)
  await a.blocks.giveBack()
  const used = await usedOf(of)
  t.ok(used > 10, 'still held')
  clock.advance(2_000)
  await a.blocks.giveBack()
  t.equal(await usedOf(of), 10)
  t.equal((await b.take(of)).states[0]?.remaining, 89)
})

t.test('the period ends on the clock: a new one begins with all of the quota', async (t) => {
  const { clock, open } = house()
  const { take } = open()
  const of = charge({ quota: 3 })
  await take({ ...of, cost: 3 })
  const denied = await take(of)
  t.same([denied.allowed, denied.retryAfterMs, denied.states], [false, 3_600_000, [{ remaining: 0, resetMs: 3_600_000 }]])
  clock.advance(3_600_000 - 1)
  t.equal((await take(of)).allowed, false)
  clock.advance(1)
  t.same((await take(of)).states, [{ remaining: 2, resetMs: 28 * 86_400_000 }])
  t.equal((await take({ ...of, cost: 4 })).retryAfterMs, Infinity)
})

t.test('hour, day and month of one key count side by side', async (t) => {
  const { take } = house().open()
  const all = (['hour', 'day', 'month'] as const).map((period, at) => charge({ period, quota: 10 * (at + 1) }))
  const { states } = await take(...all)
  t.same(states.map(({ remaining }) => remaining), [9, 19, 29])
})

t.test('all or nothing, whichever of them denies', async (t) => {
  const { open } = house()
  const { take, limits, blocks } = open()
  const quota = charge({ quota: 5 })
  const window = { key: `{q}:w${series}`, quota: 3, windowMs: 60_000, cost: 1 }
  for (let n = 0; n < 3; n += 1) t.equal((await take(quota, window)).allowed, true)
  const byWindow = await take(quota, window)
  t.same([byWindow.allowed, byWindow.states.map(({ remaining }) => remaining)], [false, [2, 0]])
  await blocks.giveBack(true)
  t.equal(await usedOf(quota), 3, 'the quota was not charged')

  const wide = { ...window, key: `{q}:wide${series}`, quota: 50 }
  for (let n = 0; n < 2; n += 1) t.equal((await take(wide, quota)).allowed, true)
  const byQuota = await take(wide, quota)
  t.same([byQuota.allowed, byQuota.states.map(({ remaining }) => remaining)], [false, [48, 0]])
  const look = await limits.take([wide, { ...quota, cost: 0 }], true)
  t.same(look.states.map(({ remaining }) => remaining), [48, 0], 'and a look charges nothing')
})

t.test('another quota on the same counter is asked for anew', async (t) => {
  const { take } = house().open()
  const of = charge()
  for (let n = 0; n < 10; n += 1) await take(of)
  t.equal((await take({ ...of, quota: 10 })).allowed, false)
  t.equal((await take({ ...of, quota: 11 })).allowed, true)
  t.equal((await take({ ...of, quota: 100 })).states[0]?.remaining, 88)
})

t.test('PostgreSQL lost: what the block holds is spent, then the decision fails, and charges nothing beside it', async (t) => {
  const { open, breaks } = house()
  const { take, blocks, limits } = open()
  const of = charge()
  const window = { key: `{q}:w${series}`, quota: 50, windowMs: 60_000, cost: 1 }
  for (let n = 0; n < 9; n += 1) await take(of, window)
  breaks(true)
  let spent = 9
  await t.rejects(async () => {
    for (;;) {
      await take(of, window)
      spent += 1
    }
  }, { message: 'cut off' })
  await t.rejects(async () => limits.take([of], true), { message: 'cut off' })
  breaks(false)
  t.equal((await limits.take([window], true)).states[0]?.remaining, 50 - spent)
  t.equal((await take(of)).states[0]?.remaining, 100 - spent - 1)
  await blocks.giveBack(true)
  t.equal(await usedOf(of), spent + 1)
})

t.test('a denial is remembered for a moment, not for a smaller cost', async (t) => {
  const { clock, open, asked } = house()
  const { limits, take } = open()
  const of = charge({ quota: 10 })
  await take({ ...of, cost: 9 })
  t.equal((await take({ ...of, cost: 2 })).allowed, false)
  const before = asked()
  t.equal((await take({ ...of, cost: 2 })).allowed, false)
  t.equal(asked(), before)
  t.equal((await take(of)).allowed, true)
  clock.advance(100)
  await limits.take([of])
  t.ok(asked() > before)
})

t.test('a look says what a charge would be told, and charges nothing', async (t) => {
  const { clock, open } = house()
  const { limits, blocks, take } = open()
  const of = charge({ quota: 5 })
  const look = async (cost = 1): Promise<unknown[]> => {
    const { allowed, retryAfterMs, states } = await limits.take([{ ...of, cost }], true)
    return [allowed, retryAfterMs, ...states.map(({ remaining, resetMs }) => `${remaining} for ${resetMs}`)]
  }
  t.same(await look(), [true, 0, '5 for 0'], 'nothing ends where nothing was used')
  await take({ ...of, cost: 3 })
  clock.advance(600_000)
  t.same(await look(2), [true, 0, '2 for 3000000'])
  t.same(await look(3), [false, 3_000_000, '2 for 3000000'])
  t.same(await look(6), [false, Infinity, '2 for 3000000'])
  await blocks.giveBack(true)
  t.equal(await usedOf(of), 3)
})

t.test('a node sets aside no more than its part of half of what is left', async (t) => {
  for (const [nodes, used] of [[0, 70], [1, 70], [2, 55]] as const) {
    const of = charge({ key: `{q}:part${series}:${nodes}`, cost: 40 })
    await house(nodes).open().take(of)
    t.equal(await usedOf(of), used, `${nodes} nodes`)
  }
})

t.test('says what it guarantees', async (t) => {
  t.same(house(1).open().limits.guarantee(charge()), { guarantee: 'exact', earlyBy: 0 })
  t.same(house(2).open().limits.guarantee(charge()), { guarantee: 'leased', earlyBy: 25 })
  t.same(house(2).open().limits.guarantee(charge({ quota: 101 })), { guarantee: 'leased', earlyBy: 25 })
})

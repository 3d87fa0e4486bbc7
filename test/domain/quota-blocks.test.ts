// Quota blocks on one node: every bound to the millisecond and to the unit, and what a refusal and a look say. The rows are a map here;
// test/store/quotas.test.ts has PostgreSQL, quota-races.test.ts what happens at once.
import t from 'tap'
import { isHold } from '../../src/limits/quota/quota-blocks.js'
import { DAY_MS, holdOf, house, MIDNIGHT, NOON, of, settle } from '../support/quota-house.js'

t.test('a block is of one key and one period, a day where none is said; it ends with the period, and begins with it', async (t) => {
  const { blocks, take, advance, times, reserved } = house({ startMs: MIDNIGHT })
  await take(of({ cost: 10 }))
  t.same(reserved, [{ cost: 10, extra: 10, quota: 100, nodes: 1 }])
  t.ok(blocks.holdHere({ key: 'k', quota: 100, windowMs: 0, cost: 1 }), 'in its first millisecond, and without a period')
  t.equal(blocks.holdHere(of({ period: 'hour' })), null)
  t.equal(blocks.holdHere(of({ key: 'other' })), null)
  advance(DAY_MS - 1)
  t.ok(blocks.holdHere(of()), 'in its last')
  advance(1)
  t.equal(blocks.holdHere(of()), null, 'the next day is another block')
  await take(of({ cost: 10 }))
  times.wallMs -= 1
  t.equal(blocks.holdHere(of()), null, 'nor is it spent on a day before its own, when the clock goes back')
})

t.test('a block is spent to its last unit, and not beyond', async (t) => {
  const { take, covers, reserved, used } = house()
  await take(of({ cost: 10 }))
  t.equal(covers(of({ cost: 4 })), 2, '8 of 10 units')
  t.equal(covers(of({ cost: 2 })), 1, 'and the two that were left')
  t.equal(used(), 20)
  const { state } = await holdOf(take(of({ cost: 5 })))
  t.same(reserved.at(-1), { cost: 5, extra: 31, quota: 100, nodes: 1 }, 'what was wanted lately, refused or not')
  t.equal(state.remaining, 75, 'what the block holds is left to whoever asks here')
})

t.test('what a block lacks is asked for, beside what it has', async (t) => {
  const { take, reserved, used, blocks } = house()
  await take(of({ cost: 3 }))
  await take(of({ cost: 5 }))
  t.same(reserved.at(-1), { cost: 2, extra: 8, quota: 100, nodes: 1 })
  await blocks.giveBack(true)
  t.equal(used(), 8)
})

t.test('demand is what this second and the one before it wanted', async (t) => {
  for (const [afterMs, extra] of [[999, 31], [1_000, 30], [1_999, 30], [2_000, 1]] as const) {
    const { take, advance, reserved, blocks } = house({ nodes: 100 })
    blocks.holdHere(of({ cost: 30 }))
    advance(afterMs)
    await take(of())
    t.equal(reserved.at(-1)?.extra, extra, `after ${afterMs} ms`)
  }
})

t.test('a node that knows of none is one', async (t) => {
  for (const [nodes, said] of [[0, 1], [1, 1], [2, 2]] as const) {
    const { take, reserved, blocks } = house({ nodes })
    await take(of())
    t.equal(reserved[0]?.nodes, said)
    t.equal(blocks.guarantee(of()).earlyBy, nodes === 2 ? 25 : 0)
  }
  t.same(house({ nodes: 0 }).blocks.guarantee(of()), { guarantee: 'exact', earlyBy: 0 })
  t.same(house({ nodes: 3 }).blocks.guarantee(of({ quota: 100 })), { guarantee: 'leased', earlyBy: 33 })
})

t.test('a denial is remembered for 100 ms, for costs as high and higher', async (t) => {
  const { take, blocks, advance, reserved } = house()
  await take(of({ cost: 50 }))
  t.equal(isHold(await take(of({ cost: 60 }))), false)
  t.equal(reserved.length, 2)
  t.same(blocks.holdHere(of({ cost: 60 })), { state: { remaining: 50, resetMs: DAY_MS / 2 }, retryAfterMs: DAY_MS / 2 })
  t.ok(blocks.holdHere(of({ cost: 61 })))
  t.equal(blocks.holdHere(of({ cost: 59 })), null)
  advance(99)
  t.ok(blocks.holdHere(of({ cost: 60 })))
  advance(1)
  t.equal(blocks.holdHere(of({ cost: 60 })), null)
})

t.test('a refusal says what is left now, whatever was left when this node asked last', async (t) => {
  const { take, store, blocks } = house()
  await take(of({ cost: 30 }))
  const other = { startMs: MIDNIGHT, endMs: MIDNIGHT + DAY_MS }
  await store.reserve('k', other, { cost: 20, extra: 0, quota: 100, nodes: 1 })
  const before = await take(of({ cost: 90 }))
  t.same(before.state.remaining, 50)
  await store.giveBack('k', other, 20)
  t.equal((await blocks.hold(of({ cost: 90 }))).state.remaining, 70, 'what another node has given back is left again')
  t.equal((await blocks.look(of({ cost: 90 }))).state.remaining, 70)
})

t.test('a refusal waits for the next period, for ever where the cost is above the quota, and says nothing below zero', async (t) => {
  const { take, blocks, mood, answers, advance } = house()
  t.same(await take(of({ cost: 101 })), { state: { remaining: 100, resetMs: DAY_MS / 2 }, retryAfterMs: Infinity }, 'nothing is used yet')
  await take(of({ cost: 100 }))
  t.same(await take(of({ cost: 100 })), { state: { remaining: 0, resetMs: DAY_MS / 2 }, retryAfterMs: DAY_MS / 2 })
  t.equal((await take(of({ quota: 40 }))).state.remaining, 0, 'more is used than the quota is now')
  t.equal((await blocks.look(of({ quota: 40 }))).state.remaining, 0)
  mood.slow = true
  const [denied, looked, admitted] = [blocks.hold(of()), blocks.look(of({ cost: 1 })), blocks.hold(of({ quota: 200 }))]
  advance(DAY_MS)
  for (let n = 0; n < 4; n += 1) await answers()
  t.same(await denied, { state: { remaining: 0, resetMs: 0 }, retryAfterMs: 1 }, 'an answer that comes after the end of the period')
  t.same((await looked).state, { remaining: 0, resetMs: 0 })
  t.equal((await admitted).state.resetMs, 0)
})

t.test('a look counts what the block holds as left, and charges nothing', async (t) => {
  const { take, blocks, used } = house()
  t.same(await blocks.look(of({ cost: 100 })), { state: { remaining: 100, resetMs: 0 }, retryAfterMs: 0 })
  await take(of({ cost: 10 }))
  t.equal(used(), 20)
  t.same(await blocks.look(of({ cost: 90 })), { state: { remaining: 90, resetMs: DAY_MS / 2 }, retryAfterMs: 0 })
  const { retryAfterMs } = await blocks.look(of({ cost: 91 }))
  t.ok(retryAfterMs > 0)
  t.equal(used(), 20)
})

t.test('what is not needed goes back after two seconds, or at once when everything must; a period that has ended needs nothing back', async (t) => {
  const { take, blocks, advance, returned, times, covers } = house()
  await take(of({ cost: 10 }))
  advance(1_999)
  await blocks.giveBack()
  t.same(returned, [])
  t.equal(covers(of(), 1), 1, 'and every spending begins the two seconds anew')
  advance(1_999)
  await blocks.giveBack()
  t.same(returned, [])
  advance(1)
  await blocks.giveBack()
  t.same(returned, [9])
  await take(of({ cost: 10 }))
  await blocks.giveBack(true)
  t.equal(returned.length, 2)
  await blocks.giveBack(true)
  t.equal(returned.length, 2, 'once')
  await take(of({ cost: 10, key: 'spent' }))
  t.equal(covers(of({ key: 'spent' })), 10)
  await blocks.giveBack(true)
  t.equal(returned.length, 2, 'nothing is not given back')
  for (const [wallMs, count] of [[MIDNIGHT + DAY_MS - 1, 3], [MIDNIGHT + DAY_MS, 3]] as const) {
    times.wallMs = NOON
    await take(of({ cost: 5, key: String(wallMs) }))
    times.wallMs = wallMs
    await blocks.giveBack(true)
    t.equal(returned.length, count, new Date(wallMs).toISOString())
  }
})

t.test('giving back rejects nothing, nor does a release, when PostgreSQL does not answer; what was to go back stays counted', async (t) => {
  const { take, blocks, mood, used, returned } = house()
  const hold = await holdOf(take(of({ cost: 10 })))
  mood.broken = true
  await blocks.giveBack(true)
  hold.release()
  await settle()
  t.same(returned, [10, 10])
  t.equal(used(), 20)
})

t.test('a decision that PostgreSQL does not answer fails, and loses no unit of the block', async (t) => {
  const { take, blocks, mood, used, covers } = house()
  await take(of({ cost: 5 }))
  mood.broken = true
  await t.rejects(blocks.hold(of({ cost: 7 })), { message: 'cut off' })
  await t.rejects(blocks.look(of()), { message: 'cut off' })
  t.equal(covers(of()), 5)
  mood.broken = false
  await take(of({ cost: 50 }))
  await blocks.giveBack(true)
  t.equal(used(), 60)
})

t.test('the cap of blocks: the 50,000th is kept, one more asks each time, and a block of the cap goes on into its next period', async (t) => {
  const { blocks, take, advance, reserved, returned, used, covers } = house()
  for (let n = 0; n < 49_999; n += 1) blocks.holdHere(of({ key: `k${n}` }))
  await take(of({ key: 'last', cost: 5 }))
  t.equal(covers(of({ key: 'last' })), 5, 'the last that is kept holds units')
  const hold = await holdOf(take(of({ key: 'beyond', cost: 5 })))
  t.same(reserved.at(-1), { cost: 5, extra: 0, quota: 100, nodes: 1 }, 'beyond it nothing is set aside')
  t.equal(hold.state.remaining, 95)
  t.equal(covers(of({ key: 'beyond' })), 0)
  const before = used()
  hold.release()
  await settle()
  t.same([returned, before - used()], [[5], 5], 'what is not spent goes back at once')
  const denied = await take(of({ key: 'beyond', cost: 101 }))
  t.equal(isHold(denied), false)

  advance(DAY_MS)
  await take(of({ key: 'last', cost: 5 }))
  t.equal(covers(of({ key: 'last' })), 5, 'a kept one is renewed')
  await take(of({ key: 'beyond', cost: 5 }))
  t.equal(covers(of({ key: 'beyond' })), 0)
  await blocks.giveBack(true)
  await take(of({ key: 'beyond', cost: 5 }))
  t.equal(covers(of({ key: 'beyond' })), 5, 'and there is room when others have gone')
})

// Quota blocks while something else happens: units that are out when their block is dropped, many fills at once, and another quota on the
// same counter. No unit may be lost to the quota, nor be spent twice or under a quota that it was not set aside for.
import t from 'tap'
import { isHold } from '../../src/limits/quota/quota-blocks.js'
import { DAY_MS, holdOf, house, of, settle } from '../support/quota-house.js'

t.test('units that are out when their block is dropped go back to the quota, not to nobody, and once', async (t) => {
  const { blocks, take, returned, used, covers } = house()
  const [first, second] = [await holdOf(take(of({ cost: 10 }))), await holdOf(take(of({ cost: 4 })))]
  t.equal(used(), 20)
  await blocks.giveBack(true)
  t.same([used(), returned], [14, [6]], 'what was out stays counted')
  first.release()
  await settle()
  t.same([used(), returned], [4, [6, 10]])
  const again = await holdOf(take(of({ cost: 10 })))
  second.release()
  await settle()
  t.same([returned, covers(of())], [[6, 10, 4], 10], 'also when another block of that name is there by now, which gets nothing of it')
  again.release()
  await settle()
  t.same([returned.length, covers(of())], [3, 10], 'while a block that is kept takes its units itself')
})

t.test('a block that is dropped while it asks loses nothing, whatever the answer is', async (t) => {
  for (const outcome of ['admitted', 'denied', 'failed'] as const) {
    const { blocks, take, mood, answers, waiting, used, returned } = house()
    const out = await holdOf(take(of({ cost: 10 })))
    t.equal(used(), 20)
    await take(of({ cost: 10 }))
    mood.slow = true
    const filling = take(of({ cost: 3 }))
    out.release()
    const second = blocks.hold(of({ cost: outcome === 'denied' ? 99 : 12 }))
    second.catch(() => undefined)
    await answers()
    const before = used()
    await holdOf(filling)
    t.equal(waiting(), 1, 'the second is still asking, with ten units of the block')
    mood.slow = false
    await blocks.giveBack(true)
    t.equal(returned.length, 1, 'the rest of the block goes back')
    const rest = before - used()
    await answers(outcome === 'failed' ? new Error('cut off') : undefined)
    await settle()
    if (outcome === 'admitted') await holdOf(second)
    else if (outcome === 'denied') t.equal(isHold(await second), false)
    else await t.rejects(second, { message: 'cut off' })
    t.equal(before - used(), outcome === 'admitted' ? rest : rest + 10, outcome)
  }
})

t.test('of two that fill one block at once, one sets more aside, and neither takes the units of the other', async (t) => {
  const { blocks, take, mood, answers, reserved, used, covers } = house({ nodes: 1 })
  mood.slow = true
  const [first, second] = [take(of({ cost: 10 })), take(of({ cost: 5 }))]
  await settle()
  t.same(reserved.map(({ cost, extra }) => [cost, extra]), [[10, 10], [5, 0]])
  await blocks.giveBack(true)
  await answers()
  await holdOf(first)
  t.equal(covers(of({ cost: 3 }), 1), 1, 'a block that is being filled is not dropped')
  const third = take(of({ cost: 20 }))
  await settle()
  t.same(reserved.slice(2).map(({ cost, extra }) => [cost, extra]), [[13, 38]], 'the first is filled; what is missing then is a fill of its own')
  await answers()
  await holdOf(second)
  const fourth = take(of({ cost: 50 }))
  await settle()
  t.equal(reserved[3]?.extra, 0, 'the end of the second is not the end of the third')
  await answers()
  await holdOf(third)
  for (let n = 0; n < 2; n += 1) await answers()
  t.equal(isHold(await fourth), false)
  mood.slow = false
  await blocks.giveBack(true)
  t.equal(used(), 10 + 5 + 3 + 20)
})

t.test('a fill of a single unit more is one, too', async (t) => {
  const { take, mood, answers, reserved, covers } = house()
  mood.slow = true
  const both = [take(of()), take(of())]
  await settle()
  for (let n = 0; n < 2; n += 1) await answers()
  for (const one of both) await holdOf(one)
  t.equal(covers(of()), 1)
  void take(of())
  await settle()
  t.same(reserved.map(({ extra }) => extra), [1, 0, 5])
})

t.test('a fill that fails ends as one: the next sets more aside, and the block can be dropped', async (t) => {
  const { blocks, take, mood, reserved, used } = house()
  mood.broken = true
  await t.rejects(take(of({ cost: 10 })), { message: 'cut off' })
  mood.broken = false
  await take(of({ cost: 10 }))
  t.equal(reserved.at(-1)?.extra, 20)
  await blocks.hold(of({ key: 'asked', cost: 0 }))
  await take(of({ key: 'asked', cost: 5 }))
  t.equal(reserved.at(-1)?.extra, 5, 'one that sets nothing more aside is no fill')
  await blocks.giveBack(true)
  t.equal(used(), 15)
  await take(of({ cost: 10 }))
  t.equal(reserved.at(-1)?.extra, 10, 'with all that it knew')
})

t.test('another quota on the same counter: what was set aside under the first is not spent under the second', async (t) => {
  const { take, used, returned, blocks, covers } = house()
  await take(of({ cost: 20 }))
  t.equal(used(), 40)
  t.equal(blocks.holdHere(of({ quota: 25 })), null)
  t.same(await take(of({ quota: 25, cost: 20 })), { state: { remaining: 5, resetMs: DAY_MS / 2 }, retryAfterMs: DAY_MS / 2 })
  t.same([used(), returned], [20, [20]])
  t.equal(isHold(await take(of({ cost: 20 }))), true, 'nor does its denial hold for the first')
  t.ok(covers(of()) > 0)
})

t.test('another quota while units are out or on their way: they go back, and are not spent under it either', async (t) => {
  const narrow = of({ quota: 10 })
  const out = house()
  const hold = await holdOf(out.take(of({ cost: 40 })))
  t.equal(isHold(await out.take(narrow)), false)
  hold.release()
  await settle()
  t.same([out.covers(narrow), out.used()], [0, 0], 'units that were out')

  const coming = house()
  coming.mood.slow = true
  const wide = coming.take(of({ cost: 40 }))
  const denied = coming.take(narrow)
  await coming.answers()
  t.equal((await holdOf(wide)).state.remaining, 30, 'told of its own quota, without what is on its way back')
  while (coming.waiting() > 0) await coming.answers()
  t.same([isHold(await denied), coming.covers(narrow), coming.used()], [false, 0, 40], 'a block that was on its way')

  const refused = house()
  await refused.take(of({ cost: 40 }))
  refused.mood.slow = true
  const tooMuch = refused.take(of({ cost: 65 }))
  const between = refused.take(narrow)
  while (refused.waiting() > 0) await refused.answers()
  t.same([isHold(await tooMuch), isHold(await between), refused.covers(narrow), refused.used()], [false, false, 0, 40], 'what a refused one had taken of the block')

  const returning = house()
  await returning.take(of({ cost: 40 }))
  returning.mood.slow = true
  const first = returning.take(narrow)
  const second = returning.take(of({ cost: 5 }))
  await settle()
  await returning.answers(undefined, 1)
  await holdOf(second)
  while (returning.waiting() > 0) await returning.answers()
  t.same([isHold(await first), returning.reserved.at(-1)?.cost, returning.covers(narrow)], [false, 1, 0], 'a block that was filled under the one while the other gave it back')
})

t.test('a denial under one quota is none under another that came meanwhile', async (t) => {
  const { take, mood, answers, waiting, blocks } = house()
  await take(of({ cost: 40 }))
  await blocks.giveBack(true)
  mood.slow = true
  const narrow = take(of({ quota: 10 }))
  await settle()
  const wide = take(of({ cost: 61 }))
  await settle()
  while (waiting() > 0) await answers(undefined, waiting() - 1)
  t.same([isHold(await narrow), isHold(await wide)], [false, false])
  t.equal(blocks.holdHere(of({ cost: 60 })), null)
})

t.test('a denial that is remembered says what has come back meanwhile', async (t) => {
  const { take, blocks } = house()
  const hold = await holdOf(take(of({ cost: 40 })))
  const other = of({ quota: 60, cost: 30 })
  t.equal((await take(other)).state.remaining, 20)
  hold.release()
  await settle()
  t.equal(blocks.holdHere(other)?.state.remaining, 60)
})

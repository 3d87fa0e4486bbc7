// The turns that the questions of a batch take.
import t from 'tap'
import { createPendingDecisions, createRoom } from '../../src/decisions/pending-decisions.js'

const about = (...keys: string[]) => keys.map((key) => ({ key }))

t.test('a question waits for those before it about one of its counters, and for no other', async (t) => {
  const pending = createPendingDecisions()
  t.equal(pending.about(about('a')), undefined, 'nothing waits')
  t.equal(pending.all(), undefined)
  const order: string[] = []
  let release = (): void => undefined
  const first = new Promise<void>((resolve) => { release = resolve })
  pending.add(about('a', 'b'), first)
  t.equal(pending.about(about('c')), undefined, 'another counter')
  t.equal(pending.about([]), undefined, 'no counter')
  const second = pending.about(about('b', 'c'))?.then(() => order.push('second'))
  const whatever = pending.all()?.then(() => order.push('all'))
  await new Promise(setImmediate)
  t.same(order, [])
  release()
  await Promise.all([second, whatever])
  t.same(order.toSorted(), ['all', 'second'])
})

t.test('a decision that fails holds nobody up, and is no fault of who waits', async (t) => {
  const pending = createPendingDecisions()
  pending.add(about('a'), Promise.reject(new Error('the store is gone')))
  await t.resolves(pending.about(about('a')) ?? Promise.reject(new Error('it does not wait')))
})

t.test('what has been decided is forgotten: nobody waits for it again', async (t) => {
  const pending = createPendingDecisions()
  pending.add(about('a', 'b'), Promise.resolve())
  await pending.all()
  t.equal(pending.about(about('a', 'b')), undefined)
  t.equal(pending.all(), undefined)
})

t.test('a room holds so many decisions, and each that ends, well or badly, makes room for one', async (t) => {
  const room = createRoom(2)
  const ends: (() => void)[] = []
  const decision = (): Promise<void> => new Promise((resolve, reject) => void ends.push(ends.length === 0 ? () => reject(new Error('the store is gone')) : resolve))
  room.take(decision())
  t.equal(room.full(), undefined)
  room.take(decision())
  let entered = 0
  const enter = async (): Promise<void> => {
    for (let full = room.full(); full; full = room.full()) await full
    entered += 1
    room.take(decision())
  }
  void enter()
  void enter()
  await new Promise(setImmediate)
  t.equal(entered, 0, 'it is full')
  for (const [at, expected] of [1, 2].entries()) {
    ends[at]?.()
    await new Promise(setImmediate)
    t.equal(entered, expected, 'one place, one decision')
  }
})

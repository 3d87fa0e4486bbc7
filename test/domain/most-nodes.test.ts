// A share must not grow while what a node that is gone let through still counts.
import t from 'tap'
import { createMostNodes } from '../../src/cluster/most-nodes.js'

t.test('the most nodes at once lately', async (t) => {
  let [now, live] = [0, 3]
  const most = createMostNodes({ liveNodes: () => live, now: () => now })
  t.equal(most(1_000), 3)
  now = 100
  live = 2
  t.equal(most(0), 2)
  now = 500
  t.same([most(300), most(401)], [2, 3])
  live = 4
  t.equal(most(0), 4, 'a new one counts at once')
  now = 10_000
  live = 0
  t.equal(most(0), 1, 'this one at least')
})

t.test('of many changes the oldest are forgotten, never too low', async (t) => {
  let [now, live] = [0, 9]
  const most = createMostNodes({ liveNodes: () => live, now: () => now })
  for (now = 1; now <= 200; now += 1) {
    live = 1 + now % 2
    most(0)
  }
  t.equal(most(1_000), 9)
  t.equal(most(10), 2)
})

// How a node keeps up with the log and tells others, with database, bus and time faked.
import t from 'tap'
import { createRevocationPoller } from '../../src/revocation/revocation-poller.js'
import { createRevocations, type LoggedRevocation } from '../../src/revocation/revocations.js'
import { fakeClock } from '../support/clock.js'

const LEASE = 1_500

t.test('the poller', async (t) => {
  const revocations = createRevocations({ clock: fakeClock(), leaseMs: LEASE })
  const published: string[] = []
  const said: string[] = []
  let hear: (message: string) => void = () => undefined
  let rows: LoggedRevocation[] = []
  let isDown = false
  let polls = 0
  let tick: () => void = () => undefined
  let slowest = 0
  let slept = 0
  const log = { warn: (_: object, message: string) => void said.push(message), info: (_: object, message: string) => void said.push(message) }
  const poller = createRevocationPoller({
    revocations, log,
    bus: {
      publish: async (_, message) => {
        published.push(message)
        hear(message)
      },
      subscribe: async (_, listener) => { hear = listener },
    },
    store: {
      async poll(cursor) {
        polls += 1
        if (isDown) throw new Error('down')
        return { server: 's', head: rows.at(-1)?.seq ?? 0, rows: cursor < 0 ? [] : rows.filter(({ seq }) => seq > cursor) }
      },
      noteCursor: async () => undefined,
      slowestCursor: async () => slowest,
      prune: async () => 0,
      close: async () => undefined,
    },
    timers: {
      every: (ms, work) => {
        t.equal(ms, 250)
        tick = work
        return () => undefined
      },
      sleep: async () => {
        slept += 1
        if (slept === 3) slowest = 2
      },
    },
  })
  await poller.start()
  const settled = async (): Promise<string[]> => {
    await poller.pollNow()
    return published.splice(0)
  }

  t.test('tells what is new, once, and not what others have told', async (t) => {
    t.same(await settled(), [])
    rows = [{ seq: 1, tag: 'a:1' }, { seq: 1, tag: 'a:2' }]
    t.same(await settled(), ['[[1,"a:1"],[1,"a:2"]]'])
    t.same(await settled(), [])
    rows = [...rows, { seq: 2, tag: 'b:1' }]
    tick()
    await new Promise((resolve) => { setImmediate(resolve) })
    t.equal(revocations.cursor(), 2, 'learnt by a poll of its own')
    hear('[[2,"b:1"]]')
    t.same(await settled(), [], 'another node was first')
  })

  t.test('a call is answered by a poll that was sent after it; many share one', async (t) => {
    const before = polls
    await Promise.all([poller.pollNow(), poller.pollNow(), poller.pollNow(), poller.restore()])
    t.equal(polls, before + 2)
  })

  t.test('what is no revocation is not listened to', async (t) => {
    const size = revocations.size()
    for (const message of ['', '{}', '[1]', '[["1","a:1"]]', '[[1.5,"a:1"]]', '[[1,2]]', 'null', `[[1,"${'x'.repeat(201)}"]]`]) hear(message)
    t.equal(revocations.size(), size)
    hear('[[9,"c:9"]]')
    t.same([revocations.size(), revocations.cursor()], [size + 1, 2])
  })

  t.test('waits until every node is as far', async (t) => {
    await poller.waitForNodes()
    t.equal(slept, 3)
    slowest = 0
    slept = 10
    await poller.waitForNodes()
    t.equal(slept, 10 + 76, 'or for the lease')
  })

  t.test('an outage is told once, and its end', async (t) => {
    isDown = true
    await poller.pollNow()
    await poller.restore()
    t.equal(poller.failures(), 2)
    isDown = false
    await poller.pollNow()
    t.equal(said.length, 2, said.join('; '))
    t.equal(poller.effectiveWithinMs(), LEASE)
    await poller.close()
  })
})

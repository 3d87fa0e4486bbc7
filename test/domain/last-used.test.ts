// Times of last use: gathered, written at a bounded rate, and kept while the store fails.
import t from 'tap'
import { createLastUsed, type LastUsedDeps, type Uses } from '../../src/decisions/last-used.js'
import { fakeClock } from '../support/clock.js'

t.test('uses are batched, bounded in rate, and survive a failing store', async (t) => {
  const clock = fakeClock()
  const written: string[][] = []
  let failing = false
  const ticks: (() => void)[] = []
  let stopped = false
  const errors: string[] = []
  const deps: LastUsedDeps = {
    clock,
    log: { error: (_, message) => errors.push(message) },
    store: {
      async noteUses({ keys, sessions }: Uses) {
        if (failing) throw new Error('down')
        written.push([...keys.keys(), ...sessions.keys()])
      },
    },
    every(ms, work) {
      t.equal(ms, 1_000)
      ticks.push(work)
      return () => { stopped = true }
    },
  }
  const lastUsed = createLastUsed(deps)
  await lastUsed.flush()
  t.same(written, [], 'nothing due, nothing asked')
  for (let n = 0; n < 100; n += 1) lastUsed.key('a', clock.now())
  lastUsed.session('b', clock.now())
  for (const tick of [...ticks, ...ticks]) tick()
  await lastUsed.flush()
  t.same(written, [['a', 'b']])
  failing = true
  clock.advance(60_000)
  lastUsed.key('a', clock.now())
  await lastUsed.flush()
  t.same([written.length, errors.length], [1, 1])
  failing = false
  lastUsed.key('a', clock.now())
  clock.advance(-120_000)
  lastUsed.session('b', clock.now())
  await lastUsed.close()
  t.same(written[1], ['a', 'b'], 'the failed one is noted at its next use, and a clock set back silences nobody')
  for (let n = 0; n < 600; n += 1) lastUsed.key(`key-${n}`, clock.now())
  for (const tick of ticks) tick()
  await lastUsed.flush()
  t.same(written.slice(2).map(({ length }) => length), [250, 250, 100], 'statements are bounded, and none is left out')
  t.ok(stopped)
})

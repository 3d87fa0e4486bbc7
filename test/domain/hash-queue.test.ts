// The queue for hashes on a clock of the test's: two cores, a quarter of a second for each hash, and floods of fifteen a second.
import t from 'tap'
import { checkOrigin, newOrigin } from '../../src/accounts/hash-origin.js'
import { createHashQueue, type HashOrigin } from '../../src/accounts/hash-queue.js'
import type { Caller } from '../../src/kernel/principal.js'
import { AppError } from '../../src/kernel/errors.js'
import { fakeClock } from '../support/clock.js'

const HASH_MS = 250
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const from = (address: string): Caller => ({ principal: null, address, userAgent: '', requestId: 'r' })
const stranger = (address: string, guessed = `${address}@example.com`): HashOrigin => checkOrigin(from(address), { guessed })
const device = (userId: string): HashOrigin => checkOrigin(from('10.0.0.1'), { knownUserId: userId })
const signedIn = (id: string): HashOrigin =>
  checkOrigin({ ...from('10.0.0.1'), principal: { type: 'user', id, sessionId: 's', permissions: [], authenticatedBy: 'token' } })

interface Asked {
  atMs: number
  origin: HashOrigin
  /** is the password right? */
  right?: boolean
  label: string
}

/** Plays requests on two cores; how long each took in ms, null when it was shed. Two hashes at a time take their time, a third slows all. */
async function play(asked: Asked[], maxWaiting?: number): Promise<{ label: string; tookMs: number | null; mostAtOnce: number }[]> {
  const clock = fakeClock()
  const queue = createHashQueue({ clock, cores: 2, ...(maxWaiting === undefined ? {} : { maxWaiting }) })
  const running = new Set<{ leftMs: number; end: () => void }>()
  const results: { label: string; tookMs: number | null; mostAtOnce: number }[] = []
  let mostAtOnce = 0
  const queued = asked.toSorted((a, b) => a.atMs - b.atMs)
  const STEP_MS = 5
  for (let ms = 0; queued.length > 0 || running.size > 0 || results.length < asked.length; ms += STEP_MS) {
    if (ms > 120_000) throw new Error('the queue stands still')
    while (queued[0] && queued[0].atMs <= ms) {
      const one = queued.shift()
      if (!one) break
      const asOf = clock.monotonic()
      const work = (): Promise<void> => new Promise((resolve) => {
        running.add({ leftMs: HASH_MS, end: resolve })
        mostAtOnce = Math.max(mostAtOnce, running.size)
      })
      void (async () => {
        try {
          await queue.run(one.origin, work)
          if (one.right) queue.forgive(one.origin)
          results.push({ label: one.label, tookMs: clock.monotonic() - asOf, mostAtOnce })
        } catch (error) {
          if (!(error instanceof AppError) || error.code !== 'server.busy' || error.retryAfterSeconds === undefined) throw error
          results.push({ label: one.label, tookMs: null, mostAtOnce })
        }
      })()
    }
    clock.advance(STEP_MS)
    const share = STEP_MS * Math.min(1, 2 / Math.max(1, running.size))
    for (const one of running) {
      one.leftMs -= share
      if (one.leftMs > 0) continue
      running.delete(one)
      one.end()
    }
    await turn()
  }
  return results
}

function p95(results: { label: string; tookMs: number | null }[], label: string): number {
  const times = results.filter((one) => one.label === label).map(({ tookMs }) => tookMs ?? Infinity).toSorted((a, b) => a - b)
  return times[Math.ceil(times.length * 0.95) - 1] ?? Number.NaN
}

const SECONDS = 12
const flood = (origin: (at: number) => HashOrigin): Asked[] =>
  Array.from({ length: 15 * SECONDS }, (_, at) => ({ atMs: at * 1000 / 15, origin: origin(at), label: 'flood' }))
const others = (origin: (at: number) => HashOrigin, label: string): Asked[] =>
  Array.from({ length: SECONDS - 1 }, (_, at) => ({ atMs: 700 + at * 1000, origin: origin(at), right: true, label }))

t.test('fifteen hashes a second from one address: others sign in within two seconds, known devices within one', async (t) => {
  const floods: [string, (at: number) => HashOrigin][] = [
    ['guesses at one account', () => stranger('198.51.100.1', 'victim@example.com')],
    ['guesses at many accounts', (at) => stranger('198.51.100.1', `u${at}@example.com`)],
    ['sign-ups', () => newOrigin(from('198.51.100.1'))],
    ['addresses of one /56', (at) => stranger(`2001:db8:1:${(at % 250).toString(16)}::1`, 'x@example.com')],
  ]
  for (const [name, origin] of floods) {
    const results = await play([...flood(origin), ...others((at) => stranger(`203.0.113.${at}`), 'other'), ...others(() => device('owner'), 'device'), ...others(() => signedIn('me'), 'signed in')])
    t.ok(p95(results, 'other') < 2_000, `${name}: ${p95(results, 'other')} ms`)
    t.ok(p95(results, 'device') < 1_000, `${name}: ${p95(results, 'device')} ms on a known device`)
    t.ok(p95(results, 'signed in') < 1_000, `${name}: ${p95(results, 'signed in')} ms signed in`)
  }
})

t.test('from fifty addresses: others sign in within five seconds, known devices within one', async (t) => {
  const floods: [string, (at: number) => HashOrigin][] = [
    ['guesses at one account', (at) => stranger(`198.51.100.${at % 50}`, 'victim@example.com')],
    ['guesses at many accounts', (at) => stranger(`198.51.100.${at % 50}`, `u${at}@example.com`)],
    ['sign-ups', (at) => newOrigin(from(`198.51.100.${at % 50}`))],
  ]
  for (const [name, origin] of floods) {
    const results = await play([...flood(origin), ...others((at) => stranger(`203.0.113.${at}`), 'other'), ...others(() => device('owner'), 'device')])
    t.ok(p95(results, 'other') < 5_000, `${name}: ${p95(results, 'other')} ms`)
    t.ok(p95(results, 'device') < 1_000, `${name}: ${p95(results, 'device')} ms on a known device`)
  }
})

t.test('a flood by known devices and signed-in users leaves strangers a place, and each other theirs', async (t) => {
  const own = [...flood(() => device('attacker')), ...flood(() => signedIn('attacker'))].map((one) => ({ ...one, right: true }))
  const results = await play([...own, ...others((at) => stranger(`203.0.113.${at}`), 'other'), ...others(() => device('owner'), 'device')])
  t.ok(p95(results, 'other') < 2_000, `${p95(results, 'other')} ms`)
  t.ok(p95(results, 'device') < 2_000, `${p95(results, 'device')} ms on another's known device`)
  t.equal(Math.max(...results.map(({ mostAtOnce }) => mostAtOnce)), 3, 'never more at a time than the cores and one')
})

t.test('strangers alone use every core, and no more', async (t) => {
  const results = await play(Array.from({ length: 40 }, (_, at) => ({ atMs: 0, origin: stranger(`203.0.113.${at}`), label: 'one' })))
  t.equal(Math.max(...results.map(({ mostAtOnce }) => mostAtOnce)), 2)
  t.ok(results.every(({ tookMs }) => tookMs !== null))
})

t.test('one address holds a quarter of the queue, and what is shed is of the one that floods', async (t) => {
  const burst = (address: string, count: number, atMs: number): Asked[] =>
    Array.from({ length: count }, (_, at) => ({ atMs, origin: stranger(address, `${address}-${at}@example.com`), label: address }))
  const shedOf = (results: { label: string; tookMs: number | null }[], label: string): number => results.filter((one) => one.label === label && one.tookMs === null).length

  const alone = await play(burst('198.51.100.1', 30, 0), 16)
  t.equal(shedOf(alone, '198.51.100.1'), 24, 'two run, four wait')
  const four = ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4', '198.51.100.5'].flatMap((address) => burst(address, 5, 0))
  const full = await play([...four, ...burst('203.0.113.7', 1, 20)], 16)
  t.equal(shedOf(full, '203.0.113.7'), 0, 'a full queue makes room for who has had nothing')
})

t.test('nobody waits longer than eight seconds: then it is 503 and the client knows when to come back', async (t) => {
  const results = await play(Array.from({ length: 90 }, (_, at) => ({ atMs: 0, origin: stranger(`203.0.113.${at}`), label: 'one' })), 90)
  t.ok(results.some(({ tookMs }) => tookMs === null))
  t.ok(results.every(({ tookMs }) => tookMs === null || tookMs <= 8_000 + 2 * HASH_MS))
})

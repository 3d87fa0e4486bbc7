// On whose account a hash is worked out, and how far back each that floods is put, turn by turn.
import t from 'tap'
import { checkOrigin, newOrigin } from '../../src/accounts/hash-origin.js'
import { createHashQueue, type HashOrigin, type Lane } from '../../src/accounts/hash-queue.js'
import type { Caller } from '../../src/kernel/principal.js'
import { fakeClock } from '../support/clock.js'

const from = (address: string): Caller => ({ principal: null, address, userAgent: '', requestId: 'r' })
const somebody: Caller = { ...from('192.0.2.1'), principal: { type: 'user', id: 'u', permissions: [], authenticatedBy: 'token' } }

t.test('somebody signed in counts for themselves, a known device for its account, a stranger for where they come from and whom they try', async (t) => {
  t.strictSame(checkOrigin(somebody, { knownUserId: 'v', guessed: 'w' }), { lane: 'signed_in', names: [{ name: 'user:u' }] })
  t.strictSame(checkOrigin(from('192.0.2.1'), { knownUserId: 'v', guessed: 'w' }), { lane: 'device', names: [{ name: 'user:v' }] })
  t.strictSame(checkOrigin(from('192.0.2.1')), { lane: 'stranger', names: [{ name: 'address:192.0.2.1' }] })
  t.strictSame(checkOrigin(from('192.0.2.1'), { guessed: 'w' }), { lane: 'stranger', names: [{ name: 'address:192.0.2.1' }, { name: 'guessed:w' }] })
  const [address, network, ...more] = checkOrigin(from('2001:db8:1:200::1')).names
  t.match(address?.name, /^address:2001:db8:1:2/)
  t.match(network, { name: /^network:2001:db8:1/, share: 16 })
  t.same(more, [])
  t.strictSame(newOrigin(from('192.0.2.1')), { ...checkOrigin(from('192.0.2.1')), laterMs: 5_000 }, 'who wants an account comes after who has one')
  t.strictSame(newOrigin(somebody), checkOrigin(somebody))
})

const of = (name: string, lane: Lane = 'stranger', changes: Partial<HashOrigin> = {}): HashOrigin => ({ lane, names: [{ name }], ...changes })
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** A queue on one core, and who runs in it, in the order in which they began. */
function world({ cores = 1, maxWaiting = 64 } = {}) {
  const clock = fakeClock()
  const queue = createHashQueue({ clock, cores, maxWaiting })
  const [began, shed] = [[] as string[], [] as string[]]
  const ends = new Map<string, () => void>()
  const ask = (label: string, origin = of(label)): void => void queue.run(origin, () => new Promise<void>((resolve) => {
    began.push(label)
    ends.set(label, resolve)
  })).catch((error: { code: string; retryAfterSeconds: number }) => shed.push(`${label} ${error.code} ${error.retryAfterSeconds}`))
  const end = async (label: string): Promise<void> => {
    ends.get(label)?.()
    await turn()
  }
  return { clock, queue, began, shed, ask, end }
}

t.test('the one core is the strangers\', and one place more is for those who are known, who take turns in it', async (t) => {
  const { began, ask, end } = world()
  ask('s1')
  ask('s2')
  ask('d1', of('d1', 'device'))
  ask('d2', of('d2', 'device'))
  ask('u1', of('u1', 'signed_in'))
  ask('u2', of('u2', 'signed_in'))
  t.same(began, ['s1', 'd1'], 'strangers never take the last place, nor do the others take theirs')
  await end('d1')
  await end('u1')
  await end('d2')
  t.same(began, ['s1', 'd1', 'u1', 'd2', 'u2'], 'neither lane waits for the other to end')
  await end('s1')
  t.same(began.at(-1), 's2')
})

t.test('of three cores and more three are used, and one place more', async (t) => {
  for (const [cores, most] of [[0, 1], [1, 1], [2, 2], [3, 3], [64, 3]] as const) {
    const { began, ask } = world({ cores })
    for (let n = 0; n < 10; n += 1) ask(`s${n}`)
    t.equal(began.length, most, `${cores}: strangers`)
    for (let n = 0; n < 10; n += 1) ask(`d${n}`, of(`d${n}`, 'device'))
    t.equal(began.length, most + 1)
    const known = world({ cores })
    for (let n = 0; n < 10; n += 1) known.ask(`d${n}`, of(`d${n}`, 'device'))
    t.equal(known.began.length, most, `${cores}: those who are known leave a place to strangers`)
    known.ask('s')
    t.equal(known.began.at(-1), 's')
  }
})

t.test('who has had more comes later, until it is forgiven or half a minute has passed', async (t) => {
  const order = async (prepare: (w: ReturnType<typeof world>) => Promise<void> | void, second: HashOrigin = of('fresh')): Promise<string[]> => {
    const w = world()
    w.ask('flood 1', of('flood'))
    await w.end('flood 1')
    await prepare(w)
    w.ask('busy', of('other'))
    w.ask('flood', of('flood'))
    w.clock.advance(1)
    w.ask('fresh', second)
    await w.end('busy')
    return w.began.slice(-1)
  }
  t.same(await order(() => undefined), ['fresh'])
  t.same(await order(({ queue }) => queue.forgive(of('flood'))), ['flood'], 'it was right')
  t.same(await order(({ clock }) => clock.advance(29_990)), ['fresh'])
  t.same(await order(({ clock }) => clock.advance(30_000)), ['flood'], 'forgotten')
  t.same(await order(() => undefined, of('late', 'stranger', { laterMs: 9_998 })), ['fresh'])
  t.same(await order(() => undefined, of('late', 'stranger', { laterMs: 10_000 })), ['flood'], 'a hash puts back by ten seconds')
  t.same(await order(() => undefined, { lane: 'stranger', names: [{ name: 'new' }, { name: 'flood', share: 4 }] }), ['fresh'], 'a name that stands for many puts back by less')
  t.same(await order(() => undefined, { lane: 'stranger', names: [{ name: 'new' }, { name: 'flood' }] }), ['flood'], 'the worst of its names counts')
})

t.test('a quarter of the queue is one origin\'s; full, who is furthest back goes, and what was shed is not counted', async (t) => {
  const { began, shed, ask, end, clock } = world({ maxWaiting: 4 })
  ask('running')
  ask('a1', of('a'))
  ask('a2', of('a'))
  await turn()
  t.same(shed, ['a2 server.busy 5'], 'one of four')
  for (const name of ['b', 'c']) ask(name)
  ask('late', of('late', 'stranger', { laterMs: 1_000 }))
  clock.advance(1)
  ask('worse', of('worse', 'stranger', { laterMs: 1_000 }))
  await turn()
  t.same(shed.slice(1), ['worse server.busy 5'], 'the one who comes, when it is furthest back')
  ask('better')
  await turn()
  t.same(shed.slice(2), ['late server.busy 5'])
  for (const label of ['running', 'a1', 'b', 'c', 'better']) await end(label)
  t.same(began, ['running', 'a1', 'b', 'c', 'better'])
})

t.test('after eight seconds of waiting one is shed, and not before', async (t) => {
  const { began, shed, ask, end, clock } = world()
  ask('running')
  ask('early')
  clock.advance(1)
  ask('later')
  clock.advance(8_000)
  await end('running')
  t.same([shed, began], [['early server.busy 5'], ['running', 'later']])
})

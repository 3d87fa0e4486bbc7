// For how long the rules of forward-auth are believed, and what is kept of their plans.
import t from 'tap'
import { createRevocations } from '../../src/revocation/revocations.js'
import { compileGateTable } from '../../src/gate/gate-rules.js'
import type { GateRuleSnapshot } from '../../src/gate/gate-rule-store.js'
import { createRuleSource, GATE_TAG } from '../../src/gate/gate-source.js'
import { fakeClock } from '../support/clock.js'
import { needs, rule } from '../support/gate-rules.js'

t.test('a plan is worked out once, and floods do not grow the memory of plans', async (t) => {
  const table = compileGateTable([rule({ path: '/*' })])
  t.equal(table.plan('GET', 'localhost', '/a?x=1'), table.plan('GET', 'localhost', '/a?y=2'), 'the query plays no part')
  t.not(table.plan('GET', 'localhost', `/${'a'.repeat(400)}`), table.plan('GET', 'localhost', `/${'a'.repeat(400)}`), 'long ones are not kept')
  const longest = `/${'a'.repeat(290)}` // with its host 300
  t.equal(table.plan('GET', 'localhost', longest), table.plan('GET', 'localhost', longest))
  t.not(table.plan('GET', 'localhost', `${longest}a`), table.plan('GET', 'localhost', `${longest}a`))
  const first = table.plan('GET', 'localhost', '/a')
  for (let at = 0; at < 9_998; at += 1) table.plan('GET', 'localhost', `/${at}`)
  t.equal(table.plan('GET', 'localhost', '/a'), first, 'ten thousand are kept')
  table.plan('PUT', 'elsewhere', '/a')
  t.not(table.plan('GET', 'localhost', '/a'), first, 'and one more empties it')
  t.equal(needs(table.plan('GET', 'localhost', '/a')), '')
})

t.test('rules are held as long as nothing revokes them, and the lease lasts', async (t) => {
  const clock = fakeClock()
  const revocations = createRevocations({ clock, leaseMs: 1_500 })
  const poll = (head: number, tags: string[] = []) => revocations.applyPoll({ startedAt: revocations.now(), server: 's', head, rows: tags.map((tag) => ({ seq: head, tag })) })
  let stored: GateRuleSnapshot = { asOf: 0, rules: [] }
  let reads = 0
  let hook: () => unknown = () => undefined
  const source = createRuleSource({ revocations, store: { async snapshot() {
    reads += 1
    const answer = stored
    await hook()
    return answer
  } } })
  t.equal(source.current(), null, 'nothing was read yet')
  poll(0)
  const [one, two] = await Promise.all([source.load(), source.load()])
  t.equal(one, two)
  t.equal(reads, 1, 'one reading for all who wait')
  t.equal(source.current(), one)

  clock.advance(1_400)
  poll(0)
  clock.advance(1_400)
  t.equal(source.current(), one, 'a poll prolongs the lease')
  clock.advance(101)
  t.equal(source.current(), null, 'the lease has lapsed')
  poll(0)
  t.equal(source.current(), one, 'and the log has nothing against what is held')

  poll(1, ['key:other'])
  t.equal(source.current(), one)
  stored = { asOf: 2, rules: [rule({ path: '/*', public: true })] }
  revocations.apply({ seq: 2, tag: GATE_TAG })
  t.equal(source.current(), null, 'a change that was heard of')
  poll(2, [GATE_TAG])
  const fresh = await source.load()
  t.equal(needs(fresh.plan('GET', 'localhost', '/')), 'public')
  t.equal(source.current(), fresh)

  revocations.apply({ seq: 3, tag: GATE_TAG })
  const asked = reads
  hook = () => (reads - asked === 1 ? (stored = { asOf: 3, rules: [] }) : undefined)
  await source.load()
  t.equal(reads - asked, 2, 'a reading older than a change is made again')
  poll(3, [GATE_TAG])

  hook = () => clock.advance(1_500)
  await t.rejects(source.load(), { code: 'database.unavailable' }, 'an answer that took a lease is none')
  hook = () => Promise.reject(new Error('down'))
  await t.rejects(source.load(), /down/)
  hook = () => undefined
  revocations.apply({ seq: 8, tag: GATE_TAG })
  await source.load()
  t.equal(source.current(), null, 'what is older than the change that was heard of is proof at the moment it was read, and is not kept')
  stored = { asOf: 9, rules: [] }
  poll(9)
  t.equal(await source.load(), source.current())
  poll(50)
  t.equal(source.current(), null, 'a gap in the log')
})

t.test('who waits for rules is told in time', async (t) => {
  const revocations = createRevocations({ clock: fakeClock(), leaseMs: 1_500 })
  const source = createRuleSource({
    revocations, store: { snapshot: () => new Promise(() => undefined) }, deadline: async (_work, ms) => Promise.reject(new Error(`late after ${ms}`)),
  })
  await t.rejects(source.load(), /late after 2000/)
})

// The rules of docs/decision-engine.md, at work: the real cache and poller in hundreds of small worlds full of faults. A
// failure names its seed; GATEHOUSE_TEST_SEEDS runs more of them than the default.
import t from 'tap'
import type { Rules } from '../../src/revocation/revocations.js'
import { type Outcome, simulate } from '../support/simulator.js'

const SEEDS = Number(process.env['GATEHOUSE_TEST_SEEDS'] ?? 400)
const LENGTH_MS = 8_000
t.setTimeout(60_000 + SEEDS * 30)

t.test(`no world of ${SEEDS} sees a revoked credential accepted later than the lease`, async (t) => {
  const sum: Omit<Outcome, 'violations'> = { admitted: 0, refused: 0, failed: 0, revoked: 0 }
  const violations: string[] = []
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const outcome = await simulate(seed, LENGTH_MS)
    violations.push(...outcome.violations.map((violation) => `seed ${seed}: ${violation}`))
    for (const name of ['admitted', 'refused', 'failed', 'revoked'] as const) sum[name] += outcome[name]
  }
  t.same(violations.slice(0, 5), [])
  t.ok(sum.admitted > SEEDS * 20 && sum.refused > SEEDS * 20 && sum.revoked > SEEDS * 3, `these were worlds in which something happened: ${JSON.stringify(sum)}`)
})

t.test('the same seed gives the same world', async (t) => {
  t.same(await simulate(8, LENGTH_MS), await simulate(8, LENGTH_MS))
})

const REMOVED: [string, Partial<Rules>][] = [
  ['readings older than a revocation are used', { guard: false }],
  ['there is no lease', { lease: false }],
  ['the lease counts from the answer', { leaseFromSending: false }],
  ['an old answer is used', { readingAge: false }],
  ['a gap in the log is passed over', { gaps: false }],
]
for (const [what, rules] of REMOVED) {
  t.test(`it is noticed when ${what}`, async (t) => {
    let seed = 1
    let outcome = await simulate(seed, 3 * LENGTH_MS, rules)
    while (outcome.violations.length === 0 && seed < 200) outcome = await simulate((seed += 1), 3 * LENGTH_MS, rules)
    t.ok(outcome.violations.length > 0, `seed ${seed}: ${outcome.violations[0]}`)
  })
}

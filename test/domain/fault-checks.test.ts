// The checks of npm run test:faults must find what they are for, and only what is certain.
import t from 'tap'
import { countedOf, excessOf, latenessOf, percentileOf } from '../../faults/checks.js'
import type { Answer } from '../../faults/protocol.js'

const answer = (change: Partial<Answer>): Answer => ({ key: 0, node: 0, sentMs: 0, receivedMs: 1, status: 200, code: 'valid', ...change })
const revocation = { key: 0, acknowledgedMs: 1_000, effectiveWithinMs: 1_500, refusal: null }

t.test('a revoked key that is accepted too late is found', async (t) => {
  const early = answer({ sentMs: 2_500, receivedMs: 9_000 })
  t.same(latenessOf([revocation], [early]), { latestMs: [1_500], violations: [] }, 'sent in time, whenever it was answered')
  const late = answer({ node: 2, sentMs: 2_501, receivedMs: 2_502 })
  t.same(latenessOf([revocation], [early, late]).violations, [{ key: 0, node: 2, lateMs: 1_501, promisedMs: 1_500 }])
  t.same(latenessOf([{ ...revocation, effectiveWithinMs: 0 }], [answer({ sentMs: 1_001 })]).violations.length, 1, 'what was promised at once is held to that')
  t.same(latenessOf([revocation], [answer({ sentMs: 9_000, code: 'revoked' }), answer({ key: 1, sentMs: 9_000 })]), { latestMs: [0], violations: [] }, 'refusals and other keys')
  t.same(latenessOf([{ ...revocation, acknowledgedMs: null }], [late]), { latestMs: [], violations: [] }, 'nothing was promised yet')
})

t.test('a window that certainly holds more than its quota is found', async (t) => {
  const limited = [{ key: 'k', algorithm: 'window' as const, quota: 2, windowMs: 1_000 }]
  const at = (sentMs: number, receivedMs = sentMs + 1): Answer => answer({ key: 7, sentMs, receivedMs })
  t.same(excessOf(limited, 7, [at(997), at(0), at(500)]), [{ key: 7, algorithm: 'window', quota: 2, windowMs: 1_000, windows: 1, above: 1, fromMs: 0, toMs: 998 }])
  t.same(excessOf(limited, 7, [at(0), at(500), at(1_000)]), [], 'the first has left the window')
  t.same(excessOf(limited, 7, [at(0), at(500), at(990, 1_000)]), [], 'the last may have been admitted after it')
  t.same(excessOf(limited, 7, [at(0), at(500), { ...at(600), code: 'rate_limited' }]), [], 'refusals do not count')
})

t.test('a stretch above burst and rate is found, and a period above its quota', async (t) => {
  const at = (sentMs: number): Answer => answer({ key: 0, sentMs, receivedMs: sentMs + 1 })
  const smooth = [{ key: 'k', algorithm: 'gcra' as const, quota: 10, windowMs: 1_000, burst: 2 }]
  t.same(excessOf(smooth, 0, [at(0), at(0), at(99), at(199), at(299)]), [])
  t.match(excessOf(smooth, 0, [at(0), at(0), at(99), at(120), at(299)]), [{ windows: 2, fromMs: 0, toMs: 121 }], 'the one at 120 came too early')
  t.same(excessOf(smooth, 0, [at(0), at(0), at(10)])[0]?.above.toFixed(2), '0.88')
  const monthly = [{ key: 'k', algorithm: 'calendar' as const, quota: 2, windowMs: 1_000 }]
  t.same(excessOf(monthly, 0, [at(0), at(50_000)]), [])
  t.match(excessOf(monthly, 0, [at(0), at(50_000), at(100_000)]), [{ windows: 1, above: 1 }])
})

t.test('what the ledger must hold is told from what it may hold', async (t) => {
  const answers = [
    answer({}), answer({ code: 'revoked' }), answer({ code: 'rate_limited' }), answer({ code: 'not_found' }), answer({ status: 503, code: 'database.unavailable' }),
    answer({ status: 0, code: 'ECONNREFUSED' }), answer({ status: 0, code: 'ECONNRESET' }), answer({ status: 500, code: 'server.error' }),
  ]
  t.same(countedOf(answers), { answered: 3, uncertain: 2 })
  t.equal(percentileOf([3, 1, 2], 0.5), 2)
  t.equal(percentileOf([3, 1, 2], 1), 3)
  t.equal(percentileOf([], 0.99), 0)
})

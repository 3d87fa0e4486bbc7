// What is answered about a credential, and what a request with it is charged: all or nothing.
import t from 'tap'
import { foundKey } from '../../src/decisions/entry.js'
import { boundOf, charge, described, overLimit, refused } from '../../src/decisions/verification.js'
import type { LimitCharge, LimitDecision, LimitStore } from '../../src/shared-store/shared-store.js'

const CALLS = { name: 'calls', quota: 10, windowSeconds: 60 }
const { key, principal } = foundKey({
  asOf: 1,
  entry: {
    keyId: 'k', ownerId: 'o', isOrganizations: false, ownerActive: true, name: 'n', permissions: ['a:b'], metadata: { a: 1 }, revoked: false, expiresAtMs: 0, limitGroupId: 'k', ownerLimits: [], ownerPermissions: null, roles: [], plans: [], addresses: [],
    ownerAddresses: [], limits: [CALLS],
  },
})
if (!key) throw new Error('there is a key')
const NONE = { limits: [], charges: [] }
const GATE: readonly LimitCharge[] = [{ key: 'rule:{x}:1', quota: 5, windowMs: 60_000, cost: 1 }]
const ofKey = { key, session: null, principal }

t.test('a refused credential shows only why, a valid key what is known of it', async (t) => {
  t.strictSame(refused('expired'), { valid: false, code: 'expired' })
  t.strictSame(overLimit([], { allowed: false, states: [], retryAfterMs: 1_001 }), { code: 'rate_limited', limits: [], retryAfterSeconds: 2 })
  t.equal(overLimit([], { allowed: false, states: [], retryAfterMs: Infinity }).retryAfterSeconds, null)
  const known = { valid: true, code: 'valid', keyId: 'k', name: 'n', owner: { type: 'user', id: 'o' }, permissions: ['a:b'], metadata: { a: 1 }, expiresAt: '1970-01-01T00:00:00.000Z', limits: [], answer: { text: '' } }
  t.strictSame(described(key, []), known)
  t.strictSame(described({ ...key, isOrganizations: true }, []), { ...known, owner: { type: 'organization', id: 'o' } })
})

t.test('a request is charged what its key, session or token is bound to, and what the gateway adds', async (t) => {
  const bound = key.bound
  const nobody = { key: null, session: null, principal }
  t.equal(boundOf(ofKey, {}), bound)
  t.equal(boundOf({ ...nobody, session: { bound } as never }, {}), bound)
  t.equal(boundOf({ ...nobody, token: { bound } as never }, {}), bound)
  for (const unbound of [nobody, { ...nobody, session: { bound: null } as never }, { ...nobody, token: { bound: null } as never }]) t.strictSame(boundOf(unbound, {}), NONE)
  t.strictSame(boundOf(ofKey, { keyLimits: false }), NONE)
  t.equal(boundOf(ofKey, { charges: [] }), bound, 'nothing is added')
  t.same(boundOf(ofKey, { cost: 3, charges: GATE }).charges.map(({ cost }) => cost), [3, 1])
  const both = boundOf(ofKey, { charges: GATE })
  t.strictSame(both, { limits: [CALLS, { name: 'rule', quota: 5 }], charges: [...bound.charges, ...GATE] })
  t.not(boundOf(ofKey, { charges: GATE }), both, 'a list that is no function\'s may be anybody\'s')
  const more = { charges: (): readonly LimitCharge[] => GATE }
  t.equal(boundOf(ofKey, more), boundOf(ofKey, more), 'a function\'s is bound once')
  const other = [...GATE]
  t.same(boundOf(ofKey, { charges: () => other, cost: 2 }).charges.map(({ cost }) => cost), [2, 1])
  t.same(boundOf(ofKey, { charges: () => other }).charges.map(({ cost }) => cost), [1, 1], 'and never at the cost of another question')
  boundOf(ofKey, { charges: (who, entry) => (t.same([who, entry], [principal, key]), GATE) })
})

t.test('all is charged or nothing, at once where the store answers at once, and what is left is told', async (t) => {
  const decision = (allowed: boolean): LimitDecision => ({ allowed, states: [{ remaining: 9, resetMs: 1_500 }], retryAfterMs: allowed ? 0 : 1_500 })
  const asked: unknown[] = []
  const store = (answer: LimitDecision | Promise<LimitDecision>): LimitStore => ({ take: (...given) => (asked.push(given), answer), guarantee: () => ({ guarantee: 'exact', earlyBy: 0 }) })
  const tell = (reports: unknown, refusal: unknown): unknown[] => [reports, refusal]
  const report = [{ name: 'calls', quota: 10, remaining: 9, resetSeconds: 2, guarantee: 'exact', earlyBy: 0, windowSeconds: 60 }]
  t.strictSame(charge(store(decision(false)), NONE, false, tell), [[], null])
  t.same(asked, [], 'nothing is asked where nothing is bound')
  t.strictSame(charge(store(decision(true)), key.bound, true, tell), [report, null])
  t.strictSame(charge(store(decision(false)), key.bound, false, tell), [report, decision(false)])
  t.strictSame(await charge(store(Promise.resolve(decision(false))), key.bound, false, tell), [report, decision(false)])
  t.same(asked, [[key.bound.charges, true], [key.bound.charges, false], [key.bound.charges, false]])
})

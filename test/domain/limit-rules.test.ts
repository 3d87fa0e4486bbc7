// Limits as people write them, as they stand in the database, as one request may change them, and as they are told: lists in, charges out.
import t from 'tap'
import { atCost, chargeOf, checkLimits, forRequest, type Limit, limitMistakes, type LimitOverride, limitsOfKey, limitsOfOwner, readLimits, reportOf, retryAfterSeconds, UNREADABLE } from '../../src/limits/limit-rules.js'
import { checkPlan, planOf, type RolePlan } from '../../src/limits/plan.js'

const CALLS: Limit = { name: 'calls', quota: 10, windowSeconds: 60 }
const SMOOTH: Limit = { name: 'smooth', quota: 10, windowSeconds: 60, algorithm: 'gcra', burst: 5 }
const MONTHLY: Limit = { name: 'monthly', quota: 10, algorithm: 'calendar', period: 'month' }
const OWNER = { ownerId: 'o', limitGroupId: 'g' }
const errorsOf = (work: () => void): { path: string; message: string }[] => {
  try {
    work()
    return []
  } catch (error) {
    return (error as { errors: { path: string; message: string }[] }).errors
  }
}

t.test('a limit has what its algorithm needs, and nothing else', async (t) => {
  for (const good of [CALLS, SMOOTH, MONTHLY, { ...SMOOTH, burst: undefined }, { ...CALLS, algorithm: 'window' as const }]) t.same(limitMistakes([good as Limit]), [], JSON.stringify(good))
  const bad: [Partial<Limit>, RegExp][] = [
    [{ ...CALLS, burst: 5 }, /^burst goes/], [{ ...MONTHLY, burst: 5 }, /^burst goes/], [{ ...CALLS, period: 'day' }, /^period goes/], [{ ...SMOOTH, period: 'day' }, /^period goes/],
    [{ ...CALLS, quota: 0 }, /^quota and burst/], [{ ...SMOOTH, burst: 0 }, /^quota and burst/], [{ ...MONTHLY, windowSeconds: 60 }, /has a period/], [{ ...MONTHLY, period: undefined as never }, /^period is missing/],
    [{ ...CALLS, windowSeconds: undefined as never }, /^windowSeconds is missing/], [{ ...CALLS, windowSeconds: 2_592_001 }, /^windowSeconds is/], [{ ...SMOOTH, quota: 1, windowSeconds: 2_000_000, burst: 501 }, /10\^9 seconds/],
  ]
  for (const [limit, why] of bad) {
    const [first, ...more] = limitMistakes([CALLS, { ...(limit as Limit), name: 'other' }])
    t.same([first?.path, more], ['/limits/1', []])
    t.match(first?.message, why)
  }
  t.same(limitMistakes([CALLS, CALLS, { ...MONTHLY, quota: 0 }], '/here').map(({ path }) => path), ['/here/2', '/here'], 'names differ')
  t.doesNotThrow(() => checkLimits([CALLS]))
  t.same(errorsOf(() => checkLimits([CALLS, CALLS])).map(({ path }) => path), ['/limits'])
})

t.test('a stored limit that cannot be read denies under its name where it has one, and leaves the others as they are', async (t) => {
  const denies = (name: string): Limit => ({ name, quota: 0, windowSeconds: 1 })
  t.strictSame(UNREADABLE, denies('unreadable'))
  for (const name of ['a', `a${'b'.repeat(63)}`, 'a_b.c-9']) t.same(readLimits([{ ...CALLS, name }]), [{ ...CALLS, name }])
  for (const name of ['', 'A', '9a', `a${'b'.repeat(64)}`, 'a b', ' a', 'a\n', 7, null]) t.same(readLimits([{ ...CALLS, name }]), [denies('unreadable')], JSON.stringify(name))
  for (const odd of [{ algorithm: 'other' }, { algorithm: 'calendar', period: 'year', windowSeconds: undefined }, { quota: -1 }]) t.strictSame(readLimits([CALLS, { ...CALLS, name: 'odd', ...odd }]), [CALLS, denies('odd')], JSON.stringify(odd))
  t.strictSame(readLimits([MONTHLY, null, 'x', undefined, {}]), [MONTHLY, denies('unreadable'), denies('unreadable'), denies('unreadable'), denies('unreadable')])
  const forty = Array.from({ length: 40 }, (_, at) => ({ ...CALLS, name: `n${at}` }))
  t.equal(readLimits(forty), forty)
  t.strictSame(readLimits([...forty, CALLS]), [UNREADABLE])
  t.strictSame(readLimits('x'), [UNREADABLE])
})

t.test('limits become charges: a key\'s own, its owner\'s, its plan\'s', async (t) => {
  t.strictSame(chargeOf('k', CALLS), { key: 'k', quota: 10, windowMs: 60_000, cost: 1, strict: true })
  t.strictSame(chargeOf('k', SMOOTH, 3), { key: 'k', quota: 10, windowMs: 60_000, cost: 3, strict: true, algorithm: 'gcra', burst: 5 })
  t.strictSame(chargeOf('k', MONTHLY), { key: 'k', quota: 10, windowMs: 0, cost: 1, strict: true, algorithm: 'calendar', period: 'month' })
  t.strictSame(limitsOfOwner({ ownerId: 'o', ownerLimits: [CALLS], plan: [MONTHLY] }), {
    limits: [{ ...CALLS, name: 'owner:calls' }, { ...MONTHLY, name: 'plan:monthly' }], charges: [chargeOf('owner:{o}:calls', CALLS), chargeOf('plan:{o}:monthly', MONTHLY)],
  })
  t.strictSame(limitsOfOwner({ ownerId: 'o', ownerLimits: [] }), { limits: [], charges: [] })
  const own = [CALLS]
  t.equal(limitsOfKey({ ...OWNER, limits: own, ownerLimits: [] }).limits, own, 'one list for all keys that have it')
  t.strictSame(limitsOfKey({ ...OWNER, limits: own, ownerLimits: [SMOOTH] }), {
    limits: [CALLS, { ...SMOOTH, name: 'owner:smooth' }], charges: [chargeOf('key:{o}:g:calls', CALLS), chargeOf('owner:{o}:smooth', SMOOTH)],
  })
  const bound = limitsOfKey({ ...OWNER, limits: own, ownerLimits: [] })
  t.equal(atCost(bound, 1), bound)
  t.strictSame(atCost(bound, 4), { limits: own, charges: [chargeOf('key:{o}:g:calls', CALLS, 4)] })
})

t.test('a request may lower what holds or add to it, and nothing else', async (t) => {
  const bound = limitsOfKey({ ...OWNER, limits: [CALLS, SMOOTH, MONTHLY], ownerLimits: [] })
  const asked = (override: LimitOverride, cost = 2) => forRequest(bound, OWNER, cost, [override])
  t.equal(forRequest(bound, OWNER, 1), bound)
  t.same(forRequest(bound, OWNER, 2).charges.map(({ cost }) => cost), [2, 2, 2])
  const fine: [LimitOverride, number, object, object][] = [
    [{ name: 'calls', quota: 9 }, 0, { ...CALLS, quota: 9 }, { key: 'key:{o}:g:calls', quota: 9, cost: 2 }], [{ name: 'calls', quota: 10, windowSeconds: 60, algorithm: 'window' }, 0, { ...CALLS, algorithm: 'window' }, { cost: 2 }],
    [{ name: 'calls', cost: 2 }, 0, CALLS, { cost: 2 }], [{ name: 'calls', cost: 3 }, 0, CALLS, { cost: 3 }], [{ name: 'smooth', burst: 4 }, 1, { ...SMOOTH, burst: 4 }, { burst: 4, key: 'key:{o}:g:smooth' }], [{ name: 'smooth', burst: 5 }, 1, SMOOTH, {}],
    [{ name: 'monthly', period: 'month', quota: 1 }, 2, { ...MONTHLY, quota: 1 }, { quota: 1 }], [{ name: 'new', quota: 1, windowSeconds: 1 }, 3, { name: 'new', quota: 1, windowSeconds: 1 }, { key: 'key:{o}:g:new', quota: 1, cost: 2 }],
    [{ name: 'new', quota: 1, windowSeconds: 1, cost: 1 }, 3, { name: 'new', quota: 1, windowSeconds: 1 }, { cost: 1 }],
  ]
  for (const [override, at, limit, charge] of fine) {
    const { limits, charges } = asked(override)
    t.strictSame(limits[at], limit, JSON.stringify(override))
    t.match(charges[at], charge)
    t.same([limits.length, charges.length], at === 3 ? [4, 4] : [3, 3])
    t.same(charges.filter((_, one) => one !== at && one < 3).map(({ cost }) => cost), at === 3 ? [2, 2, 2] : [2, 2])
  }
  const raises: LimitOverride[] = [
    { name: 'calls', quota: 11 }, { name: 'calls', windowSeconds: 59 }, { name: 'calls', windowSeconds: 61 }, { name: 'calls', algorithm: 'gcra' }, { name: 'monthly', period: 'day' }, { name: 'smooth', algorithm: 'window' },
    { name: 'smooth', burst: 6 }, { name: 'calls', cost: 1 }, { name: 'new', quota: 1, windowSeconds: 1, cost: 0 },
  ]
  for (const override of raises) t.throws(() => asked(override), { code: 'access.denied' }, JSON.stringify(override))
  for (const override of [{ name: 'calls', quota: 0 }, { name: 'new', windowSeconds: 1 }, { name: 'new', quota: 1 }]) {
    t.throws(() => asked(override), { code: 'request.invalid' }, JSON.stringify(override))
    t.match(errorsOf(() => asked(override)).map(({ path }) => path).join(), /^\/limits/)
  }
  t.same(forRequest(bound, OWNER, 1, [{ name: 'new', quota: 3, windowSeconds: 1 }, { name: 'new', quota: 2 }]).charges.slice(3).map(({ quota }) => quota), [2], 'the second lowers what the first added')
  const sealed = limitsOfKey({ ...OWNER, limits: [{ name: 'bad', quota: -1 }], ownerLimits: [] })
  t.same(forRequest(sealed, OWNER, 1, [{ name: 'bad', quota: 0 }]).charges.map(({ quota }) => quota), [0], 'what cannot be read denies, whatever a request says of it')
})

t.test('what is told of each limit, in whole seconds rounded up', async (t) => {
  const bound = limitsOfKey({ ...OWNER, limits: [CALLS, MONTHLY], ownerLimits: [] })
  const told = { guarantee: 'leased' as const, earlyBy: 2 }
  const rows = reportOf(bound, [{ remaining: 4, resetMs: 1_001 }, { remaining: 0, resetMs: 2_000 }], ({ key }) => (key.endsWith('calls') ? told : { guarantee: 'exact', earlyBy: 0 }))
  t.strictSame(rows, [
    { name: 'calls', quota: 10, remaining: 4, resetSeconds: 2, ...told, windowSeconds: 60 }, { name: 'monthly', quota: 10, remaining: 0, resetSeconds: 2, guarantee: 'exact', earlyBy: 0, windowSeconds: null },
  ])
  t.equal(reportOf(bound, [{ remaining: 4, resetMs: 1 }], () => told).length, 1, 'what was not decided is not told')
  t.same([0, 1, 1_000, 1_001, Infinity].map(retryAfterSeconds), [0, 1, 1, 2, null])
})

t.test('of the plans of their roles an owner has the largest of each name that counts alike, and both that count differently', async (t) => {
  const plan = (...limits: Limit[][]): readonly Limit[] => planOf(limits)
  const cases: [Limit, Limit, Limit[]][] = [
    [CALLS, { ...CALLS, quota: 11 }, [{ ...CALLS, quota: 11 }]], [{ ...CALLS, quota: 11 }, CALLS, [{ ...CALLS, quota: 11 }]], [CALLS, { ...CALLS, windowSeconds: 61 }, [CALLS, { ...CALLS, windowSeconds: 61 }]],
    [SMOOTH, { ...SMOOTH, burst: 6 }, [{ ...SMOOTH, burst: 6 }]], [{ ...SMOOTH, burst: 6 }, SMOOTH, [{ ...SMOOTH, burst: 6 }]], [SMOOTH, { name: 'smooth', quota: 10, windowSeconds: 60, algorithm: 'gcra' }, [{ name: 'smooth', quota: 10, windowSeconds: 60, algorithm: 'gcra' }]],
    [{ ...SMOOTH, burst: 9 }, { ...SMOOTH, quota: 11, burst: 1 }, [{ ...SMOOTH, quota: 11, burst: 1 }]], [MONTHLY, { ...MONTHLY, period: 'day' }, [MONTHLY, { ...MONTHLY, period: 'day' }]], [CALLS, { ...CALLS, algorithm: 'window' }, [CALLS]],
  ]
  for (const [one, two, both] of cases) t.strictSame(plan([one], [two]), both, JSON.stringify([one, two]))
  t.equal(plan([CALLS], [{ ...CALLS }])[0], CALLS, 'of two alike the first')
  const bad = { name: 'calls', quota: -1 } as Limit
  t.same(plan([bad], [CALLS]).map(({ quota }) => quota), [0, 10], 'no larger one stands in for what cannot be read')
  const many = (length: number): Limit[] => Array.from({ length }, (_, at) => ({ ...CALLS, name: `n${at}` }))
  t.equal(plan(many(20), many(40)).length, 40)
  t.strictSame(plan(many(40), [CALLS]), [UNREADABLE])
})

t.test('a plan leaves nobody who loses a role without a limit, and counts a name alike everywhere', async (t) => {
  const role = (name: string, ...limits: Limit[]): RolePlan => ({ name, limits })
  const said = (plan: RolePlan, ...roles: RolePlan[]): string[] => errorsOf(() => checkPlan(plan, roles, 'base')).map(({ path, message }) => `${path} ${message}`)
  const longer = { ...CALLS, windowSeconds: 61 }
  const names = (length: number, prefix = 'n'): Limit[] => Array.from({ length }, (_, at) => ({ ...CALLS, name: `${prefix}${at}` }))
  t.throws(() => checkPlan(role('pro', CALLS), [], 'base'), { code: 'request.invalid' })
  const cases: [RolePlan, RolePlan[], RegExp[]][] = [
    [role('pro', CALLS), [role('base', CALLS)], []], [role('pro', CALLS), [role('base', SMOOTH, CALLS), role('pro', longer)], []], [role('base', CALLS), [role('base'), role('pro', CALLS)], []], [role('base', longer), [role('base', CALLS)], []],
    [role('pro', CALLS), [role('base')], [/^\/limits\/0 role base has no limit calls/]], [role('pro', CALLS), [role('base'), role('pro', CALLS)], [/^\/limits\/0 role base/]], [role('pro', CALLS), [role('base'), role('max', CALLS)], [/^\/limits\/0 role base/]],
    [role('pro', SMOOTH, CALLS), [role('base', SMOOTH, longer)], [/^\/limits\/1 another role counts calls/]], [role('base', CALLS), [role('pro', longer)], [/^\/limits\/0 another role/]],
    [role('base'), [role('pro', CALLS), role('max', CALLS)], [/^\/limits other roles limit calls/]], [role('base', SMOOTH), [role('base', CALLS), role('pro', CALLS)], [/^\/limits other roles limit calls/]],
    [role('pro'), [role('base', CALLS)], []], [role('base', ...names(20)), [role('pro', ...names(5))], []], [role('base', ...names(21)), [role('pro', ...names(5))], [/^\/limits all roles together/]],
    [role('pro', CALLS), [role('base', CALLS, ...names(20))], [/^\/limits all roles together/]],
  ]
  for (const [plan, roles, wanted] of cases) {
    const found = said(plan, ...roles)
    t.equal(found.length, wanted.length, JSON.stringify([plan.name, found]))
    wanted.forEach((one, at) => t.match(found[at], one))
  }
})

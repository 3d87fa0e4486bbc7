// POST /keys/verify: the question an API asks about a key it was shown.
import t from 'tap'
import { expectJson, startApp, type TestApp } from '../support/app.js'

interface Verification {
  valid: boolean
  code: string
  limits?: { name: string; quota: number; remaining: number; resetSeconds: number }[]
  retryAfterSeconds?: number | null
}

async function scenario({ app, as }: TestApp) {
  const owner = await as.signUp()
  const verifier = await as.key(['gatehouse:keys.verify'])
  return {
    owner,
    verifier,
    issue: async (body: object) => {
      const response = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: await as.admin(), payload: { name: 'k', ownerUserId: owner.user.id, ...body } })
      return expectJson<{ id: string; key: string }>(response, 201)
    },
    verify: async (body: object) =>
      expectJson<Verification>(await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: body }), 200),
  }
}

t.test('POST /keys/verify', async (t) => {
  const house = await startApp(t)
  const { app, as, clock, database } = house
  const { owner, verifier, issue, verify } = await scenario(house)
  const five = [{ name: 'calls', quota: 5, windowSeconds: 60 }]

  t.test('200 valid describes the key, and nothing more', async (t) => {
    const expiresAt = new Date(clock.now() + 5_000).toISOString()
    const metadata = { plan: { seats: 3 }, 'a\nb': [null, 'ü'] }
    const { id, key } = await issue({ name: 'Reports', permissions: ['reports:*'], limits: five, metadata, expiresAt })
    t.same(await verify({ key, permissions: ['reports:read'] }), {
      valid: true, code: 'valid', keyId: id, name: 'Reports', owner: { type: 'user', id: owner.user.id }, permissions: ['reports:*'],
      metadata, expiresAt, limits: [{ name: 'calls', quota: 5, remaining: 4, resetSeconds: 60, guarantee: 'exact', earlyBy: 0 }],
    })
    const plain = await issue({})
    t.match(await verify({ key: plain.key }), { valid: true, expiresAt: null, limits: [], metadata: {}, permissions: [] })
  })

  t.test('200 five times valid, the sixth rate_limited, the window later valid again, then revoked', async (t) => {
    const { id, key } = await issue({ limits: five })
    for (const remaining of [4, 3, 2, 1, 0]) t.match(await verify({ key }), { valid: true, limits: [{ remaining }] })
    const sixth = await verify({ key })
    t.same(Object.keys(sixth).toSorted(), ['code', 'limits', 'retryAfterSeconds', 'valid'])
    t.match(sixth, { valid: false, code: 'rate_limited', limits: [{ name: 'calls', quota: 5, remaining: 0 }] })
    t.ok(sixth.retryAfterSeconds && sixth.retryAfterSeconds >= 60 && sixth.retryAfterSeconds <= 61)
    clock.advance(61_000)
    t.match(await verify({ key }), { valid: true, limits: [{ remaining: 4 }] })
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}`, headers: owner.headers })
    t.same(await verify({ key }), { valid: false, code: 'revoked' })
  })

  t.test('200 cost is charged to all limits or to none', async (t) => {
    const { key } = await issue({ limits: [...five, { name: 'day', quota: 100, windowSeconds: 86_400 }] })
    t.match(await verify({ key, cost: 3 }), { valid: true, limits: [{ remaining: 2 }, { remaining: 97 }] })
    t.match(await verify({ key, cost: 3 }), { valid: false, code: 'rate_limited', limits: [{ remaining: 2 }, { remaining: 97 }] })
    t.match(await verify({ key, cost: 2 }), { valid: true, limits: [{ remaining: 0 }, { remaining: 95 }] })
    t.match(await verify({ key, cost: 6 }), { code: 'rate_limited', retryAfterSeconds: null })
  })

  t.test('200 forbidden is charged nothing; every permission must be covered', async (t) => {
    const { key } = await issue({ permissions: ['a:read', 'b:*'], limits: five })
    t.same(await verify({ key, permissions: ['a:read', 'a:write'] }), { valid: false, code: 'forbidden' })
    t.match(await verify({ key, permissions: ['a:read', 'b:x.y'] }), { valid: true, limits: [{ remaining: 4 }] })
  })

  t.test('200 not_found, expired, owner_suspended', async (t) => {
    const { key } = await issue({})
    for (const unknown of ['x', `${key}x`, key.slice(0, -1), 'gk_0000000000000000000000000000004NlZnQ']) {
      t.same(await verify({ key: unknown }), { valid: false, code: 'not_found' })
    }
    const brief = await issue({ expiresAt: new Date(clock.now() + 1).toISOString() })
    clock.advance(1)
    t.same(await verify({ key: brief.key }), { valid: false, code: 'expired' })
    await database.prisma.user.update({ where: { id: owner.user.id }, data: { status: 'suspended' } })
    t.same(await verify({ key }), { valid: false, code: 'owner_suspended' })
    await database.prisma.user.update({ where: { id: owner.user.id }, data: { status: 'active' } })
    t.match(await verify({ key }), { valid: true })
  })

  t.test('200 a rotated key and its successor spend the same quota', async (t) => {
    const old = await issue({ limits: five })
    t.match(await verify({ key: old.key, cost: 3 }), { valid: true })
    const response = await app.inject({ method: 'POST', url: `/api/v1/keys/${old.id}/rotate`, headers: owner.headers, payload: { graceSeconds: 60 } })
    const next = expectJson<{ key: string }>(response, 201)
    t.match(await verify({ key: next.key }), { valid: true, limits: [{ remaining: 1 }] })
    t.match(await verify({ key: old.key }), { valid: true, limits: [{ remaining: 0 }] })
    t.match(await verify({ key: next.key }), { code: 'rate_limited' })
  })

  t.test('200 keys that are alike in everything are told apart, each time, and a change of one is its own', async (t) => {
    const plan = { name: 'Plan', permissions: ['reports:read'], metadata: { plan: 'pro' }, limits: [] }
    const [first, second] = [await issue(plan), await issue(plan)]
    for (let round = 0; round < 3; round += 1) {
      for (const { id, key } of [first, second]) t.match(await verify({ key }), { valid: true, keyId: id, name: 'Plan', limits: [] })
    }
    const stored = await app.inject({ url: `/api/v1/keys/${first.id}`, headers: owner.headers })
    const changed = await app.inject({
      method: 'PATCH', url: `/api/v1/keys/${first.id}`, headers: { ...owner.headers, 'if-match': String(stored.headers.etag) }, payload: { name: 'Renamed' },
    })
    t.equal(changed.statusCode, 200)
    await app.revocations.pollNow()
    for (let round = 0; round < 2; round += 1) {
      t.match(await verify({ key: first.key }), { keyId: first.id, name: 'Renamed', permissions: ['reports:read'] })
      t.match(await verify({ key: second.key }), { keyId: second.id, name: 'Plan', permissions: ['reports:read'] })
    }
    t.notOk('answer' in (await verify({ key: first.key })), 'what is kept for the answer is no part of it')
  })

  t.test('200 by a token of who holds the permission', async (t) => {
    const { key } = await issue({})
    const response = await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: await as.admin(), payload: { key } })
    t.match(expectJson(response, 200), { valid: true })
  })

  t.test('400 for an unreadable question', async (t) => {
    const wrong = [{}, { key: '' }, { key: 3 }, { cost: 0 }, { cost: '1' }, { cost: null }, { permissions: 'a:b' }, { more: 1 }, { key: 'x'.repeat(513) }]
    for (const fields of wrong) {
      const payload = Object.keys(fields).some((name) => name !== 'key') ? { key: 'x', ...fields } : fields
      const response = await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload })
      t.equal(expectJson<{ code: string }>(response, 400).code, 'request.invalid', JSON.stringify(payload).slice(0, 60))
    }
  })

  t.test('401 and 403 for who may not ask', async (t) => {
    const { key } = await issue({ limits: five })
    const ask = async (headers: Record<string, string>) => app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers, payload: { key } })
    t.equal(expectJson<{ code: string }>(await ask({}), 401).code, 'credentials.missing')
    t.equal(expectJson<{ code: string }>(await ask({ 'x-api-key': 'gk_x' }), 401).code, 'key.invalid')
    t.equal(expectJson<{ code: string }>(await ask(owner.headers), 403).code, 'access.denied')
    t.equal(expectJson<{ code: string }>(await ask(as.bearer(key)), 403).code, 'access.denied', 'not even about itself')
    t.match(await verify({ key }), { limits: [{ remaining: 4 }] }, 'and nothing was charged')
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'access.denied', targetId: '/api/v1/keys/verify' } }), 2)
  })

  t.same([...app.undeclaredErrors], [])
})

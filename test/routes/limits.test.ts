// /limits: namespaces and what is counted against them, limits that an owner's keys share, limits named in a request.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

interface Report {
  name: string
  remaining: number
  resetSeconds: number
}

interface Answer {
  allowed: boolean
  limits: Report[]
  retryAfterSeconds?: number | null
}

const MINUTE = { name: 'minute', quota: 3, windowSeconds: 60 }

t.test('/limits', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const admin = await as.admin()
  const checker = await as.key(['gatehouse:limits.check'])
  const send = async (method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, payload?: object, headers: Record<string, string> = admin) =>
    app.inject({ method, url: `/api/v1/limits${url}`, headers, ...(payload ? { payload } : {}) })
  const check = async (payload: object) => expectJson<Answer>(await send('POST', '/check', payload, checker.headers), 200)
  const code = (response: Awaited<ReturnType<typeof send>>, status: number) => expectJson<{ code: string }>(response, status).code
  const actions = async (targetId: string) => (await database.prisma.auditEvent.findMany({ where: { targetId }, orderBy: { id: 'asc' } })).map(({ action }) => action)

  t.test('PUT /limits/:namespace: 201, then 200 with If-Match; 428, 412, 400', async (t) => {
    const created = await send('PUT', '/sign-ups', { limits: [MINUTE] })
    const view = expectJson<{ id: string; version: number; limits: object[] }>(created, 201)
    t.match(view, { namespace: 'sign-ups', limits: [MINUTE], version: 1 })
    const etag = String(created.headers['etag'])
    t.equal(etag, `"${view.id}.1"`)
    t.equal(code(await send('PUT', '/sign-ups', { limits: [MINUTE] }), 428), 'precondition.required')
    t.equal(code(await send('PUT', '/other', { limits: [MINUTE] }, { ...admin, 'if-match': etag }), 412), 'precondition.failed')
    const changed = await send('PUT', '/sign-ups', { limits: [{ ...MINUTE, quota: 5 }] }, { ...admin, 'if-match': etag })
    t.match(expectJson(changed, 200), { version: 2, limits: [{ quota: 5 }] })
    t.equal(code(await send('PUT', '/sign-ups', { limits: [MINUTE] }, { ...admin, 'if-match': etag }), 412), 'precondition.failed')
    t.equal((await send('GET', '/sign-ups', undefined, { ...admin, 'if-none-match': String(changed.headers['etag']) })).statusCode, 304)
    t.same(await actions('sign-ups'), ['limits.created', 'limits.updated'])
    const wrong: object[] = [
      {}, { limits: [] }, { limits: [{ name: 'a', quota: 1 }] }, { limits: [MINUTE, MINUTE] }, { limits: [{ ...MINUTE, period: 'day' }] }, { limits: [{ ...MINUTE, burst: 3 }] },
      { limits: [{ name: 'a', quota: 1, algorithm: 'calendar' }] }, { limits: [{ ...MINUTE, algorithm: 'calendar', period: 'day' }] }, { limits: [{ ...MINUTE, quota: 0 }] },
      { limits: [{ ...MINUTE, more: 1 }] }, { limits: [{ ...MINUTE, name: 'owner:a' }] },
    ]
    for (const payload of wrong) t.equal(code(await send('PUT', '/wrong', payload), 400), 'request.invalid', JSON.stringify(payload))
    t.equal(code(await send('GET', '/wrong'), 404), 'namespace.not_found')
  })

  t.test('two PUTs of a new namespace: one creates it, the other is told that it exists', async (t) => {
    const answers = await Promise.all([1, 2, 3].map((quota) => send('PUT', '/raced', { limits: [{ ...MINUTE, quota }] })))
    t.same(answers.map(({ statusCode }) => String(statusCode)).toSorted(), ['201', '428', '428'])
    t.same(await actions('raced'), ['limits.created'])
  })

  t.test('GET /limits lists them by name; DELETE honours If-Match', async (t) => {
    const created = await send('PUT', '/a-first', { limits: [MINUTE] })
    t.same(expectJson<{ data: { namespace: string }[] }>(await send('GET', ''), 200).data.map(({ namespace }) => namespace), ['a-first', 'raced', 'sign-ups'])
    t.equal(code(await send('DELETE', '/a-first', undefined, { ...admin, 'if-match': '"x.1"' }), 412), 'precondition.failed')
    t.equal((await send('DELETE', '/a-first', undefined, { ...admin, 'if-match': String(created.headers['etag']) })).statusCode, 204)
    t.equal(code(await send('DELETE', '/a-first'), 404), 'namespace.not_found')
    t.equal(code(await send('POST', '/check', { namespace: 'a-first', identifier: 'x' }, checker.headers), 404), 'namespace.not_found')
    t.same(await actions('a-first'), ['limits.created', 'limits.deleted'])
  })

  t.test('POST /limits/check counts each identifier for itself, tells what is left, and refuses what is over', async (t) => {
    await send('PUT', '/calls', { limits: [MINUTE, { name: 'hour', quota: 100, windowSeconds: 3600 }] })
    const first = await send('POST', '/check', { namespace: 'calls', identifier: 'ada' }, checker.headers)
    t.same(first.json(), {
      allowed: true,
      limits: [
        { name: 'minute', quota: 3, remaining: 2, resetSeconds: 60, guarantee: 'exact', earlyBy: 0 },
        { name: 'hour', quota: 100, remaining: 99, resetSeconds: 3600, guarantee: 'exact', earlyBy: 0 },
      ],
    })
    t.equal(first.headers['ratelimit-policy'], '"minute";q=3;w=60, "hour";q=100;w=3600')
    t.equal(first.headers['ratelimit'], '"minute";r=2;t=60, "hour";r=99;t=3600')
    t.match(await check({ namespace: 'calls', identifier: 'ada', cost: 3 }), { allowed: false, retryAfterSeconds: 60, limits: [{ remaining: 2 }, { remaining: 99 }] })
    t.match(await check({ namespace: 'calls', identifier: 'ada', cost: 2 }), { allowed: true, limits: [{ remaining: 0 }, { remaining: 97 }] })
    t.match(await check({ namespace: 'calls', identifier: 'bob' }), { allowed: true, limits: [{ remaining: 2 }, { remaining: 99 }] })
    t.match(await check({ namespace: 'calls', identifier: 'ada', cost: 4 }), { allowed: false, retryAfterSeconds: null })
    clock.advance(60_000)
    t.match(await check({ namespace: 'calls', identifier: 'ada' }), { allowed: true, limits: [{ remaining: 2 }, { remaining: 96 }] })
  })

  t.test('a dry run says what would be answered, and charges nothing', async (t) => {
    await send('PUT', '/dry', { limits: [MINUTE, { name: 'day', quota: 4, algorithm: 'calendar', period: 'day' }] })
    const look = { namespace: 'dry', identifier: 'ada', dryRun: true }
    for (let n = 0; n < 3; n += 1) t.match(await check({ ...look, cost: 3 }), { allowed: true, limits: [{ remaining: 3 }, { remaining: 4 }] })
    t.match(await check({ ...look, cost: 4 }), { allowed: false, retryAfterSeconds: null })
    await check({ ...look, dryRun: false, cost: 2 })
    t.match(await check({ ...look, cost: 2 }), { allowed: false, limits: [{ remaining: 1 }, { remaining: 2 }] })
  })

  t.test('a changed namespace counts at once, and what was spent stays spent', async (t) => {
    const created = await send('PUT', '/grows', { limits: [MINUTE] })
    await check({ namespace: 'grows', identifier: 'ada', cost: 3 })
    await send('PUT', '/grows', { limits: [{ ...MINUTE, quota: 5 }] }, { ...admin, 'if-match': String(created.headers['etag']) })
    t.match(await check({ namespace: 'grows', identifier: 'ada' }), { allowed: true, limits: [{ quota: 5, remaining: 1 }] })
  })

  t.test('gcra smooths, calendar starts anew with its period, and survives whatever forgets', async (t) => {
    await send('PUT', '/smooth', { limits: [{ name: 'even', quota: 60, windowSeconds: 60, algorithm: 'gcra', burst: 2 }] })
    for (const remaining of [1, 0]) t.match(await check({ namespace: 'smooth', identifier: 'a' }), { allowed: true, limits: [{ remaining }] })
    t.match(await check({ namespace: 'smooth', identifier: 'a' }), { allowed: false, retryAfterSeconds: 1 })
    clock.advance(1_000)
    t.match(await check({ namespace: 'smooth', identifier: 'a' }), { allowed: true })

    await send('PUT', '/monthly', { limits: [{ name: 'month', quota: 2, algorithm: 'calendar', period: 'month' }] })
    for (const remaining of [1, 0]) t.match(await check({ namespace: 'monthly', identifier: 'a' }), { allowed: true, limits: [{ remaining, guarantee: 'exact' }] })
    const denied = await check({ namespace: 'monthly', identifier: 'a' })
    t.equal(denied.allowed, false)
    const month = Date.UTC(2031, 1, 1) - clock.now()
    t.equal(denied.retryAfterSeconds, Math.ceil(month / 1000))
    const [row] = await database.prisma.quotaCounter.findMany({ where: { key: { contains: ':month' } } })
    t.equal(Number(row?.used), 2)
  })

  t.test('403 for who may not', async (t) => {
    const { headers } = await as.signUp()
    for (const [method, url, payload] of [['GET', '', undefined], ['GET', '/calls', undefined], ['PUT', '/calls', { limits: [MINUTE] }], ['DELETE', '/calls', undefined], ['POST', '/check', { namespace: 'calls', identifier: 'a' }]] as const) {
      t.equal(code(await send(method, url, payload, headers), 403), 'access.denied', `${method} ${url}`)
    }
    t.equal(code(await send('PUT', '/calls', { limits: [MINUTE] }, checker.headers), 403), 'access.denied')
  })

  t.same([...app.undeclaredErrors], [])
})

t.test('limits of keys', async (t) => {
  const { app, as, database } = await startApp(t)
  const admin = await as.admin()
  const owner = await as.signUp()
  const verifier = await as.key(['gatehouse:keys.verify'])
  const overrider = await as.key(['gatehouse:keys.verify', 'gatehouse:limits.override'])
  const issue = async (limits: object[]) =>
    expectJson<{ id: string; key: string; limits: object[] }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ownerUserId: owner.user.id, limits } }), 201)
  const ask = async (payload: object, headers = verifier.headers) => app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers, payload })
  const verify = async (payload: object, headers = verifier.headers) => expectJson<Record<string, unknown>>(await ask(payload, headers), 200)
  const put = async (limits: object[], version: number | string, id = owner.user.id) => app.inject({
    method: 'PUT', url: `/api/v1/limits/owners/${id}`, headers: { ...admin, 'if-match': `"${id}.${version}"` }, payload: { limits },
  })

  t.test('each algorithm can stand on a key, and comes back as it was written', async (t) => {
    const limits = [
      { name: 'hard', quota: 5, windowSeconds: 60 },
      { name: 'even', quota: 50, windowSeconds: 60, algorithm: 'gcra', burst: 4 },
      { name: 'day', quota: 3, algorithm: 'calendar', period: 'day' },
    ]
    const issued = await issue(limits)
    t.same(issued.limits, limits)
    t.match(await verify({ key: issued.key, cost: 2 }), { valid: true, limits: [{ remaining: 3 }, { remaining: 2 }, { remaining: 1 }] })
    t.match(await verify({ key: issued.key, cost: 2 }), { valid: false, code: 'rate_limited', limits: [{ remaining: 3 }, { remaining: 2 }, { remaining: 1 }] })
    t.match(await verify({ key: issued.key, cost: 2, dryRun: true }), { valid: false, code: 'rate_limited' })
    t.match(await verify({ key: issued.key, dryRun: true }), { valid: true, limits: [{ remaining: 3 }, { remaining: 2 }, { remaining: 1 }] })
    t.match(await verify({ key: issued.key }), { valid: true, limits: [{ remaining: 2 }, { remaining: 1 }, { remaining: 0 }] })
  })

  t.test('400 for what makes no limit, naming the place', async (t) => {
    for (const limit of [{ name: 'a', quota: 1 }, { name: 'a', quota: 1, windowSeconds: 1, burst: 1 }, { name: 'a', quota: 1, algorithm: 'calendar' }]) {
      const response = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ownerUserId: owner.user.id, limits: [limit] } })
      t.match(expectJson(response, 400), { code: 'request.invalid', errors: [{ path: '/limits/0' }] })
    }
  })

  t.test('no arithmetic without end: refused at every entrance, denied where it is stored already, and the node goes on', async (t) => {
    for (const [quota, windowSeconds, cost] of [[1, 2_592_000, 999_999_999], [1, 2_591_999, 1_000_000_000], [3, 2_591_992, 999_999_937]] as const) {
      const endless = { name: 'g', algorithm: 'gcra', quota, windowSeconds, burst: 1_000_000_000 }
      const { key } = await issue([{ name: 'g', quota: 5, windowSeconds: 60 }])
      for (const [url, of, errors] of [['/api/v1/keys', { name: 'k', limits: [endless] }, [{ path: '/limits/0' }]], ['/api/v1/keys/verify', { key, cost, limits: [{ ...endless, name: 'new' }] }, []]] as const) {
        const refused = await app.inject({ method: 'POST', url, headers: url.endsWith('verify') ? overrider.headers : admin, payload: of })
        t.match(expectJson(refused, 400), { code: 'request.invalid', errors })
      }
      t.equal((await put([endless], 1)).statusCode, 400)
      t.equal((await app.inject({ method: 'PUT', url: '/api/v1/limits/endless', headers: admin, payload: { limits: [endless] } })).statusCode, 400)
      const stored = await issue([])
      await database.prisma.apiKey.update({ where: { id: stored.id }, data: { limits: [endless] } })
      t.match(await verify({ key: stored.key, cost }), { code: 'rate_limited', retryAfterSeconds: null })
      t.match(await verify({ key: stored.key }), { code: 'rate_limited', retryAfterSeconds: null })
    }
  })

  t.test('limits of an owner are shared by all of the owner\'s keys', async (t) => {
    const [a, b] = [await issue([{ name: 'calls', quota: 5, windowSeconds: 60 }]), await issue([])]
    t.match(expectJson(await app.inject({ url: `/api/v1/limits/owners/${owner.user.id}`, headers: admin }), 200), { limits: [], version: 1 })
    t.match(expectJson(await put([{ name: 'all', quota: 3, windowSeconds: 60 }], 1), 200), { version: 2, limits: [{ name: 'all' }] })
    t.equal((await put([], 1)).statusCode, 412)
    t.match(await verify({ key: a.key, cost: 2 }), { valid: true, limits: [{ name: 'calls', remaining: 3 }, { name: 'owner:all', remaining: 1 }] })
    t.match(await verify({ key: b.key, cost: 2 }), { code: 'rate_limited', limits: [{ name: 'owner:all', remaining: 1 }] })
    t.match(await verify({ key: b.key }), { valid: true, limits: [{ name: 'owner:all', remaining: 0 }] })
    t.match(await verify({ key: a.key }), { code: 'rate_limited', limits: [{ remaining: 3 }, { remaining: 0 }] })
    t.match(expectJson(await put([], 2), 200), { version: 3, limits: [] })
    t.match(await verify({ key: b.key }), { valid: true, limits: [] })
    t.equal(expectJson<{ code: string }>(await put([], 1, '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6fff'), 404).code, 'user.not_found')
    const audited = await database.prisma.auditEvent.count({ where: { action: 'limits.updated', targetId: owner.user.id } })
    t.equal(audited, 2)
  })

  t.test('an allowed caller lowers limits for one request by name, or adds one', async (t) => {
    const { key } = await issue([{ name: 'calls', quota: 5, windowSeconds: 60 }])
    t.match(await verify({ key, limits: [{ name: 'calls', quota: 2 }] }, overrider.headers), { valid: true, limits: [{ name: 'calls', quota: 2, remaining: 1 }] })
    t.match(await verify({ key, limits: [{ name: 'calls', cost: 3 }] }, overrider.headers), { valid: true, limits: [{ quota: 5, remaining: 1 }] })
    t.match(await verify({ key, limits: [{ name: 'calls', quota: 2 }] }, overrider.headers), { code: 'rate_limited', limits: [{ remaining: 0 }] })
    const added = { name: 'exports', quota: 1, windowSeconds: 60 }
    t.match(await verify({ key, limits: [added] }, overrider.headers), { valid: true, limits: [{ remaining: 0 }, { name: 'exports', remaining: 0 }] })
    t.match(await verify({ key, dryRun: true, limits: [added] }, overrider.headers), { code: 'rate_limited', limits: [{ remaining: 0 }, { name: 'exports', remaining: 0 }] })
    t.equal(expectJson<{ code: string }>(await ask({ key, limits: [{ name: 'nothing' }] }, overrider.headers), 400).code, 'request.invalid')
    t.match(await verify({ key, dryRun: true }), { code: 'rate_limited', limits: [{ quota: 5, remaining: 0 }] }, 'the key itself is as it was')
  })

  t.test('attempt 71: 403, audited, for what would raise a limit or leave it out, also in a batch, and nothing was charged', async (t) => {
    const { key } = await issue([{ name: 'calls', quota: 5, windowSeconds: 60 }])
    expectJson(await put([{ name: 'every', quota: 9, windowSeconds: 60 }], '3'), 200)
    const before = await database.prisma.auditEvent.count({ where: { action: 'access.denied', targetType: 'limits' } })
    const raises = [
      { name: 'calls', quota: 6 }, { name: 'calls', cost: 0 }, { name: 'calls', windowSeconds: 1 }, { name: 'calls', algorithm: 'gcra', burst: 9 }, { name: 'owner:every', cost: 0 }, { name: 'owner:every', quota: 10 },
    ]
    for (const raise of raises) {
      t.equal(expectJson<{ code: string }>(await ask({ key, limits: [raise] }, overrider.headers), 403).code, 'access.denied', JSON.stringify(raise))
      const requests = [{ key }, { key, limits: [{ name: 'calls', quota: 4 }] }, { key, limits: [raise] }]
      const batch = await app.inject({ method: 'POST', url: '/api/v1/keys/verify/batch', headers: overrider.headers, payload: { requests } })
      t.equal(expectJson<{ code: string }>(batch, 403).code, 'access.denied')
    }
    await app.audit.writeCounted(true)
    const rows = await database.prisma.auditEvent.findMany({ where: { action: 'access.denied', targetType: 'limits' } })
    t.equal(rows.length - before, 2, 'the first, and how many more there were')
    t.match(await verify({ key }), { valid: true, limits: [{ remaining: 4 }, { name: 'owner:every', remaining: 8 }] })
    expectJson(await put([], '4'), 200)
  })

  t.test('403, audited, for who may not change limits, also in a batch', async (t) => {
    const { key } = await issue([{ name: 'calls', quota: 5, windowSeconds: 60 }])
    const limits = [{ name: 'calls', quota: 1 }]
    const before = await database.prisma.auditEvent.count({ where: { action: 'access.denied', targetType: 'limits' } })
    t.equal(expectJson<{ code: string }>(await ask({ key, limits }), 403).code, 'access.denied')
    const batch = await app.inject({ method: 'POST', url: '/api/v1/keys/verify/batch', headers: verifier.headers, payload: { requests: [{ key }, { key, limits }] } })
    t.equal(expectJson<{ code: string }>(batch, 403).code, 'access.denied')
    await app.audit.writeCounted(true)
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'access.denied', targetType: 'limits' } }) - before, 2)
    t.match(await verify({ key }), { limits: [{ remaining: 4 }] }, 'and nothing was charged')
  })

  t.same([...app.undeclaredErrors], [])
})

t.test('a calendar quota outlives the process: a second app on the same database goes on where the first stopped', async (t) => {
  const { app, as, database, clock } = await startApp(t)
  const headers = await as.admin()
  const limits = [{ name: 'month', quota: 10, algorithm: 'calendar', period: 'month' }]
  const { key } = expectJson<{ key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name: 'k', limits } }), 201)
  const verifier = await as.key(['gatehouse:keys.verify'])
  const spend = async (on: typeof app) => expectJson<{ limits: Report[] }>(await on.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: { key } }), 200)
  const used = async () => (await database.pool.query<{ used: number }>('SELECT used::int AS used FROM quota_counters')).rows.map((row) => row.used)
  for (let n = 0; n < 4; n += 1) await spend(app)
  t.ok((await used()).every((one) => one > 4), 'some is set aside')
  await app.close()
  t.same(await used(), [4], 'what was spent, and no more')
  const second = await startApp(t, { database, clock })
  t.match(await spend(second.app), { limits: [{ remaining: 5 }] }, 'what the first had set aside and not spent came back')
})

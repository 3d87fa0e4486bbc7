// POST /keys/verify/batch: the same answers as one by one, in order.
import t from 'tap'
import { NO_REDIS } from '../support/redis.js'
import { expectJson, startApp } from '../support/app.js'

interface Answer {
  valid: boolean
  code: string
  keyId?: string
  limits?: { remaining: number }[]
}

t.test('/keys/verify/batch', async (t) => {
  const { app, as, database } = await startApp(t)
  const admin = await as.admin()
  const post = (requests: unknown, headers: Record<string, string> = admin) =>
    app.inject({ method: 'POST', url: '/api/v1/keys/verify/batch', headers, payload: { requests } })
  const batch = async (requests: unknown[]): Promise<Answer[]> => expectJson<{ data: Answer[] }>(await post(requests), 200).data
  const issue = async (payload: object): Promise<{ id: string; key: string }> =>
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ...payload } }), 201)

  t.test('200 answers in order, limits charged in order', async (t) => {
    const limited = await issue({ limits: [{ name: 'calls', quota: 3, windowSeconds: 60 }] })
    const reader = await issue({ permissions: ['reports:read'] })
    const unknown = `${reader.key.slice(0, -1)}${reader.key.endsWith('0') ? '1' : '0'}`
    const requests = [
      { key: limited.key, cost: 2 }, { key: reader.key, permissions: ['reports:read'] }, { key: limited.key, cost: 2 }, { key: unknown },
      { key: reader.key, permissions: ['reports:write'] }, { key: limited.key },
    ]
    const answers = await batch(requests)
    t.same(answers.map(({ code }) => code), ['valid', 'valid', 'rate_limited', 'not_found', 'forbidden', 'valid'])
    t.same([answers[0]?.keyId, answers[1]?.keyId, answers[0]?.limits?.[0]?.remaining, answers[5]?.limits?.[0]?.remaining], [limited.id, reader.id, 1, 0])
    await database.pool.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [reader.id])
    await app.revocations.pollNow()
    t.same((await batch([{ key: reader.key }, { key: reader.key }])).map(({ code }) => code), ['revoked', 'revoked'])
  })

  t.test('200 a thousand questions, what is not in memory read at once', async (t) => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => issue({})))
    const before = app.decisionCache.misses()
    const answers = await batch(Array.from({ length: 1_000 }, (_, at) => ({ key: keys[at % 20]?.key, permissions: [] })))
    t.same(answers.map(({ keyId }) => keyId), Array.from({ length: 1_000 }, (_, at) => keys[at % 20]?.id))
    t.ok(app.decisionCache.misses() - before <= 1_000)
    t.equal((await batch([{ key: keys[0]?.key }])).length, 1)
    t.ok((await database.pool.query('SELECT 1')).rows.length === 1)
  })

  t.test('400 none, too many, or a question that is none; 403 without the permission', async (t) => {
    const { key, headers } = await as.key(['a:b'])
    const answer = { key }
    for (const requests of [[], Array.from({ length: 1_001 }, () => answer), [answer, {}], [{ key: 1 }], [{ key, more: 1 }], undefined]) {
      t.match((await post(requests)).json(), { status: 400, code: 'request.invalid' })
    }
    t.equal((await post([answer], headers)).statusCode, 403)
    t.equal((await post([answer], {})).statusCode, 401)
  })
})

t.test('on Redis, too, questions about one counter are answered in their order, whatever others wait for', { skip: NO_REDIS }, async (t) => {
  const { app, as } = await startApp(t, { redis: true })
  const admin = await as.admin()
  const keys: string[] = []
  for (let n = 0; n < 10; n += 1) {
    const made = await app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', limits: [{ name: 'calls', quota: 3, windowSeconds: 600 }] } })
    keys.push(expectJson<{ key: string }>(made, 201).key)
  }
  // 2, 2 and 1 of 3: the second is refused, and so the third fits
  const requests = [2, 2, 1].flatMap((cost) => keys.map((key) => ({ key, cost })))
  const answers = expectJson<{ data: Answer[] }>(await app.inject({ method: 'POST', url: '/api/v1/keys/verify/batch', headers: admin, payload: { requests } }), 200).data
  t.same(answers.map(({ code }) => code), ['valid', 'rate_limited', 'valid'].flatMap((code) => keys.map(() => code)))
  t.same(answers.slice(20).map(({ limits }) => limits?.[0]?.remaining), keys.map(() => 0))
})

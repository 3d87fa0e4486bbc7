// GET /usage and /usage/export: who may read whose usage, what is counted, and rows in any number.
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { expectJson, startApp } from '../support/app.js'

interface Counts {
  allowed: number
  revoked: number
  expired: number
  ownerSuspended: number
  forbidden: number
  rateLimited: number
  cost: number
}
interface Series {
  granularity: string
  from: string
  to: string
  data: (Counts & { at: string })[]
  total: Counts
}
type Row = Counts & { at: string; keyId: string; ownerUserId: string }

const NONE: Counts = { allowed: 0, revoked: 0, expired: 0, ownerSuspended: 0, forbidden: 0, rateLimited: 0, cost: 0 }
const HEADER = 'at,keyId,ownerUserId,allowed,revoked,expired,ownerSuspended,forbidden,rateLimited,cost'

t.test('usage of keys', async (t) => {
  const house = await startApp(t, { config: { accessTokenSeconds: 86_400 } })
  const { app, as, clock, database } = house
  const [owner, stranger] = [await as.signUp(), await as.signUp()]
  const reader = await as.key(['gatehouse:usage.read'])
  const verifier = await as.key(['gatehouse:keys.verify'])
  const issue = async (who: { user: { id: string } }, body: object) =>
    expectJson<{ id: string; key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers: await as.admin(), payload: { name: 'k', ownerUserId: who.user.id, ...body } }), 201)
  const verify = async (body: object) =>
    expectJson<{ code: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: body }), 200).code
  const ask = async (query: string, headers: { authorization: string }) => app.inject({ url: `/api/v1/usage${query}`, headers })
  const usage = async (query: string, headers = reader.headers): Promise<Series> => expectJson<Series>(await ask(query, headers), 200)
  const rows = async (query: string, headers = reader.headers): Promise<Row[]> => {
    const answer = await ask(`/export${query}`, headers)
    if (answer.statusCode !== 200) throw new Error(answer.body)
    return answer.body.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Row)
  }
  const codeOf = async (query: string, headers: { authorization: string }): Promise<string> => {
    const answer = await ask(query, headers)
    return `${answer.statusCode} ${answer.json<{ code: string }>().code}`
  }

  const busy = await issue(owner, { permissions: ['a:read'], limits: [{ name: 'calls', quota: 10, windowSeconds: 3_600 }], expiresAt: new Date(clock.now() + 7_200_000).toISOString() })
  const quiet = await issue(owner, {})
  const other = await issue(stranger, {})

  t.test('every answered question about a known key is counted, and its cost when it was allowed', async (t) => {
    t.equal(await verify({ key: busy.key, cost: 6 }), 'valid')
    t.equal(await verify({ key: busy.key }), 'valid')
    t.equal(await verify({ key: busy.key, cost: 6 }), 'rate_limited')
    t.equal(await verify({ key: busy.key, permissions: ['a:write'] }), 'forbidden')
    t.equal(await verify({ key: other.key }), 'valid')
    t.equal(await verify({ key: `${busy.key}x` }), 'not_found')
    t.equal(app.usageLedger.drift(), 5, 'what is no key of ours is nobody\'s usage')
    t.match((await app.inside.inject('/metrics')).body, /\ngatehouse_usage_drift 5\n/)
    await app.usageLedger.flush()
    t.match((await app.inside.inject('/metrics')).body, /\ngatehouse_usage_drift 0\n/)
    t.match((await app.inside.inject('/metrics')).body, /\ngatehouse_usage_decisions_total\{outcome="allowed"\} 3\n/)
    const counted = { ...NONE, allowed: 2, rateLimited: 1, forbidden: 1, cost: 7 }
    const at = new Date(clock.now()).toISOString()
    t.same(await usage(`?keyId=${busy.id}`, owner.headers), {
      granularity: 'hour', from: new Date(clock.now() - 23 * 3_600_000).toISOString(), to: new Date(clock.now() + 3_600_000).toISOString(),
      data: [{ at, ...counted }], total: counted,
    })
    t.same((await usage(`?keyId=${quiet.id}`)).data, [])

    clock.advance(3_600_000)
    t.equal(await verify({ key: busy.key, cost: 2 }), 'valid')
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${busy.id}`, headers: owner.headers })
    t.equal(await verify({ key: busy.key }), 'revoked')
    const brief = await issue(stranger, { expiresAt: new Date(clock.now() + 1).toISOString() })
    clock.advance(1)
    t.equal(await verify({ key: brief.key }), 'expired')
    await database.prisma.user.update({ where: { id: stranger.user.id }, data: { status: 'suspended' } })
    t.equal(await verify({ key: other.key }), 'owner_suspended')
    await database.prisma.user.update({ where: { id: stranger.user.id }, data: { status: 'active' } })
    await app.usageLedger.flush()
    t.same((await usage(`?keyId=${busy.id}&granularity=minute&from=${at}`)).data, [
      { at, ...counted }, { at: new Date(Date.parse(at) + 3_600_000).toISOString(), ...NONE, allowed: 1, revoked: 1, cost: 2 },
    ])
    t.match(await usage(`?ownerId=${stranger.user.id}`), { total: { allowed: 1, expired: 1, ownerSuspended: 1 } })
    t.equal(app.usageLedger.drift(), 0)
  })

  t.test('200 the same before and after the minutes are folded', async (t) => {
    const before = [await usage('?granularity=day'), await usage('?granularity=hour'), await rows('?granularity=minute')]
    clock.advance(65_000)
    t.ok((await app.usage.fold()) > 0)
    t.same([await usage('?granularity=day'), await usage('?granularity=hour'), await rows('?granularity=minute')], before)
    t.equal(await app.usage.fold(), 0)
  })

  t.test('200 one\'s own keys; with gatehouse:usage.read everybody\'s', async (t) => {
    t.same(new Set((await rows('', owner.headers)).map(({ keyId }) => keyId)), new Set([busy.id]))
    t.same((await usage('', owner.headers)).total, (await usage(`?ownerId=${owner.user.id}`)).total)
    t.same((await usage(`?ownerId=${owner.user.id}`, owner.headers)).total, (await usage('', owner.headers)).total)
    t.equal((await usage('')).total.allowed, (await usage('', owner.headers)).total.allowed + (await usage('', stranger.headers)).total.allowed)
    t.equal((await usage('', await as.admin())).total.allowed, 4)
    t.same((await usage(`?keyId=${newId()}`)).data, [])
    for (const path of ['', '/export']) {
      t.equal(await codeOf(`${path}?keyId=${other.id}`, owner.headers), '404 key.not_found', 'another\'s key looks like none')
      t.equal(await codeOf(`${path}?keyId=${newId()}`, owner.headers), '404 key.not_found')
      t.equal(await codeOf(`${path}?ownerId=${stranger.user.id}`, owner.headers), '403 access.denied')
      t.equal(await codeOf(path, verifier.headers), '403 access.denied', 'a key needs the permission')
      t.equal((await app.inject(`/api/v1/usage${path}`)).statusCode, 401)
    }
  })

  t.test('an export of what is others\' leaves an audit row; of one\'s own it does not', async (t) => {
    const count = () => database.prisma.auditEvent.count({ where: { action: 'usage.exported' } })
    const before = await count()
    await ask('/export', owner.headers)
    t.equal(await count(), before)
    await ask('/export', reader.headers)
    t.equal(await count(), before + 1)
  })

  t.test('200 an export is NDJSON or CSV, by format or Accept', async (t) => {
    const exported = async (query: string, accept?: string) => app.inject({ url: `/api/v1/usage/export${query}`, headers: { ...reader.headers, ...(accept ? { accept } : {}) } })
    const ndjson = await exported('?granularity=hour')
    t.match(ndjson.headers, { 'content-type': 'application/x-ndjson; charset=utf-8', 'content-disposition': 'attachment; filename="usage-hour.ndjson"', 'cache-control': 'no-store' })
    for (const answer of [await exported('', 'text/csv'), await exported('?format=csv', 'application/json')]) {
      t.match(answer.headers, { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': 'attachment; filename="usage-hour.csv"' })
      const [header, ...lines] = answer.body.split('\r\n')
      t.equal(header, HEADER)
      t.equal(lines.pop(), '')
      t.same(lines, ndjson.body.trim().split('\n').map((line) => Object.values(JSON.parse(line) as Row).join(',')))
    }
    t.equal((await exported('', 'application/json')).statusCode, 406)
    t.equal((await exported(`?keyId=${quiet.id}`)).body, '')
    t.equal((await app.inject({ method: 'HEAD', url: '/api/v1/usage/export', headers: reader.headers })).statusCode, 405)
  })

  t.test('400 for a question it does not know, or too long an answer', async (t) => {
    const wrong = [
      '?granularity=second', '?keyId=x', '?ownerId=', '?from=yesterday', '?from=2031-01-01', '?more=1', '?to=2000-01-01T00:00:00Z&from=2031-01-01T00:00:00Z',
      '?from=2030-12-31T23:59:60Z', '?from=0000-01-01T00:00:00Z',
    ]
    for (const query of wrong) for (const path of ['', '/export']) t.equal(await codeOf(`${path}${query}`, reader.headers), '400 request.invalid', path + query)
    t.equal(await codeOf('?granularity=minute&from=2030-12-01T00:00:00Z', reader.headers), '400 request.invalid')
    t.equal(await codeOf('/export?format=xml', reader.headers), '400 request.invalid')
  })

  t.test('what was kept long enough goes, the fine before the coarse', async (t) => {
    const left = async (): Promise<number[]> => Promise.all(['minute', 'hour', 'day'].map(async (granularity) => (await rows(`?granularity=${granularity}`)).length))
    const [minutes = 0, hours = 0, days = 0] = await left()
    t.ok(minutes > 0 && hours > 0 && days > 0)
    t.equal(await app.usage.prune(), 0)
    clock.advance(8 * 86_400_000)
    await app.usage.prune()
    t.same(await left(), [0, hours, days])
    clock.advance(90 * 86_400_000)
    await app.usage.prune()
    t.same(await left(), [0, 0, days])
    clock.advance(1_096 * 86_400_000)
    await app.usage.prune()
    t.same(await left(), [0, 0, 0])
  })

  t.test('500, not an empty file, when the first page cannot be read', async (t) => {
    await database.pool.query('ALTER TABLE usage_counts RENAME TO usage_counts_away')
    t.equal((await ask('/export', reader.headers)).statusCode, 500)
    await database.pool.query('ALTER TABLE usage_counts_away RENAME TO usage_counts')
  })

  t.same([...app.undeclaredErrors], [])
})

t.test('200,000 rows are streamed, page by page, each once', async (t) => {
  const { app, as, database } = await startApp(t)
  const { headers } = await as.key(['gatehouse:usage.read'])
  await database.pool.query(`
    INSERT INTO usage_counts SELECT 'minute', gen_random_uuid(), '2030-06-01'::timestamptz + (n / 200) * interval '1 minute', gen_random_uuid(), n, 0, 0, 0, 0, 0, n
    FROM generate_series(1, 200000) AS n`)
  let pages = 0
  const query = database.pool.query.bind(database.pool)
  database.pool.query = ((...given: [{ name?: string }]) => {
    if (given[0].name?.startsWith('usage-page')) pages += 1
    return (query as (...args: unknown[]) => unknown)(...given)
  }) as typeof database.pool.query
  const open = async (): Promise<Readable> => {
    const answer = await app.inject({ url: '/api/v1/usage/export?granularity=minute', headers, payloadAsStream: true })
    if (answer.statusCode !== 200) throw new Error(answer.body)
    return answer.stream()
  }
  let lines = 0
  let sum = 0
  for await (const line of createInterface({ input: await open() })) {
    lines += 1
    sum += (JSON.parse(line) as Row).cost
  }
  t.same([lines, sum], [200_000, 200_000 * 200_001 / 2])
  t.equal(pages, 201, 'the last one is empty')

  t.test('a reader who goes away stops the reading', async (t) => {
    pages = 0
    const body = await open()
    body.destroy()
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
    const seen = pages
    await database.pool.query('SELECT pg_sleep(0.05)')
    t.ok(pages <= seen + 1 && pages < 50, `${pages} pages`)
  })
})

// Events under fire: what committed is told once by each reader's place, in order, whatever commits late, dies, lags or loses Redis; what did not commit never is.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { REFUSALS } from '../../src/audit/refusal-folds.js'
import { KEEPING_STREAMS, NUMBERING } from '../../src/events/index.js'
import { newId } from '../../src/kernel/ids.js'
import { expectJson, startApp, type TestApp } from '../support/app.js'
import { readEvents } from '../support/event-stream.js'
import { failStatements } from '../support/failing-statements.js'
import { eventually, privateRedis } from '../support/redis.js'

const skip = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'

interface List {
  data: { id: string; type: string; subject: { id: string } }[]
  next: string
  more: boolean
}

const READ = ['gatehouse:events.read', 'gatehouse:keys.read']

/** All that is told after a place. */
async function rest({ app }: TestApp, headers: Record<string, string>, after = '0'): Promise<List['data']> {
  const data: List['data'] = []
  for (let place = after; ;) {
    const page = expectJson<List>(await app.inject({ url: `/api/v1/events/list?types=key.*&limit=200&after=${place}`, headers }), 200)
    data.push(...page.data)
    if (!page.more) return data
    place = page.next
  }
}

const insert = (subject: string, type = 'key.revoked') => ({
  text: `INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
    VALUES ($1, now(), 'host', '', 'host', $2, 'key', $3, '', '', '{}')`,
  values: [newId(), type, subject],
})

t.test('events of two nodes without Redis', async (t) => {
  const first = await startApp(t)
  const { app, as, clock, database } = first
  const second = await startApp(t, { database, clock })
  const { headers } = await as.key(READ)
  const admin = await as.admin()
  const issue = (node = app) => node.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k' } })
  const both = (): Promise<unknown> => Promise.all([app.jobs.run(NUMBERING), second.app.jobs.run(NUMBERING)])
  const here = async (): Promise<string> => expectJson<List>(await app.inject({ url: '/api/v1/events/list?types=key.*&limit=200', headers }), 200).next

  t.test('what commits late is told late, and not left out', async (t) => {
    const place = await here()
    const [slow, quick] = [await database.pool.connect(), await database.pool.connect()]
    await slow.query('BEGIN')
    await quick.query('BEGIN')
    await slow.query(insert('slow'))
    await quick.query(insert('quick'))
    await quick.query('COMMIT')
    await both()
    const told = expectJson<List>(await app.inject({ url: `/api/v1/events/list?types=key.*&after=${place}`, headers }), 200)
    t.same(told.data.map(({ subject }) => subject.id), ['quick'])
    await slow.query('COMMIT')
    await both()
    t.same((await rest(first, headers, told.next)).map(({ subject }) => subject.id), ['slow'], 'by whoever read on in between')
    t.same((await rest(second, headers, place)).map(({ subject }) => subject.id), ['quick', 'slow'], 'in one order for all')
    slow.release()
    quick.release()
  })

  t.test('what is rolled back is never told', async (t) => {
    const place = await here()
    await t.rejects(database.transact(async (tx) => {
      await app.audit.record(tx, { principal: null, address: '', userAgent: '', requestId: '' }, { action: 'key.revoked', targetType: 'key', targetId: 'never' })
      throw new Error('no')
    }))
    await both()
    t.same(await rest(first, headers, place), [])
  })

  t.test('numbers have no gap, and each event has one, though two nodes give them', async (t) => {
    await Promise.all(Array.from({ length: 40 }, async (_, n) => {
      await database.pool.query(insert(`n${n}`))
      await both()
    }))
    await both()
    const rows = await database.prisma.event.findMany({ orderBy: { position: 'asc' } })
    t.same(rows.map(({ position }) => Number(position)), rows.map((_, index) => index + 1))
    t.equal(new Set(rows.map(({ id }) => id)).size, rows.length)
    t.equal(await database.prisma.eventOutbox.count(), 0)
    t.equal(rows.length, await database.prisma.auditEvent.count({ where: { action: { notIn: [...REFUSALS, 'impersonation.request'] } } }))
  })

  t.test('the changes of one key are told in their order', async (t) => {
    const place = await here()
    const { id } = expectJson<{ id: string }>(await issue(), 201)
    await Promise.all(Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? app : second.app).inject({
      method: 'PATCH', url: `/api/v1/keys/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { name: `n${n}` },
    })))
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}`, headers: admin })
    const told = (await rest(second, headers, place)).map(({ type }) => type)
    t.equal(told[0], 'key.issued')
    t.equal(told.at(-1), 'key.revoked')
  })

  t.test('a reader that goes from node to node misses nothing and hears nothing twice', async (t) => {
    let reader = await readEvents(app, '?types=key.issued', headers)
    const heard: string[] = []
    const issued: string[] = []
    for (let round = 0; round < 6; round += 1) {
      const answers = await Promise.all(Array.from({ length: 4 }, (_, n) => issue(n % 2 === 0 ? app : second.app)))
      issued.push(...answers.map((answer) => answer.json<{ id: string }>().id))
      await reader.until(({ told }) => told.length > 0)
      heard.push(...reader.told.map(({ data }) => data.subject.id))
      reader.close()
      reader = await readEvents(round % 2 === 0 ? second.app : app, '?types=key.issued', { ...headers, 'last-event-id': reader.place() })
    }
    await reader.until(({ told }) => heard.length + told.length === issued.length)
    heard.push(...reader.told.map(({ data }) => data.subject.id))
    t.same(heard.toSorted(), issued.toSorted())
    reader.close()
  })

  t.test('a change and its event are one, whichever statement fails, before or after it is done', async (t) => {
    const failing = failStatements(database.pool)
    const place = await here()
    let tried = 0
    for (const after of [false, true]) {
      for (let n = 1; n < 20 && (await failing.during(n, after, issue)); n += 1) tried += 1
    }
    t.ok(tried >= 8, `${tried} places`)
    for (const after of [false, true]) for (let n = 1; n < 6 && (await failing.during(n, after, app.eventFeed.look)); n += 1) tried += 1
    await both()
    const told = (await rest(first, headers, place)).filter(({ type }) => type === 'key.issued').map(({ subject }) => subject.id)
    const kept = await database.prisma.apiKey.findMany({ where: { name: 'k', id: { in: told } } })
    const audited = await database.prisma.auditEvent.findMany({ where: { action: 'key.issued' } })
    const all = (await rest(first, headers)).filter(({ type }) => type === 'key.issued').map(({ subject }) => subject.id)
    t.equal(kept.length, told.length, 'no phantom')
    t.same(all.toSorted(), audited.map(({ targetId }) => targetId).toSorted(), 'no loss')
    t.equal(await database.prisma.apiKey.count(), all.length)
  })

  t.test('a reader that does not read is cut off, and goes on where it was', async (t) => {
    const place = await here()
    const reader = await readEvents(app, `?types=key.*&after=${place}`, headers)
    reader.pause()
    // more than the buffers of two sockets hold
    await database.pool.query(`
      INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
      SELECT gen_random_uuid(), now(), 'host', '', 'host', 'key.revoked', 'key', n::text, '', '', jsonb_build_object('ownerUserId', repeat('x', 4000)) FROM generate_series(1, 4000) n`)
    for (let times = 0; times < 4; times += 1) await both()
    await eventually(async () => {
      clock.advance(10_000)
      await app.jobs.run(KEEPING_STREAMS)
      return /^gatehouse_event_streams 0$/m.test(await app.telemetry.text())
    }, 5_000)
    reader.resume()
    await reader.ended
    const heard = new Set(reader.told.map(({ data }) => data.subject.id))
    t.ok(heard.size < 4_000, `${heard.size} were told`)
    const again = await readEvents(second.app, '?types=key.*', { ...headers, 'last-event-id': reader.place() })
    await again.until(({ told }) => told.length >= 4_000 - heard.size)
    t.equal(again.told.length, 4_000 - heard.size)
    t.ok(again.told.every(({ data }) => !heard.has(data.subject.id)))
    again.close()
  })
})

t.test('Redis is stopped and started: nothing is lost, and all stays in order', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const first = await startApp(t, { redis: redis.url })
  const { app, as, clock, database } = first
  const second = await startApp(t, { database, clock, redis: redis.url })
  const { headers } = await as.key(READ)
  const reader = await readEvents(second.app, '?types=key.*', headers)
  const count = { sent: 0 }
  const change = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) await database.pool.query(insert(String((count.sent += 1))))
    await reader.until(({ told }) => told.length === count.sent)
  }
  await change(5)
  await redis.kill()
  await change(5)
  await redis.start()
  await change(5)
  redis.pause()
  await change(5)
  redis.resume()
  await change(5)
  t.same(reader.told.map(({ data }) => data.subject.id), Array.from({ length: 25 }, (_, n) => String(n + 1)))
  reader.close()
  t.ok(app)
})

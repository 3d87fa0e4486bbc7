// Imports and exports under fire: killed anywhere, an import leaves whole batches and goes on behind them; two at once do not do it twice; whoever leaves or stalls frees all.
import { once } from 'node:events'
import { get, request as ask, type IncomingMessage } from 'node:http'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { portOf } from '../support/event-stream.js'
import { failStatements } from '../support/failing-statements.js'
import { eventually } from '../support/redis.js'

interface Last {
  done: boolean
  rows: number
  created: number
  failed: number
  resumedAfter: number
  code?: string
}

t.test('bulk work', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const second = await startApp(t, { database, clock })
  const { prisma } = database
  const port = await portOf(app)
  const { headers } = await as.key(['gatehouse:users.write', 'gatehouse:users.read'])
  const lineOf = (email: string): string => `${JSON.stringify({ email })}\n`
  const addresses = (name: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${name}-${at}@example.com`)
  const send = async (emails: readonly string[], key: string, node = app): Promise<Last> => {
    const answer = await node.inject({ method: 'POST', url: '/api/v1/users/import', headers: { ...headers, 'content-type': 'application/x-ndjson', 'idempotency-key': key }, payload: emails.map(lineOf).join('') })
    return JSON.parse(answer.body.trim().split('\n').at(-1) ?? '') as Last
  }
  const opened = (name: string) => prisma.user.count({ where: { email: { startsWith: `${name}-` } } })
  const written = (name: string) => prisma.$queryRaw<{ count: bigint }[]>`SELECT count(*) FROM audit_events a JOIN users u ON u.id::text = a.target_id WHERE a.action = 'user.created' AND u.email LIKE ${`${name}-%`}`.then(([row]) => Number(row?.count))

  t.test('whichever statement fails, before or after it is done: no half batch, and the same request goes on', async (t) => {
    const failing = failStatements(database.pool)
    let tried = 0
    // a small one at every statement, and one of two batches at some
    for (const [count, step, after] of [[3, 1, false], [3, 1, true], [503, 5, false], [503, 7, true]] as const) {
      for (let n = 1; n <= 24; n += step) {
        const name = `f${count}${after ? 'a' : 'b'}${n}`
        const emails = addresses(name, count)
        const end = failing.next(n, after, /BEGIN|COMMIT|INSERT INTO|bulk_imports|authority_hold|roles/)
        const first = await send(emails, name)
        if (!end()) break
        tried += 1
        const left = await opened(name)
        t.ok([0, 500, count].includes(left), `${left} accounts`)
        t.equal(await written(name), left, 'each with its audit row')
        const again = await send(emails, name)
        t.match(again, { done: true, rows: count, created: count, failed: 0 }, `${n} ${JSON.stringify(first)}`)
        t.equal(await opened(name), count)
      }
    }
    t.ok(tried > 10, `${tried} places`)
  })

  t.test('of two that go on at once, each row is done by one', async (t) => {
    const emails = addresses('two', 1_100)
    const answers = await Promise.all([send(emails, 'two'), send(emails, 'two', second.app)])
    t.equal(await opened('two'), 1_100)
    t.ok(answers.some(({ done }) => done), JSON.stringify(answers))
    t.match(await send(emails, 'two'), { done: true, rows: 1_100, created: 1_100, failed: 0 })
    t.equal(await written('two'), 1_100)
  })

  t.test('whoever leaves in the middle leaves whole batches behind, and nothing running', async (t) => {
    const request = ask({ host: '127.0.0.1', port, method: 'POST', path: '/api/v1/users/import', headers: { ...headers, 'content-type': 'application/x-ndjson', 'idempotency-key': 'left' } })
    request.on('error', () => undefined)
    const emails = addresses('left', 1_200)
    request.write(emails.slice(0, 1_100).map(lineOf).join(''))
    await eventually(async () => (await opened('left')) === 1_000, 5_000)
    request.destroy()
    await eventually(() => app.server.getConnections !== undefined && app.database.pool.idleCount === app.database.pool.totalCount, 3_000)
    t.equal(await opened('left'), 1_000)
    t.match(await send(emails, 'left'), { done: true, rows: 1_200, created: 1_200, resumedAfter: 1_000 })
  })

  t.test('a revoked key brings no more than the batch that was under way', async (t) => {
    const key = await as.key(['gatehouse:users.write'])
    const request = ask({ host: '127.0.0.1', port, method: 'POST', path: '/api/v1/users/import', headers: { ...key.headers, 'content-type': 'application/x-ndjson' } })
    const emails = addresses('revoked', 1_500)
    request.write(emails.slice(0, 500).map(lineOf).join(''))
    await eventually(async () => (await opened('revoked')) === 500, 5_000)
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${key.id}`, headers: await as.admin() })
    const answering = once(request, 'response') as Promise<[IncomingMessage]>
    request.end(emails.slice(500).map(lineOf).join(''))
    const [response] = await answering
    let body = ''
    for await (const chunk of response) body += String(chunk)
    t.match(JSON.parse(body.trim().split('\n').at(-1) ?? ''), { done: false, code: 'access.denied', created: 500 })
    t.equal(await opened('revoked'), 500)
  })

  t.test('an export holds no connection while its reader stalls, and ends when it leaves', async (t) => {
    const request = get({ host: '127.0.0.1', port, path: '/api/v1/users/export', headers })
    request.on('error', () => undefined)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.pause()
    await eventually(() => database.pool.idleCount === database.pool.totalCount, 3_000)
    request.destroy()
    expectJson(await app.inject({ url: '/api/v1/users?limit=1', headers }), 200)
    const whole = await app.inject({ url: '/api/v1/users/export', headers })
    t.equal(whole.body.trim().split('\n').length, await prisma.user.count())
  })
})

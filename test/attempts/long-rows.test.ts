// An import holds no more of long rows than of short ones: what is behind a megabyte is written, while the rest has not come yet.
import { once } from 'node:events'
import { request } from 'node:http'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { portOf } from '../support/event-stream.js'
import { eventually } from '../support/redis.js'

const ROWS = 60
const PAD = ' '.repeat(60_000)

t.test('rows as long as may be', async (t) => {
  const { app, as, database } = await startApp(t)
  const { prisma } = database
  const { headers } = await as.key(['gatehouse:users.write', 'gatehouse:keys.write', 'reports:read'])
  const port = await portOf(app)
  const { id: owner } = expectJson<{ id: string }>(await app.inject({ method: 'POST', url: '/api/v1/users', headers: await as.admin(), payload: { email: 'owner@example.com' } }), 201)
  const hash = (n: number): string => n.toString(16).padStart(64, 'a')
  const kinds: { path: string; type: string; head: string; row: (n: number) => string; count: () => Promise<number> }[] = [
    { path: '/users/import', type: 'application/x-ndjson', head: '', row: (n) => `{"email":"long${n}@example.com",${PAD}"name":"a"}\n`, count: () => prisma.user.count({ where: { email: { startsWith: 'long' } } }) },
    { path: '/users/import', type: 'text/csv', head: 'email,roles\n', row: (n) => `wide${n}@example.com,"${PAD}"\n`, count: () => prisma.user.count({ where: { email: { startsWith: 'wide' } } }) },
    { path: '/keys/import', type: 'application/x-ndjson', head: '', row: (n) => `{"name":"long","ownerUserId":"${owner}",${PAD}"hash":"${hash(n)}","start":"acme_4fQz"}\n`, count: () => prisma.apiKey.count({ where: { name: 'long' } }) },
  ]
  for (const { path, type, head, row, count } of kinds) {
    t.test(`${path}, ${type}`, async (t) => {
      const sending = request({ host: '127.0.0.1', port, method: 'POST', path: `/api/v1${path}`, headers: { ...headers, 'content-type': type, 'idempotency-key': type.replace('/', '.') }, agent: false })
      const answered = once(sending, 'response')
      sending.write(head + Array.from({ length: ROWS }, (_, n) => row(n)).join(''))
      await eventually(async () => (await count()) >= ROWS - 2 * 18, 8_000)
      t.ok((await count()) < ROWS, 'the rest waits for more')
      sending.end(row(ROWS))
      const [response] = (await answered) as [AsyncIterable<Buffer>]
      let text = ''
      for await (const chunk of response) text += String(chunk)
      t.match(JSON.parse(text.trim().split('\n').at(-1) ?? ''), { done: true, rows: ROWS + 1, created: ROWS + 1 })
      // under its key the same goes on where it was, though batches end elsewhere
      const again = await app.inject({ method: 'POST', url: `/api/v1${path}`, headers: { ...headers, 'content-type': type, 'idempotency-key': type.replace('/', '.') }, payload: head + Array.from({ length: ROWS + 2 }, (_, n) => row(n)).join('') })
      t.match(JSON.parse(again.body.trim().split('\n').at(-1) ?? ''), { done: true, rows: ROWS + 2, resumedAfter: ROWS + 1 })
    })
  }
})

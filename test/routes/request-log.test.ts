// LOG_REQUESTS: which requests have a line in the log, what it says, and that nothing secret is in it.
import t from 'tap'
import type { FastifyRequest, InjectOptions } from 'fastify'
import { buildApp } from '../../src/app.js'
import { createRequestLog } from '../../plugins/http/request-log.js'
import type { Config } from '../../src/config.js'
import { PASSWORD, SECRET, testConfig } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase } from '../support/database.js'

interface Line {
  level: number
  msg: string
  status?: number
  count?: number
  [name: string]: unknown
}

t.test('a line says who asked which route and what came of it, and no secret', async (t) => {
  const lines: string[] = []
  const database = await createTestDatabase(t)
  const config = testConfig({ logRequests: 'all', logLevel: 'info' })
  const app = await buildApp({ config, database, secret: SECRET, clock: fakeClock(), logger: { hooks: { streamWrite: (line) => { lines.push(line); return '' } } } })
  t.teardown(() => app.close())
  const last = (): Line => JSON.parse(lines.at(-1) ?? '{}') as Line
  const ask = async (request: InjectOptions) => {
    const response = await app.inject(request)
    await new Promise((resolve) => { setImmediate(resolve) })
    return response
  }
  const admin = (await ask({ method: 'POST', url: '/api/v1/setup', payload: { token: app.setup.token(), email: 'admin@example.com', password: PASSWORD } })).json<{ user: { id: string }; accessToken: string }>()
  t.match(last(), { msg: 'request', method: 'POST', route: '/api/v1/setup', status: 201 })
  t.notOk('principalId' in last(), 'nobody had signed in')
  const authorization = `Bearer ${admin.accessToken}`
  await ask({ url: '/api/v1/users?filter=hunter2', headers: { authorization, cookie: 'a=hunter2', 'x-secret': 'hunter2' } })
  t.match(last(), { level: 30, msg: 'request', method: 'GET', route: '/api/v1/users', principalId: admin.user.id, requestId: /^\S+-\w+$/, elapsedMs: Number })
  t.same(Object.keys(last()).toSorted(), ['elapsedMs', 'hostname', 'level', 'method', 'msg', 'pid', 'principalId', 'requestId', 'route', 'status', 'time'])
  const issued = (await ask({ method: 'POST', url: '/api/v1/keys', headers: { authorization }, payload: { name: 'k', permissions: ['gatehouse:users.read'] } })).json<{ id: string; key: string }>()
  const seen = await ask({ url: `/api/v1/users/${admin.user.id}`, headers: { authorization: `Bearer ${issued.key}` } })
  t.match(last(), { route: '/api/v1/users/:id', status: seen.statusCode, principalId: admin.user.id, keyId: issued.id })
  const missing = await ask({ url: '/hunter2?hunter2=hunter2', headers: { authorization: 'Bearer hunter2' } })
  t.match(last(), { route: 'none', status: 404, requestId: missing.json<{ requestId: string }>().requestId })
  for (const secret of ['hunter2', PASSWORD, issued.key, admin.accessToken, app.setup.token()]) t.notOk(lines.join('').includes(secret))
})

function logged(mode: Config['logRequests']) {
  const clock = fakeClock()
  const lines: { fields: Line; message: string }[] = []
  const note = (fields: object, message: string): void => void lines.push({ fields: fields as Line, message })
  const listener = createRequestLog(mode, { clock, log: { info: note, warn: note } })
  const request = { id: 'r-1', method: 'GET', principal: null, declared: { url: '/x' } } as unknown as FastifyRequest
  return { clock, lines, listener, answer: (status: number) => listener?.(request, status, 1.26) }
}

t.test('errors tells answers of 400 and above, all each of them, none nothing', async (t) => {
  for (const [mode, statuses] of [['errors', [400, 404, 429, 500]], ['all', [200, 204, 304, 399, 400, 404, 429, 500]]] as const) {
    const { answer, lines } = logged(mode)
    for (const status of [200, 204, 304, 399, 400, 404, 429, 500]) answer(status)
    t.same(lines.map(({ fields }) => fields.status), statuses)
    t.match(lines.at(-1), { message: 'request', fields: { requestId: 'r-1', method: 'GET', route: '/x', status: 500, elapsedMs: 1.3 } })
  }
  t.equal(logged('none').listener, null)
})

t.test('a flood of refusals has 50 lines a second and one with the rest; a fault is told all the same', async (t) => {
  const { answer, lines, clock } = logged('errors')
  for (let sent = 0; sent < 1_000; sent += 1) answer(401)
  t.equal(lines.length, 50)
  answer(503)
  t.equal(lines.length, 51)
  clock.advance(1_000)
  answer(404)
  t.same(lines.slice(51).map(({ fields, message }) => [message, fields.count ?? fields.status]), [['refused requests that have no line', 950], ['request', 404]])
  clock.advance(1_000)
  answer(404)
  t.equal(lines.length, 54, 'the rest is told once')
})

// Having events told once more fills nothing: of an endpoint that takes nothing no more messages wait than may, by whatever they are put there and by how many at once.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

const MOST = 100

t.test('replaying single events without end', async (t) => {
  const { app, as, database } = await startApp(t, { config: { outboundAllow: ['127.0.0.0/8'] } })
  const { headers } = await as.key(['gatehouse:webhooks.write', 'gatehouse:webhooks.read', 'gatehouse:events.read', 'gatehouse:keys.read'])
  const call = (method: 'GET' | 'POST' | 'PATCH', path: string, payload?: object) =>
    app.inject({ method, url: `/api/v1/webhooks${path}`, headers: { ...headers, ...(method === 'PATCH' ? { 'if-match': '*' } : {}) }, ...(payload ? { payload } : {}) })
  const endpoint = async (): Promise<string> => {
    const { id } = expectJson<{ id: string }>(await call('POST', '', { url: 'http://127.0.0.1:9999/', types: ['key.*'] }), 201)
    // nobody takes what waits
    expectJson(await call('PATCH', `/${id}`, { enabled: false }), 200)
    return id
  }
  await app.database.transact(async (tx) => {
    for (let n = 0; n < MOST + 60; n += 1) await app.audit.record(tx, { principal: null, address: '', userAgent: '', requestId: '', host: true }, { action: 'key.issued', targetType: 'key', targetId: `n${n}` }) // oxlint-disable-line no-await-in-loop
  })
  await app.eventFeed.look()
  const events = (await database.prisma.event.findMany({ where: { type: 'key.issued', subjectId: { startsWith: 'n' } } })).map(({ id }) => id)
  t.equal(events.length, MOST + 60)
  const replay = async (id: string, eventId: string): Promise<string> => {
    const answer = await call('POST', `/${id}/replay`, { what: 'event', eventId })
    return answer.statusCode === 204 ? '204' : `${answer.statusCode} ${answer.json<{ code: string }>().code}`
  }
  const waiting = (id: string): Promise<number> => database.prisma.webhookDelivery.count({ where: { endpointId: id, deadAt: null } })

  t.test('one after the other', async (t) => {
    const id = await endpoint()
    const answers: string[] = []
    for (const event of events) answers.push(await replay(id, event)) // oxlint-disable-line no-await-in-loop
    t.equal(await waiting(id), MOST)
    t.same([answers.indexOf('409 webhook.full'), new Set(answers.slice(MOST)).size], [MOST, 1])
    t.equal(await replay(id, events[0] ?? ''), '204', 'one that waits is told at once, and waits no twice')
    t.equal(await waiting(id), MOST)
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'webhook.replayed', targetId: id } }), MOST + 1, 'what is refused is not said to have been done')
  })

  t.test('many at once', async (t) => {
    const id = await endpoint()
    const answers = await Promise.all(events.map((event) => replay(id, event)))
    t.equal(answers.filter((one) => one === '204').length, MOST)
    t.equal(await waiting(id), MOST)
  })
})

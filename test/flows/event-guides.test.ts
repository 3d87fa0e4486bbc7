// The examples of docs/guides that hear of events, as they stand there, against the real program: a consumer of the stream and a receiver of webhooks.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import { fastify, type FastifyPluginAsync } from 'fastify'
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { DELIVERING } from '../../src/webhooks/index.js'
import { expectJson, startApp } from '../support/app.js'
import { portOf } from '../support/event-stream.js'
import { eventually } from '../support/redis.js'
import { ROOT } from '../support/sources.js'

const example = async <T>(name: string): Promise<T> => (await import(join(ROOT, 'docs/guides/examples', name))) as T

interface Heard {
  id: string
  type: string
  subject: { id: string }
}
interface Consumer {
  consumeEvents: (options: {
    url: string; key: string; types: string; handle: (event: Heard) => Promise<void>; place: { read: () => Promise<string>; write: (id: string) => Promise<void> }; signal: AbortSignal; waitMs: number
  }) => Promise<void>
}

const CALLER = { principal: null, address: '', userAgent: '', requestId: '', host: true } as const

t.test('guides about events', async (t) => {
  const { app, as, clock } = await startApp(t, { config: { outboundAllow: ['127.0.0.0/8'] } })
  const url = `http://127.0.0.1:${await portOf(app)}`
  const { headers } = await as.adminUser()
  const change = async (action = 'key.revoked'): Promise<string> => {
    const targetId = newId()
    await app.database.transact((tx) => app.audit.record(tx, CALLER, { action, targetType: 'key', targetId }))
    return targetId
  }

  t.test('event-consumer.js hears of what it asked for, misses nothing in between, and says why it is not let in any more', async (t) => {
    const { consumeEvents } = await example<Consumer>('event-consumer.js')
    const { id, key } = await as.key(['gatehouse:events.read', 'gatehouse:keys.read'])
    const heard: string[] = []
    let place = ''
    const begin = () => {
      const stop = new AbortController()
      const ended = consumeEvents({
        url, key, types: 'key.revoked', signal: stop.signal, waitMs: 20,
        handle: async (event) => void heard.push(event.subject.id),
        place: { read: async () => place, write: async (at) => { place = at } },
      })
      return { ended, stop: () => stop.abort() }
    }
    const first = begin()
    await eventually(() => place !== '', 3_000)
    const changed = [await change(), await change()]
    await change('key.issued')
    await eventually(() => heard.length === 2, 3_000)
    first.stop()
    await first.ended
    changed.push(await change())
    const second = begin()
    await eventually(() => heard.length === 3, 3_000)
    t.same(heard, changed)
    await app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}`, headers })
    t.equal(await second.ended.then(() => 'none', (error: unknown) => (error as { problem: { code: string } }).problem.code), 'key.invalid')
  })

  t.test('webhook-receiver.js takes what is signed, each event once, and nothing else', async (t) => {
    const { webhookReceiver } = await example<{ webhookReceiver: FastifyPluginAsync<object> }>('webhook-receiver.js')
    const handled: string[] = []
    let repeated = 0
    clock.advance(5_000)
    const since = new Date(clock.now()).toISOString()
    const seen = new Set<string>()
    let secret = ''
    let isBroken = false
    const receiver = fastify()
    t.teardown(() => receiver.close())
    const options = {
      get secret() { return secret },
      async once(id: string, work: () => Promise<void>) {
        if (seen.has(id)) repeated += 1
        else await work()
        seen.add(id)
      },
      async handle(event: Heard) {
        if (isBroken) throw new Error('out of order')
        handled.push(event.subject.id)
      },
      now: () => clock.now(),
    }
    const at = new URL(await (async () => {
      const made = expectJson<{ id: string; secret: string }>(await app.inject({ method: 'POST', url: '/api/v1/webhooks', headers, payload: { url: 'http://127.0.0.1:9999/gatehouse', types: ['key.*'] } }), 201)
      secret = made.secret
      await receiver.register(webhookReceiver, options)
      const address = await receiver.listen({ host: '127.0.0.1', port: 0 })
      await app.inject({ method: 'PATCH', url: `/api/v1/webhooks/${made.id}`, headers: { ...headers, 'if-match': '*' }, payload: { url: `${address}/gatehouse` } })
      return `${address}/gatehouse#${made.id}`
    })())
    const webhook = at.hash.slice(1)
    const post = (path: string, payload: object = {}) => app.inject({ method: 'POST', url: `/api/v1/webhooks/${webhook}${path}`, headers, payload })
    t.match(expectJson(await post('/test'), 200), { delivered: true })
    t.same(handled, [], 'a test tells of nothing')
    const changed = [await change(), await change()]
    await eventually(() => handled.length === 2, 3_000)
    t.same(handled.toSorted(), changed.toSorted())
    t.equal((await post('/replay', { what: 'since', since })).statusCode, 204)
    await eventually(() => repeated === 2, 3_000)
    t.equal(handled.length, 2, 'once')
    const forged = await receiver.inject({ method: 'POST', url: '/gatehouse', headers: { 'webhook-id': 'x', 'webhook-timestamp': String(Math.floor(clock.now() / 1000)), 'webhook-signature': 'v1,AAAA' }, payload: { type: 'key.revoked' } })
    t.equal(forged.statusCode, 401)
    isBroken = true
    changed.push(await change())
    const failures = async () => expectJson<{ data: unknown[] }>(await app.inject({ url: `/api/v1/webhooks/${webhook}/failures`, headers }), 200).data.length
    await eventually(async () => (await failures()) === 1, 3_000)
    isBroken = false
    await eventually(async () => {
      clock.advance(500)
      await app.jobs.run(DELIVERING)
      return handled.length === 3
    }, 3_000)
    t.same(handled.toSorted(), changed.toSorted(), 'what it could not take comes again')
  })

  t.test('webhook-receiver-express.js does the same in Express', async (t) => {
    const { webhookRouter } = await example<{ webhookRouter: (options: object) => RequestHandler }>('webhook-receiver-express.js')
    const made = expectJson<{ id: string; secret: string }>(await app.inject({ method: 'POST', url: '/api/v1/webhooks', headers, payload: { url: 'http://127.0.0.1:9999/gatehouse', types: ['key.*'] } }), 201)
    const handled: string[] = []
    let isBroken = true
    const router = webhookRouter({
      secret: made.secret, now: () => clock.now(), once: async (_id: string, work: () => Promise<void>) => work(),
      async handle(event: Heard) {
        if (isBroken) throw new Error('out of order')
        handled.push(event.subject.id)
      },
    })
    const answersFailures: ErrorRequestHandler = (_error, _request, response, _next) => void response.sendStatus(500)
    const receiver = express().use(router).use(answersFailures).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    t.teardown(() => void receiver.close())
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/gatehouse`
    await app.inject({ method: 'PATCH', url: `/api/v1/webhooks/${made.id}`, headers: { ...headers, 'if-match': '*' }, payload: { url } })
    t.match(expectJson(await app.inject({ method: 'POST', url: `/api/v1/webhooks/${made.id}/test`, headers, payload: {} }), 200), { delivered: true })
    const changed = await change()
    await eventually(async () => expectJson<{ data: unknown[] }>(await app.inject({ url: `/api/v1/webhooks/${made.id}/failures`, headers }), 200).data.length === 1, 3_000)
    t.same(handled, [])
    isBroken = false
    await eventually(async () => {
      clock.advance(500)
      await app.jobs.run(DELIVERING)
      return handled.length > 0
    }, 3_000)
    t.same(handled, [changed], 'what it could not take comes again')
    const forged = { 'content-type': 'application/json', 'webhook-id': 'x', 'webhook-timestamp': String(Math.floor(clock.now() / 1000)), 'webhook-signature': 'v1,AAAA' }
    t.equal((await fetch(url, { method: 'POST', headers: forged, body: '{"type":"key.revoked"}' })).status, 401)
    t.equal((await fetch(url, { method: 'POST', headers: { ...forged, 'content-type': 'text/plain' }, body: 'x' })).status, 401)
  })
})

// A REDIS_URL that does not work: what is wrong is told in one phrase, where the node starts and in /readyz, and never with a secret.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createSharedStore } from '../../src/limits/assemble.js'
import { failureReason } from '../../src/shared-store/failure-reason.js'
import type { SharedStore } from '../../src/shared-store/shared-store.js'
import { expectJson, startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { eventually, NO_REDIS, privateRedis } from '../support/redis.js'

async function open(t: Test, redisUrl: string, said: unknown[] = []): Promise<SharedStore> {
  const note = (details: object, message: string): void => void said.push(details, message)
  const store = await createSharedStore({ redisUrl, liveNodes: () => 1, clock: fakeClock(), log: { info: note, warn: note } })
  t.teardown(() => store.close())
  return store
}

/** A port where whoever connects is met by `server`. */
async function listening(t: Test, server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('what is wrong is named, and heals by itself where it can', { skip: NO_REDIS }, async (t) => {
  const server = await privateRedis(t)
  const { port } = new URL(server.url)
  const admin = new Redis(server.url)
  t.teardown(() => admin.disconnect())
  const silent = await listening(t, createServer((socket) => void socket.resume()))
  const closing = await listening(t, createServer((socket) => void socket.destroy()))
  const tls = await listening(t, createTlsServer({}).on('tlsClientError', () => undefined))
  const foreign = await listening(t, createServer((socket) => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))))

  const table: [string, RegExp][] = [
    [`redis://127.0.0.1:${port}/99`, /^has no database of that number$/], [`redis://127.0.0.1:${port}?db=99`, /^has no database of that number$/],
    [`redis://somebody:hunter2@127.0.0.1:${port}`, /^the user or the password is wrong$/],
    [`rediss://:hunter2@127.0.0.1:${port}`, /redis:\/\/ instead of rediss:\/\//], [`rediss://127.0.0.1:${closing}`, /redis:\/\/ instead of rediss:\/\/|breaks the connection off/],
    [`redis://:hunter2@127.0.0.1:${tls}`, /rediss:\/\/ instead of redis:\/\/|breaks the connection off/], [`redis://127.0.0.1:${foreign}`, /does not speak its protocol|closes the connection/],
    [`redis://127.0.0.1:${closing}`, /closes the connection|breaks the connection off/], [`redis://:hunter2@127.0.0.1:${silent}`, /^does not answer$/],
    ['redis://:hunter2@redis.invalid', /^its host is not known$/], ['redis://:hunter2@127.0.0.1:1', /^refuses the connection$/],
  ]
  for (const [url, reason] of table) {
    const said: unknown[] = []
    const store = await open(t, url, said)
    t.equal(store.state(), 'degraded', url)
    await eventually(() => reason.test(store.reason() ?? ''), 15_000)
    t.notMatch(JSON.stringify(said), /hunter2/, 'no secret is logged')
    await store.close()
  }
  t.same(await admin.keys('*'), [], 'a database that is not there is not replaced by number 0')

  await admin.config('SET', 'requirepass', 'hunter2')
  const without = await open(t, server.url)
  await eventually(() => without.reason() === 'wants a password', 15_000)
  const wrong = await open(t, `redis://:hunter3@127.0.0.1:${port}`)
  await eventually(() => wrong.reason() === 'the user or the password is wrong', 15_000)
  await admin.config('SET', 'requirepass', 'hunter3')
  await eventually(() => wrong.state() === 'up', 10_000)
  t.equal(wrong.reason(), null, 'mended')
})

t.test('/readyz says why it is degraded, and still is 200', { skip: NO_REDIS }, async (t) => {
  const server = await privateRedis(t)
  const { app } = await startApp(t, { redis: `${server.url}/99` })
  await eventually(() => app.sharedStore.reason() === 'has no database of that number', 15_000)
  t.match(expectJson(await app.inject('/readyz'), 200), { status: 'degraded', checks: { redis: 'degraded' }, reasons: { redis: 'has no database of that number' } })
})

t.test('a phrase for each kind of trouble, and no word of the server', async (t) => {
  const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code })
  const table: [unknown, RegExp][] = [
    [new Error("ERR unknown command `AUTH`, with args beginning with: `hunter2`"), /^lacks a command/], [new Error('ERR invalid password'), /^the user or the password/],
    [coded('DEPTH_ZERO_SELF_SIGNED_CERT'), /^its certificate is not trusted$/], [coded('CERT_HAS_EXPIRED'), /expired/], [coded('ERR_TLS_CERT_ALTNAME_INVALID', 'Host: hunter2'), /another name/],
    [new AggregateError([coded('ECONNREFUSED'), coded('ENOTFOUND')]), /^refuses/], [new Error('-OOM command not allowed hunter2'), /^has no memory left$/], [new Error('ODD hunter2'), /^ODD$/],
    [new Error('hunter2'), /^does not answer$/], [null, /^does not answer$/], ['hunter2', /^does not answer$/], [new Error('READONLY You can'), /read-only replica/],
    [new Error('TRYAGAIN Multiple keys'), /moves the slot/], [new Error('ASK 1 hunter2:1'), /moves the slot/],
  ]
  for (const [error, reason] of table) {
    t.match(failureReason(error), reason)
    t.notMatch(failureReason(error), /hunter2/)
  }
})

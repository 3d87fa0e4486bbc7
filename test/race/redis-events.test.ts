// Redis stopped, started, hung and emptied under event streams and webhooks of two nodes: what was committed is told in its order, under one id, to who
// stays and to who comes again; nothing is left out, and nothing is there twice under two ids.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { NUMBERING } from '../../src/events/index.js'
import { DELIVERING } from '../../src/webhooks/index.js'
import { expectJson, startApp } from '../support/app.js'
import { readEvents, type Told } from '../support/event-stream.js'
import { eventually, privateRedis } from '../support/redis.js'
import { type Received, startReceiver } from '../support/webhook-receiver.js'

const skip = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'
const SUBJECTS = ['first', 'second', 'third']
const LONG_MS = 20_000

/** A change as it is told, by whichever way: its number is what it was written with. */
interface Heard { id: string; subject: string; number: number }

t.test('events and webhooks of two nodes while Redis goes and comes', { skip }, async (t) => {
  const redis = await privateRedis(t)
  const config = { outboundAllow: ['127.0.0.0/8'] }
  const { app, as, clock, database } = await startApp(t, { redis: redis.url, config })
  const { app: other } = await startApp(t, { redis: redis.url, config, database, clock })
  const nodes = [app, other]
  const receiver = await startReceiver(t)
  const { headers } = await as.key(['gatehouse:events.read', 'gatehouse:keys.read', 'gatehouse:webhooks.write'])
  for (const path of ['/takes', '/refuses']) {
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/webhooks', headers, payload: { url: receiver.url(path), types: ['key.*'] } }), 201)
  }
  // each third message is refused at first, and is taken when it comes again
  const refused = new Set<string>()
  let asked = 0
  receiver.answer('/refuses', ({ id }) => {
    asked += 1
    if (refused.has(id) || asked % 3 > 0) return 204
    refused.add(id)
    return 503
  })

  const written: { subject: string; number: number }[] = []
  /** Changes of three subjects in turn, each by another node than the one before. */
  async function change(times: number): Promise<void> {
    for (let n = 0; n < times; n += 1) {
      const number = written.length
      const subject = SUBJECTS[number % SUBJECTS.length] ?? ''
      const node = number % 2 === 0 ? app : other
      // oxlint-disable-next-line no-await-in-loop
      await node.database.transact((tx) => node.audit.record(tx, { principal: null, address: '', userAgent: '', requestId: `r${number}`, host: true }, { action: 'key.updated', targetType: 'key', targetId: subject }))
      written.push({ subject, number })
    }
  }

  const ofStream = ({ data }: Told): Heard => ({ id: data.id, subject: data.subject.id, number: Number((data as unknown as { requestId: string }).requestId.slice(1)) })
  const ofHook = ({ id, message: { data } }: Received): Heard => ({ id, subject: data.subject.id, number: Number((data as unknown as { requestId: string }).requestId.slice(1)) })
  const hooks = (path: string): Heard[] => receiver.taken.filter((one) => one.path === path).map(ofHook)
  const isTold = (heard: readonly Heard[]): boolean => new Set(heard.map(({ number }) => number)).size === written.length

  const staying = await Promise.all(nodes.map((node) => readEvents(node, '?types=key.updated', headers)))
  let coming = await readEvents(app, '?types=key.updated', headers)
  const came: Heard[] = []
  let turns = 0
  /** Leaves in the middle of what is told, and goes on at the other node from the place that was told last. */
  async function comeAgain(): Promise<void> {
    coming.close()
    await coming.ended
    came.push(...coming.told.map(ofStream))
    coming = await readEvents(nodes[(turns += 1) % 2] ?? app, '?types=key.updated', { ...headers, 'last-event-id': coming.place() })
  }

  /** Changes, readers that go on and readers that come again, and deliveries that are refused, until all has been told. */
  async function phase(name: string): Promise<void> {
    await change(7)
    await coming.until(({ told }) => told.length > 0)
    await comeAgain()
    await change(5)
    await comeAgain()
    await eventually(() => isTold([...came, ...coming.told.map(ofStream)]), LONG_MS)
    for (const reader of staying) await reader.until(({ told }) => told.length >= written.length) // oxlint-disable-line no-await-in-loop
    await eventually(async () => {
      // what was refused is due again after a few seconds
      clock.advance(2_000)
      await Promise.all(nodes.flatMap((node) => [node.jobs.run(NUMBERING), node.jobs.run(DELIVERING)]))
      return isTold(hooks('/takes')) && isTold(hooks('/refuses'))
    }, LONG_MS).catch((error: unknown) => { throw new Error(`${name}: ${hooks('/takes').length} and ${hooks('/refuses').length} of ${written.length} delivered`, { cause: error }) })
  }
  const all = (state: string) => eventually(() => nodes.every((node) => (node.sharedStore.state() === 'up') === (state === 'up')), LONG_MS)

  await all('up')
  await phase('with Redis')
  await redis.kill()
  await change(3)
  await all('lost')
  await phase('without Redis')
  await change(4)
  await redis.start()
  await change(4)
  await all('up')
  await phase('with Redis again, which knows nothing')
  redis.pause()
  await change(3)
  await all('lost')
  await phase('while Redis hangs')
  redis.resume()
  await all('up')
  await redis.command('FLUSHALL')
  await phase('when it has forgotten everything')

  const { rows } = await database.pool.query<{ id: string; requestId: string }>('SELECT id, request_id AS "requestId" FROM events WHERE type = \'key.updated\' ORDER BY position')
  t.same(rows.map(({ requestId }) => requestId), written.map(({ number }) => `r${number}`), 'each change is one event, in the order of the changes')
  const expected: Heard[] = rows.map(({ id }, n) => ({ id, subject: written[n]?.subject ?? '', number: written[n]?.number ?? -1 }))

  for (const [n, reader] of staying.entries()) t.same(reader.told.map(ofStream), expected, `who stays at node ${n} hears each once, in order`)
  came.push(...coming.told.map(ofStream))
  t.same(came, expected, `who went ${turns} times from node to node, too`)

  const known = new Map(expected.map((one) => [one.number, one]))
  for (const path of ['/takes', '/refuses']) {
    const heard = hooks(path)
    t.equal(new Set(heard.map(({ number }) => number)).size, expected.length, `${path}: each is delivered`)
    t.same(heard.filter((one) => known.get(one.number)?.id !== one.id || known.get(one.number)?.subject !== one.subject), [], `${path}: under the id of its event, however often`)
  }
  t.ok(refused.size > 10, `${refused.size} were refused at first`)
  const first = new Map(hooks('/takes').toReversed().map((one) => [one.number, one]))
  const inOrder = [...new Set(hooks('/takes').map(({ number }) => number))].flatMap((number) => first.get(number) ?? [])
  for (const subject of SUBJECTS) {
    t.same(inOrder.filter((one) => one.subject === subject).map(({ number }) => number), expected.filter((one) => one.subject === subject).map(({ number }) => number), `the changes of ${subject} are delivered in their order where all are taken`)
  }
  for (const reader of [...staying, coming]) reader.close()
})

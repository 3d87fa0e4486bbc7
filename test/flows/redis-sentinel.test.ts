// Redis behind sentinels: a master is killed while limits are charged, and the nodes go on with its replica by themselves, within every limit.
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { createSharedStore } from '../../src/limits/assemble.js'
import { systemClock } from '../../src/kernel/clock.js'
import type { SharedStore } from '../../src/shared-store/shared-store.js'
import { admittedByAll, chargeAll, charges } from '../support/charging.js'
import { eventually, HELD_UP_MS } from '../support/redis.js'
import { watchedRedis } from '../support/redis-group.js'

const missing = spawnSync('redis-server', ['--version']).status === 0 ? false : 'no redis-server installed'
const skip = process.env['CI'] === 'true' ? false : missing
const RECOVERY_MS = 20_000
const PASSWORD = 'hunter2'

async function open(t: Test, redisUrl: string, said: unknown[]): Promise<SharedStore> {
  const note = (...words: unknown[]): void => void said.push(...words)
  const store = await createSharedStore({ redisUrl, liveNodes: () => 2, clock: systemClock, log: { info: note, warn: note } })
  t.teardown(() => store.close())
  return store
}

const areUp = (nodes: SharedStore[]) => eventually(() => nodes.every((node) => node.state() === 'up'), RECOVERY_MS)

t.test('failover under load: degraded and back by itself, within the limit, and the bus works', { skip }, async (t) => {
  const { url, master, replica } = await watchedRedis(t, PASSWORD)
  const said: unknown[] = []
  const [one, other] = await Promise.all([open(t, url, said), open(t, url, said)])
  const nodes = [one, other]
  await areUp(nodes)
  const heard: string[] = []
  await one.bus.subscribe('ended', (message) => heard.push(message))

  const quota = 400
  const work = chargeAll(nodes, charges('a', quota))
  await eventually(() => work.counted.admitted > 40, 5_000)
  await master.kill()
  await eventually(() => nodes.every((node) => node.state() === 'degraded'), 5_000)
  await eventually(() => /^[a-z][^\n]+$/.test(one.reason() ?? ''), 2_000) // and says why
  const tookMs = await areUp(nodes)
  t.comment(`up again after ${Math.round(tookMs)} ms`)
  t.match(await replica.command('ROLE'), ['master'])

  // what the replica had counts twice, so that it ends early
  await work.rests()
  await work.stop()
  t.ok(work.counted.admitted <= quota, `${work.counted.admitted} of ${quota}`)
  t.ok(work.counted.slowestMs < 1_000, `no answer waited for more than a moment: ${Math.round(work.counted.slowestMs)} ms`)

  const fresh = await admittedByAll(nodes, charges('fresh', 10), 10)
  t.equal(fresh, 10, 'what is counted anew is counted by both, to the last')

  await other.bus.publish('ended', 'key:1')
  await eventually(() => heard.length > 0, 2_000)
  t.same(heard, ['key:1'])

  await master.start()
  await eventually(async () => /role:slave/.test(String(await master.command('INFO', 'replication'))), 15_000)
  t.same(nodes.map((node) => node.state()), ['up', 'up'], 'the old master comes back as a replica, and nobody minds')
  t.notMatch(JSON.stringify(said), new RegExp(PASSWORD), 'no secret is logged')
})

t.test('what is wrong is named: sentinels away, a name they do not know, a password that the master refuses', { skip }, async (t) => {
  const { url, sentinels } = await watchedRedis(t, PASSWORD)
  const said: unknown[] = []
  const table: [string, RegExp][] = [
    [url.replace('/main/', '/other/'), /^its sentinels know no master of that name$/], [url.replace(`:${PASSWORD}@`, ':hunter3@'), /^the user or the password is wrong$/], [url.replace(`:${PASSWORD}@`, ''), /^wants a password$/],
    [url.replace('redis+', 'rediss+'), /TLS|breaks|does not answer|closes|of a sentinel: cannot be reached/], ['redis+sentinel://:hunter2@127.0.0.1:1,127.0.0.1:2/main/0', /^of a sentinel: cannot be reached$/],
    ['redis+sentinel://:hunter2@sentinel.invalid/main/0', /^of a sentinel: cannot be reached$/], [url.replace(/0$/, '99'), /^has no database of that number$/],
  ]
  for (const [address, reason] of table) {
    const from = performance.now()
    const store = await open(t, address, said)
    t.ok(performance.now() - from < HELD_UP_MS, 'the start is not held up')
    t.equal(store.state(), 'degraded')
    await eventually(() => reason.test(store.reason() ?? ''), 15_000).catch(() => t.match(store.reason(), reason, address))
    await store.close()
  }
  // one of three is enough, and a sentinel may have a password of its own
  const [first, second, third] = sentinels
  await third?.command('ACL', 'SETUSER', 'default', 'resetpass', '>hunter5')
  const alone = `redis+sentinel://:${PASSWORD}@127.0.0.1:${third?.port}/main/0`
  for (const [address, reason] of [[alone, /^of a sentinel: wants a password$/], [`${alone}?sentinelPassword=hunter6`, /^of a sentinel: the user or the password is wrong$/]] as const) {
    const store = await open(t, address, said)
    await eventually(() => reason.test(store.reason() ?? ''), 15_000).catch(() => t.match(store.reason(), reason, address))
    await store.close()
  }
  await Promise.all([first?.kill(), second?.kill()])
  await areUp([await open(t, `${url}?sentinelPassword=hunter5`, said)])
  t.notMatch(JSON.stringify(said), /hunter/, 'no secret is logged')
})

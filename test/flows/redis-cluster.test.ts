// A real Redis Cluster: the limits of a decision meet on one master, which is found, lost with its server, and found again where the slot has gone.
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { createSharedStore } from '../../src/limits/assemble.js'
import { systemClock } from '../../src/kernel/clock.js'
import type { SharedStore } from '../../src/shared-store/shared-store.js'
import { admittedByAll, chargeAll, charges } from '../support/charging.js'
import { eventually, HELD_UP_MS, privateRedis } from '../support/redis.js'
import { clusteredRedis } from '../support/redis-group.js'

const missing = ['redis-server', 'redis-cli'].every((program) => spawnSync(program, ['--version']).status === 0) ? false : 'no redis-server or redis-cli installed'
const skip = process.env['CI'] === 'true' ? false : missing
const RECOVERY_MS = 20_000
const PASSWORD = 'hunter2'

async function open(t: Test, redisUrl: string, said: unknown[] = []): Promise<SharedStore> {
  const note = (...words: unknown[]): void => void said.push(...words)
  const store = await createSharedStore({ redisUrl, liveNodes: () => 2, clock: systemClock, log: { info: note, warn: note } })
  t.teardown(() => store.close())
  return store
}

const areUp = (nodes: SharedStore[]) => eventually(() => nodes.every((node) => node.state() === 'up'), RECOVERY_MS)
const areDegraded = (nodes: SharedStore[]) => eventually(() => nodes.every((node) => node.state() === 'degraded'), RECOVERY_MS)

t.test('with replicas: two nodes share every limit to the last, and a failover under load is no more than a loss', { skip }, async (t) => {
  const { url, homeOf } = await clusteredRedis(t, PASSWORD, { replicas: 1 })
  const said: unknown[] = []
  const [one, other] = await Promise.all([open(t, url, said), open(t, url, said)])
  const nodes = [one, other]
  await areUp(nodes)
  const heard: string[] = []
  await one.bus.subscribe('ended', (message) => heard.push(message))
  await one.cache.set('k', 'v', 60_000)
  t.equal(await other.cache.get('k'), 'v')
  t.equal(await admittedByAll(nodes, charges('before', 100), 100), 100, 'key, owner and namespace in one decision, all or none')

  const quota = 400
  const work = chargeAll(nodes, charges('a', quota))
  await eventually(() => work.counted.admitted > 40, 5_000)
  const home = await homeOf('{gatehouse:}home')
  await home.kill()
  await areDegraded(nodes)
  await eventually(() => /^[a-z][^\n]+$/.test(one.reason() ?? ''), 2_000) // and says why
  const tookMs = await areUp(nodes)
  t.comment(`up again after ${Math.round(tookMs)} ms`)
  await work.rests()
  await work.stop()
  t.ok(work.counted.admitted <= quota, `${work.counted.admitted} of ${quota}`)
  t.ok(work.counted.slowestMs < 1_000, `no answer waited for more than a moment: ${Math.round(work.counted.slowestMs)} ms`)
  t.equal(await admittedByAll(nodes, charges('fresh', 10), 10), 10, 'what is counted anew is counted by both, to the last')
  await eventually(async () => {
    await other.bus.publish('ended', 'key:1')
    return heard.length > 0
  }, 5_000)

  const after = await homeOf('{gatehouse:}home')
  t.not(after.port, home.port)
  // the master hands over on purpose: it goes on answering, as a replica
  await home.start()
  await eventually(async () => /role:slave/.test(String(await home.command('INFO', 'replication'))) && /master_link_status:up/.test(String(await home.command('INFO', 'replication'))), RECOVERY_MS)
  const isHome = async (): Promise<boolean> => (await homeOf('{gatehouse:}home')).port === home.port
  // the others may not have heard yet that it is a replica, and grant it nothing
  await eventually(async () => {
    await home.command('CLUSTER', 'FAILOVER').catch(() => undefined)
    await eventually(isHome, 6_000)
  }, 2 * RECOVERY_MS)
  await areUp(nodes)
  t.equal(await admittedByAll(nodes, charges('later', 10), 10), 10)
  t.notMatch(JSON.stringify(said), new RegExp(PASSWORD), 'no secret is logged')
})

t.test('the slot moves to another master under load: the nodes follow, within the limit', { skip }, async (t) => {
  const { url, members, homeOf } = await clusteredRedis(t, PASSWORD, { replicas: 0 })
  const nodes = await Promise.all([open(t, url), open(t, url)])
  await areUp(nodes)
  const from = await homeOf('{gatehouse:}home')
  const to = members.find(({ port }) => port !== from.port)
  if (!to) throw new Error('three masters have others')
  const quota = 400
  const work = chargeAll(nodes, charges('a', quota))
  await eventually(() => work.counted.admitted > 40, 5_000)

  const slot = String(await from.command('CLUSTER', 'KEYSLOT', '{gatehouse:}'))
  const [fromId, toId] = [String(await from.command('CLUSTER', 'MYID')), String(await to.command('CLUSTER', 'MYID'))]
  await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId)
  await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId)
  await eventually(async () => {
    const keys = await from.command('CLUSTER', 'GETKEYSINSLOT', slot, '100') as string[]
    for (const key of keys) await from.command('MIGRATE', '127.0.0.1', String(to.port), key, '0', '1000', 'AUTH', PASSWORD)
    return keys.length === 0
  }, 10_000)
  await to.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
  await from.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId)

  t.equal((await homeOf('{gatehouse:}home')).port, to.port)
  t.equal(await admittedByAll(nodes, charges('fresh', 10), 10), 10)
  await areUp(nodes)
  await work.rests()
  await work.stop()
  t.ok(work.counted.admitted <= quota, `${work.counted.admitted} of ${quota}`)
})

t.test('without a replica: lost with its master, whatever the others do, and back with it', { skip }, async (t) => {
  const { url, members, homeOf } = await clusteredRedis(t, PASSWORD, { replicas: 0 })
  const nodes = await Promise.all([open(t, url), open(t, url)])
  await areUp(nodes)
  t.equal(await admittedByAll(nodes, charges('a', 10), 10), 10)
  const home = await homeOf('{gatehouse:}home')
  const stranger = members.find(({ port }) => port !== home.port)
  await home.kill()
  await areDegraded(nodes)
  t.equal((await nodes[0].limits.take(charges('a', 10))).allowed, false)
  await home.start()
  await areUp(nodes)
  t.equal((await nodes[0].limits.take(charges('a', 10))).allowed, false, 'an empty master has been told')
  t.equal(await admittedByAll(nodes, charges('fresh', 10), 10), 10)
  await stranger?.kill()
  t.equal(await admittedByAll(nodes, charges('others', 10), 10), 10, 'a master without our slot is nothing to us')
  t.same(nodes.map((node) => node.state()), ['up', 'up'])
  await stranger?.start()

  // any of its servers is enough to find the one, and what is wrong is named
  const { port } = members.find((member) => member.port !== home.port) ?? { port: 0 }
  await areUp([await open(t, `redis+cluster://:${PASSWORD}@127.0.0.1:1,127.0.0.1:${port}`)])
  const plain = await privateRedis(t)
  const table: [string, RegExp][] = [
    [url.replace(PASSWORD, 'hunter3'), /^the user or the password is wrong$/], [url.replace(`:${PASSWORD}@`, ''), /^wants a password$/], ['redis+cluster://:hunter3@127.0.0.1:1,127.0.0.1:2', /^refuses the connection$/],
    ['redis+cluster://:hunter3@redis.invalid', /^its host is not known$/], [url.replace('redis+', 'rediss+'), /redis:\/\/ instead of rediss:\/\/|breaks/], [plain.url.replace('redis:', 'rediss+cluster:'), /redis:\/\/ instead of rediss:\/\/|breaks/],
    [`redis://:${PASSWORD}@127.0.0.1:${port}`, /^is a cluster: redis\+cluster:\/\/ instead of redis:\/\/$/],
  ]
  for (const [address, reason] of table) {
    const said: unknown[] = []
    const from = performance.now()
    const store = await open(t, address, said)
    t.ok(performance.now() - from < HELD_UP_MS, 'the start is not held up')
    await eventually(() => reason.test(store.reason() ?? ''), 15_000).catch(() => t.match(store.reason(), reason, address))
    t.equal(store.state(), 'degraded', address)
    t.notMatch(JSON.stringify(said), /hunter/)
    await store.close()
  }
})

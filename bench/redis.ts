// What Redis costs a decision: two nodes of the same database, one with Redis and one without, and the same question to both.
import { alternate, loadFor, sample } from './measure.js'
import type { Bench, Findings } from './rows.js'
import { prepareVerify } from './scenarios.js'
import { withNodes } from './stores.js'

const TARGET = 0.9

export async function measureRedis({ world, config, placement, generator, options, redisUrl }: Bench): Promise<Findings> {
  if (redisUrl === null) return { skipped: 'no Redis at 127.0.0.1:6379, and REDIS_URL is not set' }
  const prepared = await prepareVerify(world)
  const node = (url: string | null) => ({ prefix: placement.server, databaseUrl: config.databaseUrl, redisUrl: url })
  const [ours, other] = await withNodes([node(redisUrl), node(null)], async (nodes) => {
    const [leased, plain] = nodes.map(({ api }) => api)
    if (!leased || !plain) throw new Error('There are not two nodes')
    return alternate(generator, options.rounds, [
      { who: 'the node with Redis', load: loadFor(leased.origin, prepared, await sample(leased, prepared)) },
      { who: 'the node without Redis', load: loadFor(plain.origin, prepared, await sample(plain, prepared)) },
    ] as const)
  })
  return { compared: [{
    label: 'POST /keys/verify with Redis (leases) : without', target: TARGET,
    measured: { gatehouse: ours, bare: other, ratio: ours.requestsPerSecond / other.requestsPerSecond },
  }] }
}

// What Redis costs a decision: the same question to a node with Redis, on a database of its own, and to the one without.
import { alternate, compare, loadFor, sample, type Side } from './measure.js'
import type { Bench, Findings } from './rows.js'
import { prepareVerify } from './scenarios.js'
import { withNodes, withOwnDatabase } from './stores.js'
import type { World } from './world.js'

const TARGET = 0.9
const SECRET = 'the secret of a database that holds nothing but a benchmark'

/** The question of the verify row, put to the server of `world`. */
export async function verifySide(who: string, world: World, pid?: number): Promise<Side> {
  const prepared = await prepareVerify(world)
  return { who, load: loadFor(world.api.originOf(prepared.path), prepared, await sample(world.api, prepared)), pid }
}

export async function measureRedis({ world, config, placement, generator, options, redisUrl }: Bench): Promise<Findings> {
  if (redisUrl === null) return { skipped: 'no Redis at 127.0.0.1:6379, and REDIS_URL is not set' }
  const [ours, other] = await withOwnDatabase(config.databaseUrl, async (databaseUrl) => {
    const node = { prefix: placement.server, databaseUrl, redisUrl, environment: { GATEHOUSE_SECRET: SECRET } }
    return withNodes([node], async ([leased]) => {
      if (!leased) throw new Error('There is no node')
      const sides = [await verifySide('the node with Redis', { ...world, api: leased.api }), await verifySide('the node without Redis', world)] as const
      return alternate(generator, options.rounds, sides)
    })
  })
  return { compared: [{
    label: 'POST /keys/verify with Redis (leases) : without', target: TARGET,
    measured: compare(ours, other),
  }] }
}

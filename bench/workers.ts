// What it costs a decision that a node is several processes: the same question to a node of two workers and to one of one process, both on Redis,
// the same database and the same core.
import { alternate, compare } from './measure.js'
import { verifySide } from './redis.js'
import type { Bench, Findings } from './rows.js'
import { withNodes, withOwnDatabase } from './stores.js'

const TARGET = 0.9
const SECRET = 'the secret of a database that holds nothing but a benchmark'

export async function measureWorkers({ world, config, placement, generator, options, redisUrl }: Bench): Promise<Findings> {
  if (redisUrl === null) return { skipped: 'no Redis at 127.0.0.1:6379, and REDIS_URL is not set' }
  const [ours, other] = await withOwnDatabase(config.databaseUrl, async (databaseUrl) => {
    const node = { prefix: placement.server, databaseUrl, redisUrl, environment: { GATEHOUSE_SECRET: SECRET } }
    return withNodes([node, { ...node, environment: { ...node.environment, WORKERS: '2' } }], async ([one, two]) => {
      if (!one || !two) throw new Error('There are not two nodes')
      const sides = [await verifySide('two workers', { ...world, api: two.api }, two.child.process.pid), await verifySide('one process', { ...world, api: one.api }, one.child.process.pid)] as const
      return alternate(generator, options.rounds, sides)
    })
  })
  return { compared: [{ label: 'POST /keys/verify on Redis, two workers on one core : one process', target: TARGET, measured: compare(ours, other) }] }
}

// The fast store (limits, cache, bus) on Redis or in this process, and the registry of nodes that share it.
import fastifyRedis from '@fastify/redis'
import fp from 'fastify-plugin'
import { createNodeTable } from '../src/database/node-table.js'
import { newId } from '../src/kernel/ids.js'
import { createNodeRegistry, type NodeRegistry } from '../src/nodes/node-registry.js'
import { openRedis } from '../src/redis/connect.js'
import { createFast } from '../src/redis/create-fast.js'
import type { Fast } from '../src/redis/fast.js'

declare module 'fastify' {
  interface FastifyInstance {
    fast: Fast
    nodes: NodeRegistry
  }
}

export default fp(async (app) => {
  const { config, clock, database, log } = app
  const nodes = createNodeRegistry({ store: createNodeTable({ pool: database.pool }), id: newId(), log })
  await nodes.start()
  app.decorate('nodes', nodes)

  const connection = config.redisUrl === null ? null : openRedis(config.redisUrl)
  const fast = await createFast({ redisUrl: config.redisUrl, ...connection, liveNodes: nodes.liveNodes, withoutRedis: config.limitsWithoutRedis, clock, log })
  app.decorate('fast', fast)
  const reason = fast.reason()
  if (reason !== null) log.warn({ reason }, `REDIS_URL: ${reason}. This node starts without Redis, and tries again`)
  app.addHook('onClose', async () => {
    await fast.close()
    await nodes.stop()
  })

  if (connection?.client.status === 'ready') await app.register(fastifyRedis, { client: connection.client })
  // @fastify/redis holds the start up until Redis answers, and gives up after 10 s: without Redis we start degraded instead
  else if (connection) app.decorate('redis', connection.client as typeof app.redis)
}, { name: 'redis', dependencies: ['prisma'] })

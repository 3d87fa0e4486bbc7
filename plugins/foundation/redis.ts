// The shared store (limits, cache, bus) on Redis or in this process, and the registry of nodes that share it.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createNodeRegistry, type NodeRegistry } from '../../src/cluster/node-registry.js'
import { createNodeTable } from '../../src/cluster/node-table.js'
import { newId } from '../../src/kernel/ids.js'
import { createSharedStore } from '../../src/limits/index.js'
import type { RedisConnection } from '../../src/shared-store/connect.js'
import type { SharedStore } from '../../src/shared-store/shared-store.js'

declare module 'fastify' {
  interface FastifyInstance {
    sharedStore: SharedStore
    nodes: NodeRegistry
  }
}

/** A client that @fastify/redis registers. Loaded where there is a Redis alone: it is a twentieth of the time of a start. */
async function register(app: FastifyInstance, redisUrl: string): Promise<RedisConnection> {
  const [{ default: fastifyRedis }, { openRedis, whileCalledReady }] = await Promise.all([import('@fastify/redis'), import('../../src/shared-store/connect.js')])
  const connection = openRedis(redisUrl)
  await whileCalledReady(connection.client, () => app.register(fastifyRedis, { client: connection.client }))
  return connection
}

export default fp(async (app) => {
  const { config, clock, database, log } = app
  const nodes = createNodeRegistry({ store: createNodeTable({ pool: database.pool }), id: newId(), log })
  await nodes.start()
  app.decorate('nodes', nodes)

  // the shared store connects it, uses it and closes it
  const connection = config.redisUrl === null ? null : await register(app, config.redisUrl)
  const sharedStore = await createSharedStore({ redisUrl: config.redisUrl, ...connection, liveNodes: nodes.liveNodes, withoutRedis: config.limitsWithoutRedis, clock, log })
  app.decorate('sharedStore', sharedStore)
  const reason = sharedStore.reason()
  if (reason !== null) log.warn({ reason }, `REDIS_URL: ${reason}. This node starts without Redis, and tries again`)
  app.addHook('onClose', async () => {
    await sharedStore.close()
    await nodes.stop()
  })
}, { name: 'redis', dependencies: ['prisma'] })

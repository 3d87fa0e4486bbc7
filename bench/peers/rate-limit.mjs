// @fastify/rate-limit on Redis alone: the bare server's route (Gatehouse's schemas, Gatehouse's answer) with one limit by
// the caller's key. No credential is looked up, nothing is verified.
import rateLimit from '@fastify/rate-limit'
import { fastify } from 'fastify'
import { Redis } from 'ioredis'
import { serve, versionOf } from './peer.mjs'

const PATH = '/verify'
const QUOTA = 1_000_000_000
const NAMESPACE = 'gatehouse-peers:'

serve(async ({ redisUrl, route, request }) => {
  const url = new URL(redisUrl)
  url.searchParams.delete('keyPrefix') // Gatehouse's; ours is the namespace
  const redis = new Redis(url.href, { connectTimeout: 1_000, maxRetriesPerRequest: 1 })
  const app = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false, keywords: ['example'] } } })
  await app.register(rateLimit, { max: QUOTA, timeWindow: 60_000, redis, nameSpace: NAMESPACE, keyGenerator: ({ headers }) => headers.authorization })
  app.post(PATH, { schema: route.schema }, async () => route.answer)

  const [payload] = request.bodies
  const left = async () => Number((await app.inject({ method: 'POST', url: PATH, headers: request.headers, payload })).headers['x-ratelimit-remaining'])
  if (await left() - await left() !== 1) throw new Error('@fastify/rate-limit does not count')
  if (await redis.exists(`${NAMESPACE}${request.headers.authorization}`) !== 1) throw new Error('@fastify/rate-limit does not count in Redis')
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    version: `@fastify/rate-limit ${versionOf('@fastify/rate-limit')}`,
    // any credential will do: it counts, and knows none
    requests: { limit: { ...request, url: `${origin}${PATH}`, wrong: null } },
  }
})

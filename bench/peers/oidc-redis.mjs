// The adapter for Redis that oidc-provider's users write: one hash or text a model, sets by grant, one round trip an act. Single use is a script, for its
// caller finds, checks and then consumes.
import { Redis } from 'ioredis'

export const NAMESPACE = 'gatehouse-peers:oidc:'
const CONSUMABLE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode'])
const GRANTABLE = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode'])
const CONSUME = 'if redis.call("HEXISTS", KEYS[1], "consumed") == 1 then return 0 end redis.call("HSET", KEYS[1], "consumed", ARGV[1]) return 1'

export async function openRedis(redisUrl) {
  const url = new URL(redisUrl)
  url.searchParams.delete('keyPrefix') // Gatehouse's; ours is the namespace
  const redis = new Redis(url.href, { connectTimeout: 1_000, maxRetriesPerRequest: 1, enableAutoPipelining: true })
  redis.defineCommand('consumeOnce', { numberOfKeys: 1, lua: CONSUME })
  return redis
}

/** Removes all that peers have left. */
export async function forget(redis) {
  for await (const keys of redis.scanStream({ match: `${NAMESPACE}*`, count: 1_000 })) if (keys.length > 0) await redis.unlink(...keys)
}

export function redisAdapter(redis) {
  return (model) => {
    const key = (id) => `${NAMESPACE}${model}:${id}`
    return {
      async upsert(id, payload, seconds) {
        const multi = redis.multi()
        if (CONSUMABLE.has(model)) multi.hset(key(id), 'payload', JSON.stringify(payload)).expire(key(id), seconds)
        else multi.set(key(id), JSON.stringify(payload), 'EX', seconds)
        if (GRANTABLE.has(model) && payload.grantId) {
          const list = `${NAMESPACE}grant:${payload.grantId}`
          multi.rpush(list, key(id)).expire(list, seconds)
        }
        if (payload.uid) multi.set(`${NAMESPACE}uid:${payload.uid}`, id, 'EX', seconds)
        await multi.exec()
      },
      async find(id) {
        if (!CONSUMABLE.has(model)) {
          const text = await redis.get(key(id))
          return text === null ? undefined : JSON.parse(text)
        }
        const { payload, ...rest } = await redis.hgetall(key(id))
        return payload === undefined ? undefined : { ...JSON.parse(payload), ...rest }
      },
      async findByUid(uid) {
        const id = await redis.get(`${NAMESPACE}uid:${uid}`)
        return id === null ? undefined : this.find(id)
      },
      async consume(id) {
        if (await redis.consumeOnce(key(id), Math.floor(Date.now() / 1_000)) === 0) throw new Error('it was used before')
      },
      async destroy(id) {
        await redis.del(key(id))
      },
      async revokeByGrantId(grantId) {
        const list = `${NAMESPACE}grant:${grantId}`
        await redis.del(list, ...await redis.lrange(list, 0, -1))
      },
    }
  }
}

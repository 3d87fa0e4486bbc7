// oidc-provider by its own handler on node:http, with the adapter for PostgreSQL or for Redis that its users write, or with the in-memory one it comes with:
// tokens for a client of its own, what they are worth (RFC 7662), and on Redis codes and refresh tokens of people who are signed in.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'
import { prepareFlows, SIGN_IN } from './oidc-people.mjs'
import { forget, openRedis, redisAdapter } from './oidc-redis.mjs'
import { openPool, serve, versionOf } from './peer.mjs'

const CLIENT = {
  client_id: 'bench', client_secret: 'the secret of a client of a benchmark', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
}
const TOKEN_SECONDS = 86_400

/** What oidc-provider asks of an adapter, as far as client credentials go; statements are prepared once a connection. */
function postgresAdapter(pool) {
  return (model) => ({
    async upsert(id, payload, seconds) {
      const text = "INSERT INTO oidc (model, id, payload, expires_at) VALUES ($1, $2, $3, now() + $4 * interval '1 second')"
      await pool.query(text, [model, id, payload, seconds])
    },
    async find(id) {
      const text = 'SELECT payload FROM oidc WHERE model = $1 AND id = $2 AND expires_at > now()'
      const { rows } = await pool.query({ name: 'find', text, values: [model, id] })
      return rows[0]?.payload
    },
  })
}

async function createAdapter(world) {
  if (world.onRedis) {
    const redis = await openRedis(world.redisUrl)
    await forget(redis)
    return redisAdapter(redis)
  }
  const pool = await openPool(world)
  await pool.query('CREATE TABLE oidc (model text, id text, payload jsonb NOT NULL, expires_at timestamptz NOT NULL, PRIMARY KEY (model, id))')
  return postgresAdapter(pool)
}

const rsaKey = () => ({ ...generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' })

serve(async (world) => {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(origin, {
    clients: [CLIENT, ...(world.onRedis ? [SIGN_IN.client] : [])],
    features: { clientCredentials: { enabled: true }, introspection: { enabled: true, allowedPolicy: () => true }, devInteractions: { enabled: false } },
    ttl: { ClientCredentials: TOKEN_SECONDS },
    cookies: { keys: ['the cookies of a benchmark'] },
    jwks: { keys: [rsaKey()] },
    ...(world.onRedis ? SIGN_IN.configuration : {}),
    ...(world.inMemory ? {} : { adapter: await createAdapter(world) }),
  })
  const callback = provider.callback()
  server.on('request', (request, response) => SIGN_IN.handle(provider, request, response, callback))

  const headers = {
    authorization: `Basic ${Buffer.from(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  }
  const token = { url: `${origin}/token`, method: 'POST', headers, bodies: ['grant_type=client_credentials'], markers: ['"access_token":"', '"token_type":"Bearer"'] }
  const answer = await fetch(token.url, { method: 'POST', headers, body: token.bodies[0] })
  const { access_token: value } = await answer.json()
  if (value === undefined) throw new Error(`oidc-provider gave no token: ${answer.status}`)
  const read = (path, markers) => ({ url: `${origin}${path}`, method: 'GET', headers: {}, bodies: [], markers })
  return {
    version: `oidc-provider ${versionOf('oidc-provider')}`,
    origin,
    requests: {
      token,
      introspection: {
        // the hint spares it a look-up
        url: `${origin}/token/introspection`, method: 'POST', headers, bodies: [`token=${value}&token_type_hint=${world.onRedis ? 'client_credentials' : 'access_token'}`],
        markers: ['"active":true', `"client_id":"${CLIENT.client_id}"`],
        wrong: { headers, body: 'token=unknown&token_type_hint=access_token', marker: '"active":false' },
      },
      discovery: read('/.well-known/openid-configuration', ['"issuer":"']),
      jwks: read('/jwks', ['"keys":[']),
    },
    ...(world.onRedis ? { flows: await prepareFlows(origin, world.connections) } : {}),
  }
})

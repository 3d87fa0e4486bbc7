// oidc-provider by its own handler on node:http: token introspection (RFC 7662) of a client-credentials token by an
// authenticated client, with the adapter for PostgreSQL that its users write, or with the in-memory one it comes with.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'
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
  const pool = await openPool(world)
  await pool.query('CREATE TABLE oidc (model text, id text, payload jsonb NOT NULL, expires_at timestamptz NOT NULL, PRIMARY KEY (model, id))')
  return postgresAdapter(pool)
}

serve(async (world) => {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(origin, {
    clients: [CLIENT],
    features: { clientCredentials: { enabled: true }, introspection: { enabled: true, allowedPolicy: () => true }, devInteractions: { enabled: false } },
    ttl: { ClientCredentials: TOKEN_SECONDS },
    ...(world.inMemory ? {} : { adapter: await createAdapter(world) }),
  })
  server.on('request', provider.callback())

  const headers = {
    authorization: `Basic ${Buffer.from(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  }
  const answer = await fetch(`${origin}/token`, { method: 'POST', headers, body: 'grant_type=client_credentials' })
  const { access_token: token } = await answer.json()
  if (token === undefined) throw new Error(`oidc-provider gave no token: ${answer.status}`)
  return {
    version: `oidc-provider ${versionOf('oidc-provider')}`,
    requests: {
      introspection: {
        // the hint spares it a look-up
        url: `${origin}/token/introspection`, method: 'POST', headers, bodies: [`token=${token}&token_type_hint=access_token`],
        markers: ['"active":true', `"client_id":"${CLIENT.client_id}"`],
        wrong: { headers, body: 'token=unknown&token_type_hint=access_token', marker: '"active":false' },
      },
    },
  }
})

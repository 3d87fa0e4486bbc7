// What is compared: for each row Gatehouse's request, made ready against the running program, and the peer's.
import { ADMIN } from '../../dist/bench/environment.js'
import { bearer } from '../../dist/bench/api.js'
import { SCENARIOS } from '../../dist/bench/scenarios.js'

const QUOTA = 1_000_000_000
const UNKNOWN_KEY = 'gk_000000000000000000000000000000000000'

async function prepare(world, name) {
  const scenario = SCENARIOS.find((one) => one.name === name)
  if (!scenario) throw new Error(`npm run bench has no scenario ${name} any more`)
  const { method, path, headers, bodies, markers } = await scenario.prepare(world)
  return { url: `${world.api.origin}${path}`, path, method, headers, bodies, markers }
}

/** The scenario's request, with a key for each connection, as the peers get one. */
async function prepareVerify(world) {
  const { api, connections } = world
  const prepared = await prepare(world, 'verify')
  const { accessToken } = await api.json('/api/v1/auth/login', { method: 'POST', body: ADMIN })
  const body = JSON.parse(prepared.bodies[0])
  const bodies = []
  for (let at = 0; at < connections; at++) {
    const limits = [{ name: 'calls', quota: QUOTA, windowSeconds: 60 }]
    const wanted = { name: `bench peers ${at + 1}`, permissions: body.permissions, limits, metadata: { plan: 'free' } }
    const { key } = await api.json('/api/v1/keys', { method: 'POST', headers: bearer(accessToken), body: wanted })
    bodies.push(JSON.stringify({ ...body, key }))
  }
  return {
    ...prepared, bodies, markers: prepared.markers.filter((marker) => !marker.startsWith('"keyId"')),
    wrong: { headers: prepared.headers, body: JSON.stringify({ ...body, key: UNKNOWN_KEY }), marker: '"valid":false' },
  }
}

async function prepareWhoami(world) {
  const prepared = await prepare(world, 'whoami-cookie')
  return { ...prepared, wrong: { headers: { cookie: prepared.headers.cookie.replace('=', '=x') }, marker: '"status":401' } }
}

/** `file` is the peer's server, `request` which of its requests; `needsRedis`: both run on Redis, else Gatehouse runs without. */
export const ROWS = [
  {
    name: 'verify-key', target: 40, label: 'POST /keys/verify : better-auth verifyApiKey, PostgreSQL',
    prepare: prepareVerify, file: 'better-auth.mjs', request: 'key',
  },
  {
    name: 'session', target: 40, label: 'GET /whoami by cookie : better-auth getSession, PostgreSQL',
    prepare: prepareWhoami, file: 'better-auth.mjs', request: 'session',
  },
  {
    name: 'introspection-postgres', target: 5, label: 'POST /keys/verify : oidc-provider introspection, PostgreSQL',
    prepare: prepareVerify, file: 'oidc-provider.mjs', request: 'introspection',
  },
  {
    name: 'introspection-memory', label: 'POST /keys/verify : oidc-provider introspection, in memory',
    prepare: prepareVerify, file: 'oidc-provider.mjs', request: 'introspection', inMemory: true,
  },
  {
    name: 'rate-limit', target: 1.2, label: 'POST /keys/verify, Redis : @fastify/rate-limit alone, Redis',
    prepare: prepareVerify, file: 'rate-limit.mjs', request: 'limit', needsRedis: true,
  },
]

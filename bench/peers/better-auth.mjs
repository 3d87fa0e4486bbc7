// better-auth on PostgreSQL behind Fastify: verifyApiKey for a service that asks about a key, getSession for one that asks
// who a cookie is. Its defaults, but for what would refuse the load (its limit by address) or print.
import { apiKey } from '@better-auth/api-key'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { fromNodeHeaders } from 'better-auth/node'
import { fastify } from 'fastify'
import { openPool, serve, versionOf } from './peer.mjs'

const USER = { name: 'Bench', email: 'peer@bench.example', password: 'the benchmark signs in with this' }
const PERMISSIONS = { reports: ['read'] }
const WINDOW_MS = 60_000
const QUOTA = 1_000_000_000

function createAuth(pool) {
  return betterAuth({
    baseURL: 'http://127.0.0.1',
    secret: 'the secret of a database that holds nothing but a benchmark',
    database: pool,
    emailAndPassword: { enabled: true },
    logger: { disabled: true },
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: WINDOW_MS, maxRequests: QUOTA } })],
  })
}

/** A key for each connection: it writes the key's row at every request, and one row would let one request in at a time. */
async function keyBodies(auth, userId, count) {
  const bodies = []
  for (let at = 0; at < count; at++) {
    const { key } = await auth.api.createApiKey({ body: { userId, name: `bench ${at + 1}`, permissions: PERMISSIONS } })
    bodies.push(JSON.stringify({ key, permissions: PERMISSIONS }))
  }
  return bodies
}

async function signUp(auth) {
  const response = await auth.api.signUpEmail({ body: USER, asResponse: true })
  const { user } = await response.json()
  const cookie = response.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
  return { user, cookie }
}

serve(async ({ connection, poolMax, connections }) => {
  const auth = createAuth(await openPool({ connection, poolMax }))
  const { runMigrations } = await getMigrations(auth.options)
  await runMigrations()
  const { user, cookie } = await signUp(auth)

  const app = fastify()
  app.post('/verify', ({ body }) => auth.api.verifyApiKey({ body }))
  app.get('/session', async ({ headers }, reply) => {
    const session = await auth.api.getSession({ headers: fromNodeHeaders(headers) })
    return session ?? reply.code(401).send({ code: 'unauthorized' })
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })

  const headers = { 'content-type': 'application/json' }
  return {
    version: `better-auth ${versionOf('better-auth')}, @better-auth/api-key ${versionOf('@better-auth/api-key')}`,
    requests: {
      key: {
        url: `${origin}/verify`, method: 'POST', headers, bodies: await keyBodies(auth, user.id, connections),
        markers: ['"valid":true', `"referenceId":"${user.id}"`, '"requestCount":'],
        wrong: { headers, body: JSON.stringify({ key: 'unknown', permissions: PERMISSIONS }), marker: '"valid":false' },
      },
      session: {
        url: `${origin}/session`, method: 'GET', headers: { cookie }, bodies: [], markers: [`"userId":"${user.id}"`, `"email":"${user.email}"`],
        wrong: { headers: { cookie: cookie.replace('=', '=x') }, marker: 'unauthorized' },
      },
    },
  }
})

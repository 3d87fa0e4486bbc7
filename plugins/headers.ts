// Security headers on every answer (helmet), CORS by allow-list, and no caching of private data unless a route says otherwise.
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'

export default fp(async (app) => {
  const { config } = app
  const isTls = config.publicUrl?.startsWith('https:') ?? false
  await app.register(helmet, {
    global: true,
    // an API answers data: nothing in it may load, run, or be framed. /docs sets its own.
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] } },
    strictTransportSecurity: isTls ? { maxAge: 31_536_000, includeSubDomains: true } : false,
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
  })
  if (config.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: config.corsOrigins,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'if-match', 'if-none-match', 'idempotency-key', 'x-api-key', 'x-csrf-token'],
      exposedHeaders: ['etag', 'ratelimit', 'ratelimit-policy', 'retry-after', 'idempotency-replayed'],
      // cookies are for the same origin only (see csrf)
      credentials: false,
      maxAge: 600,
    })
  }
  app.addHook('onRequest', async (_request, reply) => {
    void reply.header('cache-control', 'no-store')
  })
}, { name: 'headers', dependencies: ['prisma'] })

// What everything below stands on: configuration, clock, derived secrets, and the database (Prisma and pg on one pool).
import fp from 'fastify-plugin'
import type { PrismaClient } from '../../src/database/generated/client.js'
import type { Config } from '../../src/config.js'
import type { Database } from '../../src/database/connect.js'
import type { Clock } from '../../src/kernel/clock.js'
import { createCursors, type Cursors } from '../../src/kernel/page.js'
import { createSecrets, type Secrets } from '../../src/kernel/secrets.js'

export interface Foundations {
  config: Config
  /** the root secret all keys derive from */
  secret: string
  clock: Clock
  /** opened and closed by whoever builds the app */
  database: Database
}

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
    clock: Clock
    secrets: Secrets
    cursors: Cursors
    database: Database
    prisma: PrismaClient
    /** The origin clients use: PUBLIC_URL, or http://localhost and the port that is listened on. */
    publicOrigin: () => string
  }
}

export default fp<Foundations>(async (app, { config, secret, clock, database }) => {
  app.decorate('config', config)
  app.decorate('clock', clock)
  const secrets = createSecrets(secret, config.previousSecret)
  app.decorate('secrets', secrets)
  app.decorate('cursors', createCursors(secrets))
  app.decorate('database', database)
  app.decorate('prisma', database.prisma)
  app.decorate('publicOrigin', () => {
    if (config.publicUrl !== null) return config.publicUrl
    const address = app.server.address()
    return `http://localhost:${address !== null && typeof address === 'object' ? address.port : config.port}`
  })
}, { name: 'prisma' })

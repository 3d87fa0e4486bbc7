// app.authority: who may let whom do what.
import fp from 'fastify-plugin'
import { type AuthorityService, createAuthority } from '../../src/authority/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    authority: AuthorityService
  }
}

export default fp(async (app) => {
  app.decorate('authority', createAuthority({ clock: app.clock }).authority)
}, { name: 'authority', dependencies: ['prisma'] })

// app.pages: hosted pages as text, and what they load.
import fp from 'fastify-plugin'
import { createPages, type PagesService } from '../../src/pages/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    pages: PagesService
  }
}

export default fp(async (app) => {
  const { config, log } = app
  app.decorate('pages', createPages({ config, log }).pages)
}, { name: 'pages', dependencies: ['prisma'] })

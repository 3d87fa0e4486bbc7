// request.takesItsTime: a body that is worked on while it arrives, and so may arrive for as long as that takes. Everything else has REQUEST_TIMEOUT_MS.
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    /** From now on the body has no time to be through in; a connection on which nothing moves is closed as ever. */
    takesItsTime: () => void
  }
}

export default fp(async (app) => {
  app.decorateRequest('takesItsTime', function takesItsTime(this: FastifyRequest) {
    // node:http keeps a list of requests that are not through, looks it over each second, and has no option for one of them. Not documented, and the same
    // since that list exists (Node 18); the next request of the connection is on it again. Should it go, the import ends after that time and is gone on with.
    const { parser } = this.raw.socket as { parser?: { remove?: () => void } | null }
    parser?.remove?.()
  })
}, { name: 'long-bodies' })

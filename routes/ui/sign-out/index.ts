// Signing out: asked for by a link, done by a form.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form } from '../../../plugins/http/page-kit.js'

export default (async (app) => {
  app.get('/', { config: { access: ['user'] } }, async (request, reply) => {
    const { email } = await app.accounts.find(request.signedIn().id)
    return reply.show('sign-out', { email: email ?? '' })
  })

  app.post('/', { schema: { body: form({}) }, config: { access: ['user'] } }, async (request, reply) => {
    await app.sessions.endOwn(request.caller)
    await request.session.destroy()
    return reply.dropSessionCookie().onward('/ui/signed-out')
  })
}) satisfies FastifyPluginAsyncTypebox

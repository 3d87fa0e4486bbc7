// "Check your mail": what every form that may lead to a mail leads to, whatever came of it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { sentOf } from '../../../plugins/http/page-kit.js'

export default (async (app) => {
  app.get('/', { config: { access: ['public'] } }, async (request, reply) => reply.show('sent', { what: sentOf(request.asked('what')), email: request.kept('sent') }))
}) satisfies FastifyPluginAsyncTypebox

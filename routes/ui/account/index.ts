// My account, at a glance, and a copy of all that is kept of it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form } from '../../../plugins/http/page-kit.js'

export default (async (app) => {
  app.get('/', { config: { access: ['user'] } }, async (request, reply) =>
    reply.show('account', { user: await app.accounts.find(request.signedIn().id) }))

  // by a form: no other site can have it made by a link
  app.post('/', { schema: { body: form({}) }, config: { access: ['user'], price: 50 } }, async (request, reply) => {
    const everything = await app.accountExports.everything(request.caller)
    return reply.header('content-disposition', 'attachment; filename="account.json"').type('application/json; charset=utf-8').send(JSON.stringify(everything, null, 2))
  })
}) satisfies FastifyPluginAsyncTypebox

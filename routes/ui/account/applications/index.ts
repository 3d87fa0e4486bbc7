// What one has let applications do, and taking it back.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { doneOf, form } from '../../../../plugins/http/page-kit.js'

const WithdrawForm = form({ withdraw: { maxLength: 36, pattern: '^[0-9a-f-]{36}$' } })

export default (async (app) => {
  const { ownGrants } = app

  app.get('/', { config: { access: ['user'] } }, async (request, reply) => {
    const applications = (await ownGrants.list(request.signedIn().id)).map(({ id, client: { name, clientUri }, scopes, grantedAt, lastUsedAt }) => ({ id, name, clientUri, scopes, grantedAt, lastUsedAt }))
    return reply.show('applications', { applications, done: doneOf(request.asked('done')) })
  })

  app.post('/', { schema: { body: WithdrawForm }, config: { access: ['user'] } }, async (request, reply) => {
    await ownGrants.withdraw(request.caller, request.signedIn().id, request.body.withdraw)
    await reply.effective(false)
    return reply.onward('/ui/account/applications?done=withdrawn')
  })
}) satisfies FastifyPluginAsyncTypebox

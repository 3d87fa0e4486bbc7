// My identities at other systems: linked by going there, taken away by a form.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { doneOf, form, formProblem, IdField } from '../../../../plugins/http/page-kit.js'
import { RECENT } from '../../../../plugins/http/route-kit.js'
import { problem } from '../../../../src/kernel/errors.js'

const IdentityForm = form({ link: 64, unlink: IdField })

export default (async (app) => {
  const { clock, federation, identities, identityProviders } = app

  async function shown(userId: string) {
    const [own, providers] = await Promise.all([identities.list(userId), identityProviders.listEnabled()])
    return { identities: own, providers: providers.map(({ id, name }) => ({ id, name })) }
  }

  app.get('/', { config: { access: ['gatehouse:own.profile'] } }, async (request, reply) =>
    reply.show('identities', { ...(await shown(request.signedIn().id)), problem: null, done: doneOf(request.asked('done')) }))

  app.post('/', { schema: { body: IdentityForm }, config: { access: ['gatehouse:own.profile'], stepUp: RECENT, price: 10 } }, async (request, reply) => {
    const { link, unlink } = request.body
    const { id: userId, sessionId } = request.signedIn()
    try {
      if (unlink !== '') {
        await identities.unlink(request.caller, unlink)
        return reply.onward('/ui/account/identities?done=unlinked')
      }
      if (sessionId === undefined) throw problem('session.not_found')
      const { authorizationUrl } = await federation.start(request.browserBinding(reply), { providerId: link, intent: { kind: 'link', userId, sessionId }, mode: 'cookie', returnTo: '/ui/federated?return_to=%2Fui%2Faccount%2Fidentities' })
      const { name } = (await identityProviders.listEnabled()).find(({ id }) => id === link) ?? { name: '' }
      return await reply.show('leave', { to: authorizationUrl, name })
    } catch (error) {
      const fault = formProblem(error, clock.now(), {
        'identity.last': 'identity.last', 'provider.not_found': 'provider.unavailable', 'provider.unavailable': 'provider.unavailable', 'federation.refused': 'provider.unavailable',
      })
      return reply.code(422).show('identities', { ...(await shown(userId)), problem: fault, done: null })
    }
  })
}) satisfies FastifyPluginAsyncTypebox

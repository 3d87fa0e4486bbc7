// An identity at another system that waits to be linked: its address is this account's, and its owner, signed in by a way of before, says whether it
// is theirs.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem } from '../../../plugins/http/page-kit.js'
import { isProblem } from '../../../src/kernel/errors.js'
import type { FormProblem } from '../../../src/pages/index.js'

const LinkForm = form({ answer: { maxLength: 4, pattern: '^(yes|no)?$' } })

export default (async (app) => {
  const { accounts, clock, federation } = app

  async function shown(request: FastifyRequest, reply: FastifyReply, problem: FormProblem | null): Promise<FastifyReply> {
    const { email: account } = await accounts.find(request.signedIn().id)
    try {
      const { provider, email } = await federation.pendingLink(request.knownBrowser())
      return await reply.show('link', { provider: provider.name, email, account: account ?? '', problem })
    } catch (error) {
      // it was answered, or is too old
      if (isProblem(error, 'link.void')) return reply.onward('/ui/account/identities')
      throw error
    }
  }

  app.get('/', { config: { access: ['user'] } }, async (request, reply) => shown(request, reply, null))

  app.post('/', { schema: { body: LinkForm }, config: { access: ['user'] } }, async (request, reply) => {
    if (request.body.answer !== 'yes') {
      await federation.dropLink(request.knownBrowser())
      return reply.onward('/ui/account/identities')
    }
    try {
      await federation.confirmLink(request.caller, request.knownBrowser())
      return reply.onward('/ui/account/identities?done=linked')
    } catch (error) {
      return shown(request, reply.code(422), formProblem(error, clock.now(), { 'link.void': 'link.void', 'identity.taken': 'identity.taken', 'identity.cap_reached': 'identity.full' }))
    }
  })
}) satisfies FastifyPluginAsyncTypebox

// An invitation into an organization, opened with a mailed link. The token goes into a cookie before anything is shown, and stays there while somebody signs in.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form, formProblem } from '../../../plugins/http/page-kit.js'
import type { FormProblem } from '../../../src/pages/index.js'

const KEPT_SECONDS = 3_600

export default (async (app) => {
  const { clock, organizationInvitations } = app

  async function shown(request: FastifyRequest, reply: FastifyReply, problem: FormProblem | null): Promise<FastifyReply> {
    const waiting = await organizationInvitations.look(request.kept('organization'))
    if (!waiting) return reply.drop('organization').code(410).show('link-void', {})
    if (problem) void reply.code(422)
    return reply.show('join', { organization: waiting.name, email: waiting.email, problem })
  }

  app.get('/', { config: { access: ['public'] } }, async (request, reply) => {
    const token = request.asked('token')
    if (token !== '') void reply.keep('organization', token, KEPT_SECONDS)
    return reply.onward('/ui/join/confirm')
  })

  app.get('/confirm', { config: { access: ['user'] } }, async (request, reply) => shown(request, reply, null))

  app.post('/confirm', { schema: { body: form({}) }, config: { access: ['user'] } }, async (request, reply) => {
    try {
      await organizationInvitations.take(request.caller, request.kept('organization'))
      return reply.drop('organization').onward('/ui/account/profile?done=joined')
    } catch (error) {
      return shown(request, reply, formProblem(error, clock.now(), {
        'organization.invitation_void': 'mail.void', 'access.denied': 'join.other-address', 'organization.member_known': 'join.known', 'organization.full': 'join.full',
      }))
    }
  })
}) satisfies FastifyPluginAsyncTypebox

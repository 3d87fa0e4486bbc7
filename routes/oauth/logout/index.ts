// The end_session_endpoint. A form that a client's page posts comes without this origin's cookies: it becomes an address first.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoAnswer, OAuthPage } from '../schema.js'

export default (async (app) => {
  const { oauth, sessions } = app

  app.get('/', { schema: { response: { 200: OAuthPage, 303: NoAnswer } }, config: { access: ['public'], showsProblems: true } }, async (request, reply) => {
    const { session, caller } = await request.visitor(reply)
    const { act, location } = await oauth.logout(request.queryParameters(), session?.sessionId ?? null)
    if (act === 'end') {
      await sessions.endOwn(caller)
      void reply.dropSignIn()
    }
    return reply.onward(location)
  })

  app.post('/', { schema: { response: { 303: NoAnswer } }, config: { access: ['public'], showsProblems: true } }, async (request, reply) =>
    reply.onward(`/oauth/logout?${request.parameters().toString()}`))
}) satisfies FastifyPluginAsyncTypebox

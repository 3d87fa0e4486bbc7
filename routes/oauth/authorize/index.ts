// The authorization endpoint. A form that a client's page posts comes without this origin's cookies: it becomes an address first.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NoAnswer, OAuthPage } from '../schema.js'

export default (async (app) => {
  const { oauth } = app

  app.get('/', { schema: { response: { 200: OAuthPage, 303: NoAnswer } }, config: { access: ['public'], showsProblems: true } }, async (request, reply) => {
    const visitor = await request.visitor(reply)
    return reply.authorization(await oauth.authorize(request.queryParameters(), visitor))
  })

  app.post('/', { schema: { response: { 303: NoAnswer } }, config: { access: ['public'], showsProblems: true } }, async (request, reply) =>
    reply.onward(`/oauth/authorize?${request.parameters().toString()}`))
}) satisfies FastifyPluginAsyncTypebox

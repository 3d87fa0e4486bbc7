// The sign-ins of the caller: where they are signed in, and how to end it there.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent, WaitQuery } from '../../plugins/http/route-kit.js'
import { Ended, Session, SessionPage, SessionQuery } from './schema.js'

export default (async (app) => {
  const { sessions } = app

  app.get('/', {
    schema: { operationId: 'listSessions', summary: 'List your live sessions', tags: ['Sessions'], querystring: SessionQuery, response: { 200: SessionPage } },
    config: { access: ['gatehouse:own.sessions'], errors: ['cursor.invalid'] },
  }, async (request, reply) => {
    const { id, sessionId } = request.signedIn()
    return reply.page(await sessions.list(id, request.query, sessionId))
  })

  app.get('/:id', {
    schema: { operationId: 'readSession', summary: 'One of your live sessions', tags: ['Sessions'], params: IdParams, response: { 200: Session } },
    config: { access: ['gatehouse:own.sessions'], errors: ['session.not_found'] },
  }, async (request) => {
    const { id, sessionId } = request.signedIn()
    return sessions.find(id, request.params.id, sessionId)
  })

  app.delete('/:id', {
    schema: { operationId: 'endSession', summary: 'End one of your sessions', description: 'What it gave out stops working at once: cookie, access and refresh tokens.', tags: ['Sessions'], params: IdParams, querystring: WaitQuery, response: { 204: NoContent } },
    config: { access: ['user'], impersonated: true, errors: ['session.not_found'] },
  }, async (request, reply) => {
    await sessions.end(request.caller, request.params.id)
    await reply.effective(request.query.wait)
    return reply.code(204).send(null)
  })

  app.delete('/', {
    schema: { operationId: 'endOtherSessions', summary: 'End all your sessions but this one', tags: ['Sessions'], querystring: WaitQuery, response: { 200: Ended } },
    config: { access: ['user'], impersonated: true },
  }, async (request, reply) => {
    const ended = await sessions.endOthers(request.caller)
    await reply.effective(request.query.wait)
    return { ended }
  })
}) satisfies FastifyPluginAsyncTypebox

// What I have let applications do: seen, and taken back.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../../plugins/http/route-kit.js'
import { OwnGrants } from './schema.js'

const tags = ['Account']

export default (async (app) => {
  const { ownGrants } = app

  app.get('/', {
    schema: { operationId: 'listMyGrants', summary: 'Applications that may act for me', tags, response: { 200: OwnGrants } },
    config: { access: ['user'] },
  }, async (request) => ({ data: await ownGrants.list(request.signedIn().id) }))

  app.delete('/:id', {
    schema: { operationId: 'withdrawMyGrant', summary: 'Take back what I let an application do', description: 'Its tokens open nothing from then on, and it asks anew. `id`: of the application.', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['user'], errors: ['grant.not_found'] },
  }, async (request, reply) => {
    await ownGrants.withdraw(request.caller, request.signedIn().id, request.params.id)
    await reply.effective(false)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox

// Resources, for those who say what a scope is worth.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { NewResource, ResourcePage, ResourcePatch, ResourceQuery, ResourceView } from './schema.js'

const tags = ['OAuth resources']

export default (async (app) => {
  const { resources } = app

  app.get('/', {
    schema: { operationId: 'listResources', summary: 'List resources', tags, querystring: ResourceQuery, response: { 200: ResourcePage } },
    config: { access: ['gatehouse:clients.read'], errors: ['cursor.invalid'] },
  }, async ({ query }, reply) => reply.page(await resources.list(query)))

  app.post('/', {
    schema: { operationId: 'createResource', summary: 'Add a resource', description: 'Whoever does holds what its scopes are worth.', tags, body: NewResource, response: { 201: ResourceView } },
    config: { access: ['gatehouse:clients.write'], idempotent: true, errors: ['resource.taken', 'resource.cap_reached', 'permission.not_held'] },
  }, async (request, reply) => request.idempotently(reply, 201, () => resources.create(request.caller, request.body)))

  app.get('/:id', {
    schema: { operationId: 'readResource', summary: 'Read a resource', tags, params: IdParams, response: { 200: ResourceView } },
    config: { access: ['gatehouse:clients.read'], errors: ['resource.not_found'] },
  }, async ({ params }, reply) => reply.versioned(await resources.find(params.id)))

  app.patch('/:id', {
    schema: { operationId: 'changeResource', summary: 'Change a resource', description: 'Its identifier stays. What a scope is worth changes for every client that has it.', tags, params: IdParams, body: ResourcePatch, response: { 200: ResourceView } },
    config: { access: ['gatehouse:clients.write'], errors: ['resource.not_found', 'permission.not_held', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    return reply.versioned(await resources.update(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body))
  })

  app.delete('/:id', {
    schema: { operationId: 'deleteResource', summary: 'Delete a resource', description: 'Tokens for it open nothing from then on.', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:clients.write'], errors: ['resource.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const header = request.headers['if-match']
    await resources.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id))
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
